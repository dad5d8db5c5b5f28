"""Questions about scenes that one look does not answer: change first, look closer, compare.

Four kinds of two to four steps each, made from scenes, with the true answer. Yes and no
are equally likely, and no question names what is ambiguous in its scene.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sightline_runtime.world import language
from sightline_runtime.world.language import NUMBERS, article, place, plural
from sightline_runtime.world.scenes import BACKGROUNDS, COLORS, SHAPES, Scene, SceneSampler, Thing

_COUNTS = NUMBERS[:5]
_YES_NO = ("yes", "no")
_MOST = 4
"""Things that the world holds."""


@dataclass(frozen=True)
class Puzzle:
    """A question of several steps: `steps` counts looks and changes, `choices` are what may be answered."""

    kind: str
    scene: Scene
    question: str
    answer: str
    choices: tuple[str, ...]
    steps: int


def puzzle(world: SceneSampler, kind: str) -> Puzzle:
    """A puzzle of a kind on a random scene; what it shall come to is drawn first, so that all is balanced."""
    wish = _Wish("yes" if world.maybe(0.5) else "no", world.maybe(0.4), world.maybe(0.7))
    while True:
        made = _KINDS[kind](world, world.scene(2, 4), wish)
        if made is not None:
            return made


@dataclass(frozen=True)
class _Wish:
    """What a puzzle shall be: its answer if that is yes or no, a plain count, one that the change changes."""

    answer: str
    plain: bool
    changed: bool


# --- counterfactual: would there be more red than blue objects if the stars were removed ? -------


def _counterfactual(world: SceneSampler, scene: Scene, wish: _Wish) -> Puzzle | None:
    shape = world.choice([thing.shape for thing in scene.things])
    gone = scene.matching(shape=shape)
    left = replace(scene, things=tuple(thing for thing in scene.things if thing.shape != shape))
    a, b = _two_colors(world, scene)
    answer = "yes" if len(left.matching(color=a)) > len(left.matching(color=b)) else "no"
    if not left.things or answer != wish.answer:
        return None
    names = f"the {shape} were" if len(gone) == 1 else f"the {plural(shape)} were"
    text = f"would there be more {a} than {b} objects if {names} removed ?"
    return Puzzle("counterfactual", scene, text, answer, _YES_NO, len(gone) + 3)


def _two_colors(world: SceneSampler, scene: Scene) -> tuple[str, str]:
    there = list(dict.fromkeys(thing.color for thing in scene.things))
    first = world.choice(there)
    others = [color for color in there if color != first] or [c for c in COLORS if c != first]
    second = world.choice(others)
    return (first, second) if world.maybe(0.5) else (second, first)


# --- counting after a change ---------------------------------------------------------------------


def _counting(world: SceneSampler, scene: Scene, wish: _Wish) -> Puzzle | None:
    change = language.edit_of(world, scene, world.choice(("add", "remove", "recolor", "replace")))
    condition = None if change is None or len(change.target.things) > _MOST else _condition(change)
    if change is None or condition is None:
        return None
    after, mixed = change.target, (*scene.things, *change.target.things)
    by = "shape" if world.maybe(0.5) else "color"
    value = world.choice([getattr(thing, by) for thing in mixed])
    before, count = (len(one.matching(**{by: value})) for one in (scene, after))
    if (before != count) is not wish.changed:
        return None
    asked = plural(value) if by == "shape" else f"{value} objects"
    text = f"how many {asked} would there be if {condition} ?"
    return Puzzle("counting", scene, text, NUMBERS[count], _COUNTS, 2)


def _condition(change: language.Edit) -> str | None:
    """An edit as a condition: 'the red star were removed'."""
    before = {thing.cell: thing for thing in change.source.things}
    after = {thing.cell: thing for thing in change.target.things}
    cell = next((cell for cell in range(9) if before.get(cell) != after.get(cell)), None)
    if cell is None:
        return None
    old, new = before.get(cell), after.get(cell)
    if old is None and new is not None:
        return f"{language.phrase(new)} were added {place(cell)}"
    if old is None:
        return None
    name = f"the {old.color} {old.shape}"
    if new is None:
        return f"{name} were removed"
    if old.shape != new.shape:
        return f"{name} were replaced with {article(new.shape)}"
    return f"{name} were painted {new.color}"


# --- looking closer ------------------------------------------------------------------------------

_PARTS: dict[str, Callable[[Thing], bool]] = {
    "top row": lambda thing: thing.row == 0,
    "middle row": lambda thing: thing.row == 1,
    "bottom row": lambda thing: thing.row == 2,
    "left column": lambda thing: thing.column == 0,
    "middle column": lambda thing: thing.column == 1,
    "right column": lambda thing: thing.column == 2,
}


def _zoom(world: SceneSampler, scene: Scene, wish: _Wish) -> Puzzle | None:
    side = world.choice(("row", "column"))
    parts = [name for name in _PARTS if name.endswith(side)]
    first, second = (parts[int(i)] for i in world.rng.permutation(3)[:2])
    color = world.choice([thing.color for thing in scene.things]) if world.maybe(0.4) else None
    counts = [
        sum(_PARTS[part](thing) and color in (None, thing.color) for thing in scene.things)
        for part in (first, second)
    ]
    things = "objects" if color is None else f"{color} objects"
    if wish.plain:
        text = f"how many {things} are in the {first} ?"
        return Puzzle("zoom", scene, text, NUMBERS[counts[0]], _COUNTS, 2)
    answer = "yes" if counts[0] > counts[1] else "no"
    if answer != wish.answer:
        return None
    text = f"are there more {things} in the {first} than in the {second} ?"
    return Puzzle("zoom", scene, text, answer, _YES_NO, 4)


# --- following instructions ----------------------------------------------------------------------


def _instructions(world: SceneSampler, scene: Scene, wish: _Wish) -> Puzzle | None:
    texts, now = [], scene
    for kind in [language.EDIT_KINDS[int(i)] for i in world.rng.permutation(len(language.EDIT_KINDS))[:2]]:
        change = language.edit_of(world, now, kind)
        if change is None or len(change.target.things) > _MOST:
            return None
        texts.append(change.instruction)
        now = change.target
    asked = language.question(
        world,
        now,
        world.choice(
            (
                "color_of_shape",
                "shape_of_color",
                "shape_at_place",
                "color_at_place",
                "count_objects",
                "existence",
            )
        ),
    )
    if asked is None or _said(asked, scene):
        return None
    text = f"{texts[0]} , then {texts[1]} . {asked.text}"
    return Puzzle("instructions", scene, text, asked.answer, _choices(asked.answer), 3)


def _said(asked: language.Question, scene: Scene) -> bool:
    """Whether the answer is the same without the instructions: then they would not matter."""
    colors = {thing.color for thing in scene.things}
    shapes = [thing.shape for thing in scene.things]
    if asked.kind == "count_objects":
        return asked.answer == NUMBERS[len(scene.things)]
    if asked.kind == "existence":
        words = asked.text.split()
        return asked.answer == ("yes" if scene.matching(color=words[3], shape=words[4]) else "no")
    return asked.answer in (colors if asked.answer in COLORS else shapes)


def _choices(answer: str) -> tuple[str, ...]:
    for options in (_YES_NO, _COUNTS, tuple(COLORS), SHAPES, tuple(BACKGROUNDS)):
        if answer in options:
            return tuple(options)
    return (answer,)


_KINDS: dict[str, Callable[[SceneSampler, Scene, _Wish], Puzzle | None]] = {
    "counterfactual": _counterfactual,
    "counting": _counting,
    "zoom": _zoom,
    "instructions": _instructions,
}
PUZZLE_KINDS = tuple(_KINDS)
