"""Batches for every stage, drawn from the world; the same (seed, step) gives the same batch.

Nothing is stored between steps, so a training that resumes at step k goes on
with exactly the data it would have seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sightline_runtime.models import words as w
from sightline_runtime.models.transcript import transcript
from sightline_runtime.models.words import Words
from sightline_runtime.world import dialogue, language, outright, phrasing
from sightline_runtime.world.acts import Change
from sightline_runtime.world.language import Edit, Question
from sightline_runtime.world.render import render
from sightline_runtime.world.scenes import COLORS, SHAPES, Scene, SceneSampler, Thing

QUESTION_WEIGHTS = {
    "relation": 5.0,
    "place": 2.0,
    "existence": 2.0,
    "count_shape": 4.0,
    "count_color": 4.0,
    "color_of_shape": 1.5,
    "background": 0.3,
}
"""How often a type is asked, 1 where nothing is said: what is learnt last is asked most."""


_PLANNED = 0.92
"""Share of drawings from a plan, as nearly all are in use; the rest keep the way without one open."""


def sampler(seed: int, stage: str, step: int) -> SceneSampler:
    """The generator of one step's scenes."""
    digest = sum(ord(letter) * 31**place for place, letter in enumerate(stage)) % 2**31
    return SceneSampler(int(np.random.SeedSequence([seed, digest, step]).generate_state(1)[0]))


def pictures(scenes: Sequence[Scene], shift: float = 0.0) -> Tensor:
    """Rendered scenes: (b, 3, 64, 64) in 0 … 1."""
    pixels = torch.from_numpy(render(scenes, shift))
    return pixels.permute(0, 3, 1, 2).contiguous().float() / 255


def crowded(world: SceneSampler, count: int) -> list[Scene]:
    """Scenes for autoencoding: three in four hold four to nine things."""
    return [world.scene(4, 9) if world.maybe(0.75) else world.scene() for _ in range(count)]


@dataclass(frozen=True)
class Segment:
    """Token ids that stand by themselves, and which of them are learnt.

    `named` are places of tokens that name a thing of the picture, and the thing's cell.
    """

    ids: list[int]
    learn: list[bool]
    named: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Rows:
    """Token rows of a prefix and independent segments.

    `ids` (b, l), `segment` (b, l) numbers (0 the prefix, −1 padding), `position`
    (b, l) rotary positions, `learn` (b, l) where the token is a learnt answer,
    `cell` (b, l) the cell of the thing that a token names, −1 where it names none.
    """

    ids: Tensor
    segment: Tensor
    position: Tensor
    learn: Tensor
    cell: Tensor


def _segment(words: Words, text: str, header: int, answer: str, scene: Scene | None = None) -> Segment:
    before, after = [*words.ids(text), header], [*words.ids(answer), w.END]
    named = () if scene is None else tuple(_named(text.split(), scene))
    return Segment(before + after, [False] * len(before) + [True] * len(after), named)


def _named(text: list[str], scene: Scene) -> Iterator[tuple[int, int]]:
    """Where shape words fit one thing of the scene only, with the colour before them, and its cell."""
    for place, word in enumerate(text):
        if word in SHAPES:
            color = text[place - 1] if place and text[place - 1] in COLORS else None
            found = scene.matching(shape=word, color=color)
            if len(found) == 1:
                yield place, found[0].cell


def picture_segments(world: SceneSampler, words: Words, scene: Scene, questions: int) -> list[Segment]:
    """Questions, now and then a full description, and an edit with its plan."""
    kinds = list(language.QUESTION_TYPES)
    weights = np.array([QUESTION_WEIGHTS.get(kind, 1.0) for kind in kinds])
    segments = []
    for kind in world.rng.choice(kinds, questions, p=weights / weights.sum()):
        if asked := _asked(world, scene, str(kind)):
            segments.append(_segment(words, asked.text, w.ASSISTANT, asked.answer, scene))
    if world.maybe(0.3):
        segments.append(_segment(words, "", w.PLAN, language.plan(scene)))
    for change in (_changed(world, scene), _group_edit(world, scene) if world.maybe(0.6) else None):
        if change is not None:
            segments.append(_segment(words, change.instruction, w.PLAN, language.edit_plan(change), scene))
    return segments


def _asked(world: SceneSampler, scene: Scene, kind: str) -> Question | None:
    """A question of the world's own language, now and then of the wider one or about nothing there."""
    draw = world.rng.random()
    if draw < 0.3:
        return phrasing.question(world, scene)
    return phrasing.unanswerable(world, scene) if draw < 0.36 else language.question(world, scene, kind)


def _changed(world: SceneSampler, scene: Scene) -> Edit | None:
    """An edit of the scene, half of them in the wider language, one in twelve impossible."""
    draw = world.rng.random()
    if draw < 0.5:
        return language.edit_of(world, scene, world.choice(language.EDIT_KINDS))
    if draw < 0.65:
        return _spoken_of(world, scene)
    change = phrasing.impossible(world, scene) if draw < 0.73 else phrasing.instruction_on(world, scene)
    return change and replace(change, instruction=phrasing.politely(world, change.instruction))


def _spoken_of(world: SceneSampler, scene: Scene) -> Edit | None:
    """An edit as dialogues ask for it, of one or all of a group too; None where this draw does not fit."""
    return _edit_of(world, scene, outright.some_change(world, scene))


def _group_edit(world: SceneSampler, scene: Scene) -> Edit | None:
    """An edit of one or all of several things; None where this draw does not fit."""
    change = outright.group_change(world, scene)
    return None if change is None else _edit_of(world, scene, change)


def _edit_of(world: SceneSampler, scene: Scene, change: Change) -> Edit | None:
    after = change.apply(world, scene)
    return None if after is None else Edit(change.kind, outright.said(world, change, scene), scene, after)


def pictured(world: SceneSampler) -> Scene:
    """A scene to look at; in one of four some things are called alike."""
    return outright.twins(world) if world.maybe(0.25) else world.scene()


def prompt_segments(world: SceneSampler, words: Words, count: int) -> list[Segment]:
    """Prompts with plans that satisfy them."""
    drawn = [_prompted(world) for _ in range(count)]
    return [_segment(words, text, w.PLAN, language.plan(scene)) for text, scene in drawn]


def _prompted(world: SceneSampler) -> tuple[str, Scene]:
    """A prompt and a scene; two related things, whose plans are learnt last, are asked for most."""
    if world.maybe(0.25):
        return language.prompt(world, "position")
    return phrasing.prompt(world) if world.maybe(0.5) else language.any_prompt(world)


def call_segments(world: SceneSampler, words: Words, count: int) -> list[Segment]:
    """Lines of dialogue with the tool calls they ask for."""
    lines = [dialogue.tool_call(world) for _ in range(count)]
    return [_segment(words, line, w.ASSISTANT, call) for line, call in lines]


def dialogue_segment(world: SceneSampler, words: Words, most: int) -> Segment:
    """A dialogue of four to eight turns, of which every call is learnt, as the model reads dialogues."""
    turns = dialogue.dialogue(world, int(world.rng.integers(4, 9)))
    said = [(role, words.ids(text)) for role, text in dialogue.script(turns)]
    read = transcript(said, most)
    return Segment(read.ids[1:], read.written[1:])  # the mark of the tools is the row's prefix


def pack(prefix: Sequence[int], image_tokens: int, rows: Sequence[list[Segment]]) -> Rows:
    """Lay segments side by side after a prefix that ends with `image_tokens` picture places.

    Every segment starts at the position after the prefix, as if it stood alone.
    """
    start = len(prefix) + image_tokens
    width = start + max(sum(len(segment.ids) for segment in row) for row in rows)
    ids = torch.full((len(rows), width), w.PAD)
    segment, position = torch.full_like(ids, -1), torch.zeros_like(ids)
    learn, cell = torch.zeros_like(ids, dtype=torch.bool), torch.full_like(ids, -1)
    for index, row in enumerate(rows):
        ids[index, : len(prefix)] = torch.tensor(prefix)
        segment[index, :start] = 0
        position[index, :start] = torch.arange(start)
        at = start
        for number, part in enumerate(row, 1):
            end = at + len(part.ids)
            ids[index, at:end] = torch.tensor(part.ids)
            segment[index, at:end] = number
            position[index, at:end] = torch.arange(start, start + len(part.ids))
            learn[index, at:end] = torch.tensor(part.learn)
            for place, where in part.named:
                cell[index, at + place] = where
            at = end
    return Rows(ids, segment, position, learn, cell)


def visible(rows: Rows) -> Tensor:
    """Which tokens see which: (b, 1, l, l); own segment and the prefix, causally."""
    own, seen = rows.segment[:, :, None], rows.segment[:, None, :]
    length = rows.ids.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    mask = ((own == seen) | (seen == 0)) & causal
    return (mask | torch.eye(length, dtype=torch.bool)).unsqueeze(1)


@dataclass(frozen=True)
class Drawing:
    """One prompt and the scenes to learn from it; `source` is the picture to edit."""

    ids: list[int]
    scenes: list[Scene]
    source: Scene | None = None


def _rejittered(world: SceneSampler, scene: Scene) -> Scene:
    return Scene(scene.background, tuple(_shifted(world, thing) for thing in scene.things))


def _shifted(world: SceneSampler, thing: Thing) -> Thing:
    dx, dy = world.jittered(thing.size)
    return Thing(thing.shape, thing.color, thing.size, thing.cell, dx, dy)


def drawing(world: SceneSampler, words: Words, draws: int) -> Drawing:
    """A full description, as plans are, and pictures of it; sometimes a looser prompt."""
    text, scene = phrasing.plain_prompt(world)
    if world.maybe(_PLANNED):
        text = language.plan(scene)
    ids = [w.USER, *words.ids(text), w.DRAW]
    return Drawing(ids, [scene, *(_rejittered(world, scene) for _ in range(draws - 1))])


def editing(world: SceneSampler, words: Words, draws: int) -> Drawing:
    """An instruction (with its plan, mostly), the source and the picture after the edit."""
    change = _edited(world)
    ids = [w.USER, *words.ids(change.instruction)]
    if world.maybe(_PLANNED):
        ids += [w.PLAN, *words.ids(language.edit_plan(change))]
    return Drawing([*ids, w.DRAW], [change.target] * draws, change.source)


def _edited(world: SceneSampler) -> Edit:
    draw = world.rng.random()
    if draw < 0.15:
        while True:
            change = _group_edit(world, outright.twins(world))
            if change is not None:
                return change
    return (
        phrasing.instruction(world) if draw < 0.4 else language.edit(world, world.choice(language.EDIT_KINDS))
    )
