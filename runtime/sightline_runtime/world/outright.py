"""What is said in full: questions, edits and prompts that need no dialogue, about things of a scene."""

from collections.abc import Iterable
from dataclasses import replace

from sightline_runtime.world.acts import Ask, Change, Draw, Part
from sightline_runtime.world.conversation import Talk
from sightline_runtime.world.language import RELATIONS, plural
from sightline_runtime.world.naming import ANYTHING, Name, some_name
from sightline_runtime.world.phrasing import POLITE, WISHES
from sightline_runtime.world.scenes import BACKGROUNDS, COLORS, SHAPES, SIZES, Scene, SceneSampler, Thing

_QUESTIONS = (*["count"] * 3, *["exists"] * 2, *["color"] * 2, "size", "place", "shape")
_QUESTIONS += ("claim", "relation", "at", "background")


def _any(world: SceneSampler, scene: Scene) -> Thing:
    return scene.things[int(world.rng.integers(len(scene.things)))]


def some_question(world: SceneSampler, scene: Scene) -> Ask:
    """A question about a scene that has an answer."""
    while True:
        kind = world.choice(_QUESTIONS)
        act = _question(world, scene, kind)
        if act is not None and act.answer(scene) is not None:
            return act


def _question(world: SceneSampler, scene: Scene, kind: str) -> Ask | None:
    there = _any(world, scene)
    if kind == "background":
        return Ask(kind)
    if kind == "at":
        return Ask(kind, value=there.cell if world.maybe(0.6) else int(world.rng.integers(9)))
    if kind in ("count", "exists"):
        return Ask(kind, _kind_of_thing(world, there, many=kind == "count"))
    name = some_name(world, scene)
    told = {"color": name.color, "size": name.size, "place": name.cell, "shape": name.noun != ANYTHING}
    if told.get(kind):
        return None
    if kind == "claim":
        return _claim(world, name, name.among(scene)[0])
    if kind == "relation":
        other = some_name(world, scene)
        if set(other.among(scene)) & set(name.among(scene)) or None in (other.color, name.color):
            return None
        return Ask(kind, name, world.choice(RELATIONS), other)
    return Ask(kind, name)


def _kind_of_thing(world: SceneSampler, there: Thing, *, many: bool) -> Name:
    """A name for things like one that is there, or for none that is."""
    shape, color = (there.shape, there.color) if world.maybe(0.7) else world.pair()
    draw = world.rng.random()
    if draw < 0.4:
        return Name(shape, many=many)
    if draw < 0.65:
        return Name(ANYTHING, color, many=many)
    if many and draw < 0.75:
        return Name(ANYTHING, many=many)
    return Name(shape, color, many=many)


def _claim(world: SceneSampler, name: Name, thing: Thing) -> Ask | None:
    attribute, true = world.choice(["color", "size"]), world.maybe(0.5)
    if getattr(name, attribute):
        return None
    pool = list(COLORS if attribute == "color" else SIZES)
    return Ask("claim", name, str(getattr(thing, attribute)) if true else world.choice(pool))


def some_change(world: SceneSampler, scene: Scene) -> Change:
    """An edit of a scene; whether it can be done is for `apply` to say."""
    kind = world.choice(["color", "color", "size", "shape", "cell", "remove", "add", "add", "background"])
    if kind == "background":
        return Change(kind, value=world.choice(list(BACKGROUNDS)))
    free = scene.free_cells()
    cell = free[int(world.rng.integers(len(free)))]
    if kind == "add":
        shape, color = world.pair()
        size = world.choice(list(SIZES)) if world.maybe(0.3) else None
        where = cell if world.maybe(0.4) else None
        return Change(kind, Name(shape, color if world.maybe(0.7) else None, size, where))
    name, each = some_group(world, scene) if kind != "cell" and world.maybe(0.4) else (None, "the")
    name = name or some_name(world, scene)
    return Change(kind, name, _value(world, kind, name, cell), each)


def some_group(world: SceneSampler, scene: Scene) -> tuple[Name | None, str]:
    """A name of several things and whether one or all are meant; none where all things differ."""
    options = [Name(thing.shape, thing.color) for thing in scene.things]
    options += [Name(thing.shape) for thing in scene.things]
    several = [name for name in options if len(name.among(scene)) > 1]
    if not several:
        return None, "the"
    name = several[int(world.rng.integers(len(several)))]
    return (name, "one") if world.maybe(0.4) else (replace(name, many=True), "all")


def group_change(world: SceneSampler, scene: Scene) -> Change | None:
    """An edit of one or all of several things that are called alike; None where all things differ."""
    name, each = some_group(world, scene)
    if name is None:
        return None
    kind = world.choice(["color", "color", "size", "shape", "remove"])
    return Change(kind, name, _value(world, kind, name, 0), each)


def _value(world: SceneSampler, kind: str, name: Name, cell: int) -> str | int:
    if kind == "cell":
        return cell
    pools: dict[str, Iterable[str]] = {"color": COLORS, "size": SIZES, "shape": SHAPES, "remove": ("",)}
    current = {"color": name.color, "size": name.size, "shape": name.noun}.get(kind)
    return world.choice([value for value in pools[kind] if value != current])


def some_prompt(world: SceneSampler) -> Draw:
    """A prompt of one thing, of equal things, or of two kinds."""
    ground = world.choice(list(BACKGROUNDS)) if world.maybe(0.25) else ""
    draw = world.rng.random()
    if draw < 0.6:
        count = 1 if draw < 0.3 else int(world.rng.integers(2, 5))
        return Draw((Part(count, _new(world, placed=count == 1)),), background=ground)
    first, second = _new(world), _new(world)
    while second.noun == first.noun:
        second = _new(world)
    second = replace(second, color=second.color if first.color else None)
    if draw < 0.75:
        return Draw((Part(1, first), Part(1, second)), world.choice(RELATIONS), ground)
    counts = (1 + world.maybe(0.4), 1 + world.maybe(0.4))
    return Draw((Part(counts[0], first), Part(counts[1], second)), "", ground)


def _new(world: SceneSampler, *, placed: bool = False) -> Name:
    shape, color = world.pair()
    size = world.choice(list(SIZES)) if world.maybe(0.15) else None
    cell = int(world.rng.integers(9)) if placed and world.maybe(0.25) else None
    return Name(shape, color if world.maybe(0.75) else None, size, cell)


def said(world: SceneSampler, act: Change, scene: Scene) -> str:
    """An edit as people say it: groups as 'all stars', 'both', 'one of the stars'."""
    if act.name is None or act.each == "the":
        return act.text
    if act.each == "all":
        both = ["both"] if len(act.name.among(scene)) == 2 else []
        return act.text.replace(" the ", f" {world.choice(['the', 'all', 'all the', *both])} ", 1)
    of = act.name.text.replace(act.name.noun, plural(act.name.noun))
    return act.text.replace(f"one {act.name.text}", f"one of the {of}") if world.maybe(0.3) else act.text


def twins(world: SceneSampler) -> Scene:
    """A scene where some things are called alike."""
    while True:
        name, count = _new(world), int(world.rng.integers(2, 5))
        parts = [Part(count, replace(name, size=None))]
        if count < 4 and world.maybe(0.6):
            parts.append(Part(1, _new(world)))
        scene = Draw(tuple(parts)).scene(world)
        if scene is not None:
            return scene


# --- as turns --------------------------------------------------------------------------------------


def ask(world: SceneSampler, talk: Talk) -> bool:
    """A question in full, or nearly."""
    act = some_question(world, talk.now.scene)
    forms = [act.text] * 4
    if act.kind == "count" and act.name is not None:
        forms += [f"how many {act.name.text} ?", f"how many {act.name.text} are there now ?"]
        forms += [f"how many {act.name.text} are in {world.choice(['the', 'this', 'the last'])} picture ?"]
    if act.kind == "color" and act.name is not None:
        forms += [f"which color is the {act.name.text} ?", f"which color has the {act.name.text} ?"]
    if act.kind == "exists" and act.name is not None:
        forms += [f"is there {act.text.split(maxsplit=2)[2].removesuffix(' ?')} now ?"]
    talk.ask("in full", world.choice(forms), act)
    return True


def change(world: SceneSampler, talk: Talk) -> bool:
    """An edit in full."""
    act = some_change(world, talk.now.scene)
    after = None if talk.full else act.apply(world, talk.now.scene)
    if after is None:
        return False
    line = said(world, act, talk.now.scene)
    talk.change("in full", world.choice(POLITE).format(line) if world.maybe(0.2) else line, act, after)
    return True


def draw(world: SceneSampler, talk: Talk) -> bool:
    """A prompt in full, as a wish."""
    act = some_prompt(world)
    scene = None if talk.full else act.scene(world)
    if scene is None:
        return False
    talk.draw("in full", world.choice(WISHES[:-1]).format(act.text), act, scene)
    return True
