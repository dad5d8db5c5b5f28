"""What is said about scenes: captions, plans, questions, edits and tool calls.

Every function takes a `SceneSampler` for its random choices and returns plain
lower-case text whose words and punctuation are separated by blanks.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sightline_runtime.world.scenes import (
    BACKGROUNDS,
    CELLS,
    COLORS,
    SHAPES,
    SIZES,
    Scene,
    SceneSampler,
    Thing,
)

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RELATIONS = ("left of", "right of", "above", "below")
GENERATION_TYPES = ("single_object", "two_objects", "counting", "colors", "position", "attribution")
EDIT_KINDS = ("recolor", "add", "remove", "replace", "move", "resize", "background")


@dataclass(frozen=True)
class Question:
    """A question about a scene, its answer, and the type it counts under."""

    kind: str
    text: str
    answer: str


@dataclass(frozen=True)
class Edit:
    """An instruction, the scene before and the scene after."""

    kind: str
    instruction: str
    source: Scene
    target: Scene


def plural(noun: str) -> str:
    """The plural of a shape or 'object'."""
    return noun + ("es" if noun.endswith("s") else "s")


def article(words: str) -> str:
    """The words with 'a' or 'an' before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def place(cell: int) -> str:
    """Where a cell is: 'in the center' or 'at the top left'."""
    return "in the center" if CELLS[cell] == "center" else f"at the {CELLS[cell]}"


def related(a: Thing, b: Thing, relation: str) -> bool:
    """Whether a stands in that relation to b, by grid column or row."""
    return {
        "left of": a.column < b.column,
        "right of": a.column > b.column,
        "above": a.row < b.row,
        "below": a.row > b.row,
    }[relation]


def phrase(thing: Thing, *, size: bool = True, color: bool = True) -> str:
    """Name a thing: 'a small red star'."""
    words = [thing.size] * size + [thing.color] * color + [thing.shape]
    return article(" ".join(words))


def joined(parts: list[str]) -> str:
    """List parts as people do: 'a , b and c'."""
    return " and ".join(parts) if len(parts) < 3 else " , ".join(parts[:-1]) + " and " + parts[-1]


def plan(scene: Scene) -> str:
    """The full description of a scene, cells in order: what the backbone writes before drawing."""
    things = [f"{phrase(thing)} {place(thing.cell)}" for thing in scene.things]
    return f"{joined(things)} on a {scene.background} background"


def caption(world: SceneSampler, scene: Scene) -> str:
    """A caption that may leave things unsaid: sizes, colours, places, background."""
    size, color, where, ground = (world.maybe(chance) for chance in (0.5, 0.75, 0.5, 0.35))
    things = list(scene.things)
    if not where:
        things = [things[int(i)] for i in world.rng.permutation(len(things))]
    parts = [phrase(t, size=size, color=color) + (f" {place(t.cell)}" if where else "") for t in things]
    return joined(parts) + (f" on a {scene.background} background" if ground else "")


# --- the six generation types of GenEval ---------------------------------------------------------


def _two(world: SceneSampler, scene: Scene) -> tuple[Thing, Thing] | None:
    if len(scene.things) != 2 or scene.things[0].shape == scene.things[1].shape:
        return None
    first, second = (scene.things[int(i)] for i in world.rng.permutation(2))
    return first, second


def _counting(scene: Scene) -> str | None:
    shapes = {thing.shape for thing in scene.things}
    if len(shapes) != 1 or len(scene.things) < 2:
        return None
    return f"{NUMBERS[len(scene.things)]} {plural(shapes.pop())}"


def prompt(world: SceneSampler, kind: str) -> tuple[str, Scene]:
    """A prompt of one of the six types and a random scene that satisfies it."""
    cells = [int(cell) for cell in world.rng.permutation(9)]
    ground = world.choice(list(BACKGROUNDS))
    if kind in ("single_object", "colors"):
        scene = Scene(ground, (world.thing(cells[0]),))
        return phrase(scene.things[0], size=False, color=kind == "colors"), scene
    if kind == "counting":
        shape, count = world.choice(SHAPES), int(world.rng.integers(2, 5))
        scene = Scene(ground, tuple(world.thing(cell, shape=shape) for cell in cells[:count]))
        return _counting(scene) or "", scene
    while True:
        a, b = world.thing(cells[0]), world.thing(cells[1])
        holds = [name for name in RELATIONS if related(a, b, name)]
        if a.shape != b.shape and (holds or kind != "position"):
            break
        cells = [int(cell) for cell in world.rng.permutation(9)]
    colored = kind == "attribution"
    words = [phrase(thing, size=False, color=colored) for thing in (a, b)]
    link = world.choice(holds) if kind == "position" else "and"
    return f"{words[0]} {link} {words[1]}", Scene(ground, (a, b))


def any_prompt(world: SceneSampler) -> tuple[str, Scene]:
    """A prompt of any form the world knows, and a scene that satisfies it."""
    if world.rng.random() < 0.6:
        return prompt(world, world.choice(GENERATION_TYPES))
    scene = world.scene()
    pair = _two(world, scene)
    if pair and world.rng.random() < 0.5:
        holds = [name for name in RELATIONS if related(*pair, name)]
        size, color = world.maybe(0.4), world.maybe(0.7)
        words = [phrase(thing, size=size, color=color) for thing in pair]
        text = f"{words[0]} {world.choice(holds)} {words[1]}"
        return text + (f" on a {scene.background} background" if world.rng.random() < 0.3 else ""), scene
    return caption(world, scene), scene


# --- questions -----------------------------------------------------------------------------------


def _unique(world: SceneSampler, scene: Scene, attribute: str) -> Thing | None:
    values = [getattr(thing, attribute) for thing in scene.things]
    single = [thing for thing in scene.things if values.count(getattr(thing, attribute)) == 1]
    return single[int(world.rng.integers(len(single)))] if single else None


def _named(world: SceneSampler, scene: Scene) -> Thing | None:
    names = [(thing.shape, thing.color) for thing in scene.things]
    single = [t for t in scene.things if names.count((t.shape, t.color)) == 1]
    return single[int(world.rng.integers(len(single)))] if single else None


def _count_objects(world: SceneSampler, scene: Scene) -> Question:
    return Question("count_objects", "how many objects are there ?", NUMBERS[len(scene.things)])


def _count_shapes(world: SceneSampler, scene: Scene) -> Question:
    shape = world.choice([t.shape for t in scene.things] if world.rng.random() < 0.75 else SHAPES)
    return Question(
        "count_shape", f"how many {plural(shape)} are there ?", NUMBERS[len(scene.matching(shape=shape))]
    )


def _count_colors(world: SceneSampler, scene: Scene) -> Question:
    color = world.choice([t.color for t in scene.things] if world.rng.random() < 0.75 else list(COLORS))
    return Question(
        "count_color", f"how many {color} objects are there ?", NUMBERS[len(scene.matching(color=color))]
    )


def _color_of(world: SceneSampler, scene: Scene) -> Question | None:
    thing = _unique(world, scene, "shape")
    return Question("color_of_shape", f"what color is the {thing.shape} ?", thing.color) if thing else None


def _shape_of(world: SceneSampler, scene: Scene) -> Question | None:
    thing = _unique(world, scene, "color")
    return (
        Question("shape_of_color", f"what shape is the {thing.color} object ?", thing.shape)
        if thing
        else None
    )


def _color_at(world: SceneSampler, scene: Scene) -> Question:
    thing = scene.things[int(world.rng.integers(len(scene.things)))]
    return Question("color_at_place", f"what color is the object {place(thing.cell)} ?", thing.color)


def _shape_at(world: SceneSampler, scene: Scene) -> Question:
    thing = scene.things[int(world.rng.integers(len(scene.things)))]
    return Question("shape_at_place", f"what shape is the object {place(thing.cell)} ?", thing.shape)


def _exists(world: SceneSampler, scene: Scene) -> Question:
    thing = scene.things[int(world.rng.integers(len(scene.things)))]
    shape, color = thing.shape, thing.color
    if world.rng.random() < 0.5:
        while scene.matching(shape=shape, color=color):
            # hard negatives: right shape in a wrong colour, right colour on a wrong shape
            shape, color = thing.shape, thing.color
            kind = world.rng.random()
            shape = shape if kind < 0.4 else world.choice(SHAPES)
            color = color if 0.4 <= kind < 0.8 else world.choice(list(COLORS))
    answer = "yes" if scene.matching(shape=shape, color=color) else "no"
    return Question("existence", f"is there {article(f'{color} {shape}')} ?", answer)


def _relation(world: SceneSampler, scene: Scene) -> Question | None:
    names = [(thing.shape, thing.color) for thing in scene.things]
    single = [t for t in scene.things if names.count((t.shape, t.color)) == 1]
    if len(single) < 2:
        return None
    a, b = (single[int(i)] for i in world.rng.permutation(len(single))[:2])
    wanted = world.maybe(0.5)
    options = [name for name in RELATIONS if related(a, b, name) is wanted]
    if not options:
        return None
    text = f"is the {a.color} {a.shape} {world.choice(options)} the {b.color} {b.shape} ?"
    return Question("relation", text, "yes" if wanted else "no")


def _size_of(world: SceneSampler, scene: Scene) -> Question | None:
    thing = _named(world, scene)
    return Question("size", f"how big is the {thing.color} {thing.shape} ?", thing.size) if thing else None


def _where(world: SceneSampler, scene: Scene) -> Question | None:
    thing = _named(world, scene)
    return (
        Question("place", f"where is the {thing.color} {thing.shape} ?", place(thing.cell)) if thing else None
    )


def _background(world: SceneSampler, scene: Scene) -> Question:
    return Question("background", "what color is the background ?", scene.background)


_QUESTIONS: dict[str, Callable[[SceneSampler, Scene], Question | None]] = {
    "count_objects": _count_objects,
    "count_shape": _count_shapes,
    "count_color": _count_colors,
    "color_of_shape": _color_of,
    "color_at_place": _color_at,
    "shape_of_color": _shape_of,
    "shape_at_place": _shape_at,
    "existence": _exists,
    "relation": _relation,
    "size": _size_of,
    "place": _where,
    "background": _background,
}
QUESTION_TYPES = tuple(_QUESTIONS)


def question(world: SceneSampler, scene: Scene, kind: str) -> Question | None:
    """A question of that type about a scene, None where the scene allows none."""
    return _QUESTIONS[kind](world, scene)


# --- edits ---------------------------------------------------------------------------------------


def _other(world: SceneSampler, options: list[str], current: str) -> str:
    return world.choice([option for option in options if option != current])


def _recolor(world: SceneSampler, scene: Scene, thing: Thing) -> tuple[str, Scene]:
    color = _other(world, list(COLORS), thing.color)
    name = f"{thing.color} {thing.shape}"
    if len(scene.matching(shape=thing.shape)) == 1 and world.rng.random() < 0.5:
        name = thing.shape
    text = world.choice([f"make the {name} {color}", f"change the {name} to {color}"])
    return text, scene.swapped(thing, replace(thing, color=color))


def _add(world: SceneSampler, scene: Scene, _: Thing) -> tuple[str, Scene]:
    free = scene.free_cells()
    thing = world.thing(free[int(world.rng.integers(len(free)))])
    return f"add {phrase(thing)} {place(thing.cell)}", Scene(scene.background, (*scene.things, thing))


def _remove(world: SceneSampler, scene: Scene, thing: Thing) -> tuple[str, Scene]:
    return f"remove the {thing.color} {thing.shape}", scene.without(thing)


def _replace(world: SceneSampler, scene: Scene, thing: Thing) -> tuple[str, Scene]:
    shape = _other(world, list(SHAPES), thing.shape)
    text = f"replace the {thing.color} {thing.shape} with {article(shape)}"
    return text, scene.swapped(thing, replace(thing, shape=shape))


def _move(world: SceneSampler, scene: Scene, thing: Thing) -> tuple[str, Scene]:
    free = scene.free_cells()
    cell = free[int(world.rng.integers(len(free)))]
    dx, dy = world.jittered(thing.size)
    where = f"to the {CELLS[cell]}"
    moved = replace(thing, cell=cell, dx=dx, dy=dy)
    return f"move the {thing.color} {thing.shape} {where}", scene.swapped(thing, moved)


def _resize(world: SceneSampler, scene: Scene, thing: Thing) -> tuple[str, Scene]:
    size = _other(world, list(SIZES), thing.size)
    dx, dy = world.jittered(size)
    text = f"make the {thing.color} {thing.shape} {size}"
    return text, scene.swapped(thing, replace(thing, size=size, dx=dx, dy=dy))


def _repaint(world: SceneSampler, scene: Scene, _: Thing) -> tuple[str, Scene]:
    ground = _other(world, list(BACKGROUNDS), scene.background)
    text = world.choice([f"change the background to {ground}", f"make the background {ground}"])
    return text, replace(scene, background=ground)


_EDITS: dict[str, Callable[[SceneSampler, Scene, Thing], tuple[str, Scene]]] = {
    "recolor": _recolor,
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "resize": _resize,
    "background": _repaint,
}


def edit_of(world: SceneSampler, scene: Scene, kind: str) -> Edit | None:
    """An edit of that kind on a given scene, None where the scene allows none."""
    thing = _named(world, scene)
    full = kind in ("add", "move") and not scene.free_cells()
    if thing is None or full or (kind == "remove" and len(scene.things) < 2):
        return None
    instruction, target = _EDITS[kind](world, scene, thing)
    return Edit(kind, instruction, scene, target) if world.allows(target) else None


def edit(world: SceneSampler, kind: str) -> Edit:
    """An edit of that kind on a random scene where the named thing is unique."""
    while True:
        made = edit_of(world, world.scene(1, 3 if kind == "add" else 4), kind)
        if made is not None:
            return made


def edit_plan(change: Edit) -> str:
    """What an edit changes, as the backbone writes it before drawing: only the differing places.

    "nothing" where nothing is to be changed.
    """
    if change.source.background != change.target.background:
        return f"on a {change.target.background} background"
    before = {thing.cell: thing for thing in change.source.things}
    after = {thing.cell: thing for thing in change.target.things}
    parts = []
    for cell in range(9):
        if before.get(cell) != after.get(cell):
            name = phrase(after[cell]) if cell in after else "nothing"
            parts.append(f"{name} {place(cell)}")
    return joined(parts) or "nothing"


def vocabulary() -> list[str]:
    """Every word the world's language uses, in a fixed order."""
    words = " ".join(
        [
            "a an the on in at of to is are there and , ? ( ) with it",
            "objects object background what which color shape how many big where",
            "make change add remove replace move please draw paint show me create generate picture",
            "undo that go back one step take edit understand yes no nothing left right above below",
            "any can you i want now",
            "first second third last previous before again once more same another other others instead",
            "them ones both all its this too also then about but from for do was has ok better",
            "start time away put",
            "top center bottom middle",
            *SHAPES,
            *(plural(shape) for shape in SHAPES),
            *COLORS,
            *BACKGROUNDS,
            *SIZES,
            *NUMBERS,
        ]
    ).split()
    return list(dict.fromkeys(words))
