"""The world's language understood by rules: prompts to scenes, edits applied, questions answered.

No model here. The test doubles draw and answer with it, so that what they say
about a picture follows from its pixels.
"""

import re
from dataclasses import replace

from sightline_runtime.world.judge import Reading, Seen
from sightline_runtime.world.language import NUMBERS, RELATIONS, place, plural
from sightline_runtime.world.scenes import (
    BACKGROUNDS,
    CELLS,
    CENTERS,
    COLORS,
    SHAPES,
    SIZES,
    Scene,
    SceneSampler,
    Thing,
)

_SHAPE = "|".join([*(plural(shape) for shape in SHAPES), *SHAPES])
_COUNT = "|".join([*NUMBERS[1:5], "1", "2", "3", "4", "an?", "the"])
_CELL = "|".join(sorted(CELLS, key=len, reverse=True))
_THING = re.compile(
    rf"(?:(?P<count>{_COUNT}) )?(?:(?P<size>{'|'.join(SIZES)}) )?(?:(?P<color>{'|'.join(COLORS)}) )?"
    rf"(?P<shape>{_SHAPE})\b(?: (?:at|in|to) the (?P<cell>{_CELL}))?"
)


def _plain(text: str) -> str:
    spaced = re.sub(r"([?,.])", r" \1 ", text.lower().replace("colour", "color"))
    return " ".join(spaced.split())


def _singular(shape: str) -> str:
    return next(name for name in SHAPES if shape in (name, plural(name)))


def _number(word: str | None) -> int:
    if word in NUMBERS:
        return NUMBERS.index(word)
    return int(word) if word and word.isdigit() else 1


def scene_of(prompt: str, seed: int) -> Scene | None:
    """A scene that a prompt describes, what it leaves open drawn from the seed; None without a shape."""
    text, world = _plain(prompt), SceneSampler(seed, held_out=False)
    named = [match for match in _THING.finditer(text) for _ in range(_number(match["count"]))][:9]
    if not named:
        return None
    relation = next((name for name in RELATIONS if f" {name} " in text), None)
    free = [CELLS.index(m["cell"]) if m["cell"] else -1 for m in named]
    open_cells = iter(int(c) for c in world.rng.permutation(9) if c not in free)
    cells = (
        _related_cells(relation, world)
        if relation and len(named) == 2
        else [cell if cell >= 0 else next(open_cells) for cell in free]
    )
    things = [
        world.thing(cell, shape=_singular(m["shape"]), color=m["color"], size=m["size"])
        for m, cell in zip(named, cells, strict=True)
    ]
    ground = re.search(rf"({'|'.join(BACKGROUNDS)}) background", text)
    return Scene(ground[1] if ground else "white", tuple(things))


def _related_cells(relation: str, world: SceneSampler) -> list[int]:
    line = int(world.rng.integers(3))
    first, second = (0, 2) if relation in ("left of", "above") else (2, 0)
    beside = relation in ("left of", "right of")
    return [3 * line + first, 3 * line + second] if beside else [3 * first + line, 3 * second + line]


def scene_in(reading: Reading) -> Scene:
    """The scene that a reading of pixels amounts to; regions without a shape are left out."""
    things = [
        Thing(seen.shape, seen.color, seen.size, seen.cell, *_shift(seen))
        for seen in reading.things
        if seen.shape and seen.size
    ]
    return Scene(reading.background, tuple(things))


def _shift(seen: Seen) -> tuple[int, int]:
    limit = 3 if seen.size == "small" else 1
    dx, dy = seen.x - CENTERS[seen.cell % 3], seen.y - CENTERS[seen.cell // 3]
    return (max(-limit, min(limit, round(dx))), max(-limit, min(limit, round(dy))))


def edited(scene: Scene, instruction: str, seed: int) -> Scene:
    """The scene after an instruction; unchanged where it names nothing that is there."""
    text = _plain(instruction)
    ground = re.search(rf"background (?:to )?({'|'.join(BACKGROUNDS)})", text)
    if ground:
        return replace(scene, background=ground[1])
    if re.search(r"\b(add|put)\b", text):
        added = scene_of(text, seed)
        free = scene.free_cells()
        if not added or not free:
            return scene
        thing = added.things[0]
        cell = thing.cell if thing.cell in free else free[0]
        return Scene(scene.background, (*scene.things, replace(thing, cell=cell)))
    named = _THING.search(text)
    found = named and scene.matching(shape=_singular(named["shape"]), color=named["color"])
    return _changed(scene, found[0], text[named.end() - 1 :], text) if named and found else scene


def _changed(scene: Scene, thing: Thing, rest: str, text: str) -> Scene:
    if re.search(r"\b(remove|delete|erase)\b", text):
        return scene.without(thing)
    other = _THING.search(rest, 1)
    if text.startswith("replace") and other:
        return scene.swapped(thing, replace(thing, shape=_singular(other["shape"])))
    cell = re.search(rf"to the ({_CELL})", text)
    if text.startswith("move") and cell:
        wanted = CELLS.index(cell[1])
        return scene.swapped(thing, replace(thing, cell=wanted)) if wanted in scene.free_cells() else scene
    size = re.search(rf"\b({'|'.join(SIZES)})\b", rest)
    if size:
        limit = 3 if size[1] == "small" else 1
        dx, dy = (max(-limit, min(limit, shift)) for shift in (thing.dx, thing.dy))
        return scene.swapped(thing, replace(thing, size=size[1], dx=dx, dy=dy))
    color = re.search(rf"\b({'|'.join(COLORS)})\b", rest)
    return scene.swapped(thing, replace(thing, color=color[1])) if color else scene


def answer(reading: Reading, question: str) -> str | None:
    """The true answer to a question about a picture, None if the rules do not know the question."""
    text, scene = _plain(question), scene_in(reading)
    color = re.search(rf"\b({'|'.join(COLORS)})\b", text)
    cell = re.search(rf"(?:at|in) the ({_CELL})", text)
    shape = re.search(rf"\b({_SHAPE})\b", text)
    if "background" in text:
        return scene.background
    if text.startswith("how many"):
        kind = _singular(shape[1]) if shape else None
        return NUMBERS[len(scene.matching(shape=kind, color=color[1] if color else None))]
    if text.startswith("is the") and len(list(_THING.finditer(text))) == 2:
        return _relation(scene, text)
    if text.startswith("is there"):
        kind = _singular(shape[1]) if shape else None
        return "yes" if scene.matching(shape=kind, color=color[1] if color else None) else "no"
    named = [
        thing
        for thing in scene.matching(
            shape=_singular(shape[1]) if shape else None, color=color[1] if color else None
        )
        if not cell or CELLS[thing.cell] == cell[1]
    ]
    return _attribute(named[0], text) if named else None


def _relation(scene: Scene, text: str) -> str:
    a, b = (scene.matching(shape=_singular(m["shape"]), color=m["color"]) for m in _THING.finditer(text))
    if not a or not b:
        return "no"
    holds = {
        "left of": a[0].column < b[0].column,
        "right of": a[0].column > b[0].column,
        "above": a[0].row < b[0].row,
        "below": a[0].row > b[0].row,
    }
    return "yes" if holds[next(name for name in RELATIONS if name in text)] else "no"


def _attribute(thing: Thing, text: str) -> str | None:
    if text.startswith("what color"):
        return thing.color
    if text.startswith("what shape"):
        return thing.shape
    if text.startswith("how big"):
        return thing.size
    return place(thing.cell) if text.startswith("where") else None
