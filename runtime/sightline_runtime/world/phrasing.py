"""The world's language as people use it: looser than `language`, about the same scenes.

Politeness, articles left out, things named by what tells them apart, attributes
left open, groups ("two red stars"), questions of other forms, and instructions
and questions about things that are not there. Training mixes these in; what is
scored as the world's own language stays in `language`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sightline_runtime.world import language
from sightline_runtime.world.language import (
    NUMBERS,
    RELATIONS,
    Edit,
    Question,
    article,
    joined,
    phrase,
    place,
    plural,
    related,
)
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

WISHES = (
    "draw {}",
    "please draw {}",
    "show me {}",
    "paint {}",
    "create {}",
    "generate {}",
    "make {}",
    "make a picture of {}",
    "a picture of {}",
    "can you draw {}",
    "i want {}",
)
POLITE = ("please {}", "{} please", "can you {}", "now {}", "can you please {}", "{} now")


def _loose_articles(world: SceneSampler, text: str) -> str:
    """Leave 'a', 'an' and 'the' out now and then, all of them."""
    if not world.maybe(0.15):
        return text
    return " ".join(word for word in text.split() if word not in ("a", "an", "the"))


# --- what to draw ----------------------------------------------------------------------------------


def _groups(world: SceneSampler) -> Scene:
    """One or two kinds of thing, two to four things in all, equal within their kind."""
    cells = [int(cell) for cell in world.rng.permutation(9)]
    things: list[Thing] = []
    for _ in range(1 + world.maybe(0.5)):
        model = world.thing(0)
        for _ in range(int(world.rng.integers(1, 4))):
            if len(things) < 4:
                size = model.size
                cell = cells[len(things)]
                things.append(world.thing(cell, shape=model.shape, color=model.color, size=size))
    return Scene(world.choice(list(BACKGROUNDS)), tuple(things))


def grouped(world: SceneSampler, scene: Scene) -> str:
    """A caption that counts equal things: 'two red stars and a ring'."""
    size, color, shape = world.maybe(0.3), world.maybe(0.75), world.maybe(0.85)
    counts: dict[str, int] = {}
    for thing in scene.things:
        noun = thing.shape if shape or not color else "object"
        name = " ".join([thing.size] * size + [thing.color] * color + [noun])
        counts[name] = counts.get(name, 0) + 1
    parts = [article(n) if c == 1 else f"{NUMBERS[c]} {plural(n)}" for n, c in counts.items()]
    return joined(parts) + (f" on a {scene.background} background" if world.maybe(0.25) else "")


def plain_prompt(world: SceneSampler) -> tuple[str, Scene]:
    """A prompt without a wish around it, perhaps of groups, perhaps without articles."""
    if world.maybe(0.2):
        scene = _groups(world)
        text = grouped(world, scene)
    else:
        text, scene = language.any_prompt(world)
    return _loose_articles(world, text), scene


def prompt(world: SceneSampler) -> tuple[str, Scene]:
    """A prompt as people write it, and a scene that satisfies it."""
    text, scene = plain_prompt(world)
    return (world.choice(WISHES).format(text) if world.maybe(0.3) else text), scene


# --- naming things ---------------------------------------------------------------------------------


def names(scene: Scene, thing: Thing) -> list[str]:
    """Every short name that fits this thing and no other of the scene."""
    options: dict[str, Callable[[Thing], object]] = {
        f"{thing.color} {thing.shape}": lambda t: (t.color, t.shape),
        thing.shape: lambda t: t.shape,
        f"{thing.size} {thing.shape}": lambda t: (t.size, t.shape),
        f"{thing.size} {thing.color} {thing.shape}": lambda t: (t.size, t.color, t.shape),
        f"{thing.color} object": lambda t: t.color,
        f"{thing.size} object": lambda t: t.size,
    }
    fitting = [name for name, key in options.items() if sum(key(t) == key(thing) for t in scene.things) == 1]
    return [*fitting, f"object {place(thing.cell)}", f"{thing.shape} {place(thing.cell)}"]


def _absent(world: SceneSampler, scene: Scene) -> str:
    """A name that fits nothing in the scene: wrong shape, or a wrong colour on a shape that is there."""
    while True:
        shape, color = world.pair()
        if world.maybe(0.5):
            shape = scene.things[int(world.rng.integers(len(scene.things)))].shape
        if world.maybe(0.4) and not scene.matching(shape=shape):
            return shape
        if not scene.matching(shape=shape, color=color):
            return f"{color} {shape}"


def _any_thing(world: SceneSampler, scene: Scene) -> Thing:
    return scene.things[int(world.rng.integers(len(scene.things)))]


# --- questions -------------------------------------------------------------------------------------


def _attribute(world: SceneSampler, scene: Scene) -> Question:
    thing = _any_thing(world, scene)
    kind = world.choice(["color", "shape", "size", "place"])
    name = world.choice(names(scene, thing))
    return Question(
        f"loose_{kind}",
        {
            "color": f"what color is the {name} ?",
            "shape": f"what shape is the {name} ?",
            "size": f"how big is the {name} ?",
            "place": f"where is the {name} ?",
        }[kind],
        {"color": thing.color, "shape": thing.shape, "size": thing.size, "place": place(thing.cell)}[kind],
    )


def _exists(world: SceneSampler, scene: Scene) -> Question:
    there = _any_thing(world, scene)
    shape, color = (there.shape, there.color) if world.maybe(0.5) else world.pair()
    kind = int(world.rng.integers(4))
    name = {0: shape, 1: f"{color} object", 2: f"{color} {shape}", 3: shape}[kind]
    found = scene.matching(shape=None if kind == 1 else shape, color=color if kind in (1, 2) else None)
    text = f"are there any {plural(name)} ?" if world.maybe(0.4) else f"is there {article(name)} ?"
    return Question("loose_existence", text, "yes" if found else "no")


def _is_so(world: SceneSampler, scene: Scene) -> Question:
    """Whether a named thing has an attribute: 'is the star red ?'."""
    thing = _any_thing(world, scene)
    attribute = world.choice(["color", "size", "cell"])
    options = [n for n in names(scene, thing) if attribute != "color" or thing.color not in n]
    options = [n for n in options if attribute != "size" or thing.size not in n]
    options = [n for n in options if attribute != "cell" or " the " not in n]
    if not options:
        return _exists(world, scene)
    true = world.maybe(0.5)
    if attribute == "cell":
        cell = thing.cell if true else int(world.rng.integers(9))
        said, true = place(cell), cell == thing.cell
    else:
        value = getattr(thing, attribute)
        pool = list(COLORS if attribute == "color" else SIZES)
        said = value if true else world.choice([v for v in pool if v != value])
    return Question("loose_claim", f"is the {world.choice(options)} {said} ?", "yes" if true else "no")


def _relation(world: SceneSampler, scene: Scene) -> Question:
    if len(scene.things) < 2:
        return _is_so(world, scene)
    a, b = (scene.things[int(i)] for i in world.rng.permutation(len(scene.things))[:2])
    short = [[n for n in names(scene, t) if " the " not in n] for t in (a, b)]
    relation = world.choice(RELATIONS)
    if not all(short):
        return _is_so(world, scene)
    text = f"is the {world.choice(short[0])} {relation} the {world.choice(short[1])} ?"
    return Question("loose_relation", text, "yes" if related(a, b, relation) else "no")


def _count(world: SceneSampler, scene: Scene) -> Question:
    thing = _any_thing(world, scene)
    shape, color = (thing.shape, thing.color) if world.maybe(0.7) else world.pair()
    if world.maybe(0.3):
        found = [t for t in scene.things if t.size == thing.size]
        return Question("loose_count", f"how many {thing.size} objects are there ?", NUMBERS[len(found)])
    name = f"{color} {plural(shape)}"
    return Question(
        "loose_count", f"how many {name} are there ?", NUMBERS[len(scene.matching(shape=shape, color=color))]
    )


def _what_at(world: SceneSampler, scene: Scene) -> Question:
    cell = _any_thing(world, scene).cell if world.maybe(0.7) else int(world.rng.integers(9))
    there = [phrase(thing) for thing in scene.things if thing.cell == cell]
    return Question("loose_place", f"what is {place(cell)} ?", there[0] if there else "nothing")


_LOOSE = (_attribute, _attribute, _exists, _exists, _is_so, _is_so, _relation, _relation, _count, _what_at)


def question(world: SceneSampler, scene: Scene) -> Question:
    """A question of a form that `language` does not have."""
    return _LOOSE[int(world.rng.integers(len(_LOOSE)))](world, scene)


def unanswerable(world: SceneSampler, scene: Scene) -> Question:
    """A question about a thing that is not there; the 'answer' is any at all.

    Learnt from random answers, the model's probability of each becomes that of chance: low confidence.
    """
    name = _absent(world, scene)
    kind = world.choice(["color", "size", "place", "relation"])
    if kind == "relation":
        other = names(scene, _any_thing(world, scene))[0]
        pair = (name, other) if world.maybe(0.5) else (other, name)
        text = f"is the {pair[0]} {world.choice(RELATIONS)} the {pair[1]} ?"
        return Question("absent", text, world.choice(["yes", "no"]))
    shape = name.split()[-1]
    if kind == "color" and not scene.matching(shape=shape):
        return Question("absent", f"what color is the {shape} ?", world.choice(list(COLORS)))
    if kind == "size":
        return Question("absent", f"how big is the {name} ?", world.choice(list(SIZES)))
    return Question("absent", f"where is the {name} ?", place(int(world.rng.integers(9))))


# --- edits -----------------------------------------------------------------------------------------


def _add(world: SceneSampler, scene: Scene) -> Edit | None:
    free = scene.free_cells()
    if not free or len(scene.things) > 3:
        return None
    thing = world.thing(free[int(world.rng.integers(len(free)))])
    text = f"add {phrase(thing, size=world.maybe(0.3), color=world.maybe(0.6))}"
    text += f" {place(thing.cell)}" if world.maybe(0.5) else ""
    return Edit("add", text, scene, Scene(scene.background, (*scene.things, thing)))


@dataclass(frozen=True)
class _Wish:
    """What to do with a named thing, whether it is there or not, and how that is said."""

    kind: str
    text: str
    color: str
    shape: str
    size: str
    cell: int
    recolored: bool


def _wish(world: SceneSampler, name: str) -> _Wish:
    """One of the edits; `recolored` says that a replacement has another colour too."""
    kind = world.choice(["recolor", "remove", "replace", "move", "resize"])
    color, shape, size = world.choice(list(COLORS)), world.choice(SHAPES), world.choice(list(SIZES))
    recolored = world.maybe(0.3)
    other = f"{color} {shape}" if recolored else shape
    cell = int(world.rng.integers(9))
    text = {
        "recolor": world.choice([f"make the {name} {color}", f"change the {name} to {color}"]),
        "remove": f"remove the {name}",
        "replace": f"replace the {name} with {article(other)}",
        "move": f"move the {name} {world.choice([f'to the {CELLS[cell]}', place(cell)])}",
        "resize": f"make the {name} {size}",
    }[kind]
    return _Wish(kind, text, color, shape, size, cell, recolored)


def _granted(world: SceneSampler, scene: Scene, thing: Thing, wish: _Wish) -> Edit | None:
    """The wish as an edit of a thing that is there; None where the scene does not allow it."""
    kind, cell, size = wish.kind, wish.cell, wish.size
    if kind == "move" and cell not in (*scene.free_cells(), thing.cell):
        return None
    if kind == "remove":
        return Edit(kind, wish.text, scene, scene.without(thing)) if len(scene.things) > 1 else None
    dx, dy = world.jittered(size if kind == "resize" else thing.size)
    changed = {
        "recolor": replace(thing, color=wish.color),
        "replace": replace(thing, shape=wish.shape, color=wish.color if wish.recolored else thing.color),
        "move": replace(thing, cell=cell, dx=dx, dy=dy) if cell != thing.cell else thing,
        "resize": replace(thing, size=size, dx=dx, dy=dy) if size != thing.size else thing,
    }[kind]
    return Edit(kind, wish.text, scene, scene.swapped(thing, changed))


def _spoken(world: SceneSampler, change: Edit) -> Edit:
    return replace(change, instruction=_loose_articles(world, change.instruction))


def politely(world: SceneSampler, text: str) -> str:
    """The same instruction, now and then with 'please' and the like around it."""
    return world.choice(POLITE).format(text) if world.maybe(0.3) else text


def instruction_on(world: SceneSampler, scene: Scene) -> Edit | None:
    """An edit of a scene, said loosely; None where this draw does not fit the scene."""
    if world.maybe(0.25):
        change = _add(world, scene)
    else:
        thing = _any_thing(world, scene)
        change = _granted(world, scene, thing, _wish(world, world.choice(names(scene, thing))))
    return _spoken(world, change) if change and world.allows(change.target) else None


def impossible(world: SceneSampler, scene: Scene) -> Edit:
    """An instruction about a thing that is not there, or that is so already: nothing changes."""
    if world.maybe(0.2):
        thing = _any_thing(world, scene)
        text = world.choice([f"make the background {scene.background}", f"make the {names(scene, thing)[0]}"])
        text += "" if "background" in text else f" {world.choice([thing.color, thing.size])}"
        return _spoken(world, Edit("none", text, scene, scene))
    wish = _wish(world, _absent(world, scene))
    return _spoken(world, Edit(wish.kind, wish.text, scene, scene))


def instruction(world: SceneSampler) -> Edit:
    """An edit of a random scene, said loosely."""
    while True:
        change = instruction_on(world, world.scene(1, 4))
        if change is not None and change.source != change.target:
            return change
