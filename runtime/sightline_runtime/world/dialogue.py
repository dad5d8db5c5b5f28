"""Lines of dialogue and the tool calls they ask for: 'edit ( make the star red )'.

The language of tool calls: a tool's name and its text in parentheses, before which a
picture other than the last one is named, 'understand ( picture one , … )'; `undo ( )` and
`show ( picture one )`. Politeness and wishes ("please draw …") stay outside of the call.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from sightline_runtime.world import elsewhere, language, outright, phrasing, remarks
from sightline_runtime.world.conversation import Talk, Turn
from sightline_runtime.world.language import EDIT_KINDS, QUESTION_TYPES
from sightline_runtime.world.scenes import SceneSampler

Role = Literal["system", "user", "assistant"]

_UNDOS = ("undo", "undo that", "go back", "please undo that", "take that back", "go back one step")


def tool_call(world: SceneSampler, *, loose: float = 0.4) -> tuple[str, str]:
    """A line and its call; `loose` is the share of lines in the wider language."""
    kind, wide = world.rng.random(), world.maybe(loose)
    if kind < 0.35:
        text = _drawable(world, wide)
        return world.choice(phrasing.WISHES[:-1]).format(text), f"generate ( {text} )"
    if kind < 0.65:
        change = phrasing.instruction_on(world, world.scene()) if wide else None
        text = (change or language.edit(world, world.choice(EDIT_KINDS))).instruction
        return phrasing.politely(world, text), f"edit ( {text} )"
    if kind < 0.9:
        scene = world.scene()
        asked = None if wide else language.question(world, scene, world.choice(QUESTION_TYPES))
        text = (asked or phrasing.question(world, scene)).text
        return text, f"understand ( {text} )"
    return world.choice(_UNDOS), "undo ( )"


def _drawable(world: SceneSampler, wide: bool) -> str:
    return phrasing.plain_prompt(world)[0] if wide else language.any_prompt(world)[0]


_LEANING = 0.8
"""Share of turns, after the first, that lean on what went before where they can."""
_GIVEN = 0.4
"""Share of dialogues that begin with a picture from outside."""


def dialogue(world: SceneSampler, turns: int) -> list[Turn]:
    """A dialogue of so many turns: most of them mean nothing without those before."""
    talk = begun(world)
    while len(talk.turns) < turns:
        go_on(world, talk)
    return [_unmarked(world, turn) for turn in talk.turns]


def begun(world: SceneSampler) -> Talk:
    """A dialogue before its first turn, now and then with a picture from outside."""
    talk = Talk()
    if world.maybe(_GIVEN):
        talk.look(world.scene())
    return talk


def go_on(world: SceneSampler, talk: Talk) -> None:
    """Try to add a turn to a dialogue, about the scenes of its pictures as they are now."""
    if talk.turns and not talk.full and not talk.given and world.maybe(0.04):
        talk.look(world.scene())
    if not (talk.turns and not talk.given and world.maybe(_LEANING) and _lean(world, talk)):
        _say_in_full(world, talk)


def script(turns: Sequence[Turn]) -> list[tuple[Role, str]]:
    """A dialogue as messages after the first, "tools": lines, calls, and notes of the system.

    The system notes which picture came with a line, and what came of a call.
    """
    said: list[tuple[Role, str]] = []
    for turn in turns:
        given: list[tuple[Role, str]] = [("system", turn.given)] if turn.given else []
        said += [*given, ("user", turn.line), ("assistant", turn.call), ("system", turn.result)]
    return said


def _unmarked(world: SceneSampler, turn: Turn) -> Turn:
    """The same turn, now and then without its question mark."""
    bare = turn.line.endswith(" ?") and world.maybe(0.12)
    return replace(turn, line=turn.line.removesuffix(" ?")) if bare else turn


_LEANING_REMARKS: dict[Callable[[SceneSampler, Talk], bool], float] = {
    remarks.ask_it: 5,
    remarks.change_it: 12,
    remarks.ask_again: 7,
    remarks.ask_other: 8,
    remarks.ask_ones: 5,
    remarks.change_other: 14,
    remarks.change_value: 6,
    remarks.add_more: 8,
    remarks.draw_again: 2.5,
    elsewhere.ask_elsewhere: 2,
    elsewhere.ask_before: 2,
    elsewhere.change_elsewhere: 2,
    elsewhere.undo: 2,
    elsewhere.show: 1.5,
}
"""How often each is tried; what fits seldom is tried often."""


def _lean(world: SceneSampler, talk: Talk) -> bool:
    """One of the remarks that lean on the dialogue, drawn by weight among those tried."""
    options, weights = list(_LEANING_REMARKS), list(_LEANING_REMARKS.values())
    total = sum(weights)
    order = world.rng.choice(len(options), len(options), replace=False, p=[x / total for x in weights])
    return any(options[int(index)](world, talk) for index in order)


def _say_in_full(world: SceneSampler, talk: Talk) -> bool:
    draw = world.rng.random()
    if not talk.trail or draw < 0.15:
        return outright.draw(world, talk)
    return outright.change(world, talk) if draw < 0.5 else outright.ask(world, talk)
