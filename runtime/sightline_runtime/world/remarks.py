"""What people say in a dialogue: remarks that lean on what went before.

A remark is a function of the random choices and the dialogue so far; it adds one
turn and says so, or finds nothing to say. These all lean on what was said: their
lines mean nothing alone, their calls everything.
"""

from collections.abc import Iterable
from dataclasses import replace

from sightline_runtime.world.acts import Ask, Change, Draw
from sightline_runtime.world.conversation import Talk
from sightline_runtime.world.language import NUMBERS, article, place, plural
from sightline_runtime.world.naming import ANYTHING, Name, some_name
from sightline_runtime.world.phrasing import POLITE
from sightline_runtime.world.scenes import BACKGROUNDS, COLORS, SHAPES, SIZES, SceneSampler

_PRONOUN_ASKS = {
    "color": ("what color is {} ?", "which color is {} ?", "which color has it ?", "what color ?"),
    "size": ("how big is {} ?", "how big ?"),
    "place": ("where is {} ?", "where ?", "where is {} now ?"),
    "shape": ("what shape is {} ?", "which shape is {} ?", "what is it ?"),
}
_LEADS = (*POLITE, "ok , {}", "then {}", "and {}", "and then {}", "and now {}", "ok , now {}", "no , {}")


def _politely(world: SceneSampler, line: str) -> str:
    return world.choice(_LEADS).format(line) if world.maybe(0.2) else line


def _other(world: SceneSampler, options: Iterable[str], *but: object) -> str:
    return world.choice([option for option in options if option not in but])


# --- about what 'it' is ----------------------------------------------------------------------------


def ask_it(world: SceneSampler, talk: Talk) -> bool:
    """'which color is it ?'"""
    focus = talk.now.focus or Name(ANYTHING)
    if not talk.clear or not focus.single(talk.now.scene):
        return False
    kind = world.choice(["color", "size", "place", "shape", "claim", "relation"])
    told = {"color": focus.color, "size": focus.size, "place": focus.cell}.get(kind)
    if (kind == "shape" and focus.noun != ANYTHING) or (told is not None and world.maybe(0.7)):
        return False
    if kind == "claim":
        return _claim_it(world, talk, focus)
    if kind == "relation":
        return _relate_it(world, talk, focus)
    act = Ask(kind, focus)
    line = world.choice(_PRONOUN_ASKS[kind]).format(world.choice(["it", "it", "it", "that", "that one"]))
    if line == "which color has it ?":
        line = "what is its color ?" if world.maybe(0.5) else "the color ?"
    talk.ask("it", line, act)
    return True


def _claim_it(world: SceneSampler, talk: Talk, focus: Name) -> bool:
    thing = focus.among(talk.now.scene)[0]
    options = ["color"] * (not focus.color) + ["size"] * (not focus.size) + ["cell"] * (focus.cell is None)
    if not options:
        return False
    attribute, true = world.choice(options), world.maybe(0.5)
    if attribute == "cell":
        cell = thing.cell if true else int(world.rng.integers(9))
        talk.ask("it", f"is it {place(cell)} ?", Ask("claim", focus, cell))
        return True
    pool = COLORS if attribute == "color" else SIZES
    value = str(getattr(thing, attribute)) if true else world.choice(list(pool))
    talk.ask("it", f"is it {value} ?", Ask("claim", focus, value))
    return True


def _relate_it(world: SceneSampler, talk: Talk, focus: Name) -> bool:
    other = some_name(world, talk.now.scene)
    if other.cell is not None or set(other.among(talk.now.scene)) & set(focus.among(talk.now.scene)):
        return False
    relation = world.choice(["left of", "right of", "above", "below"])
    talk.ask("it", f"is it {relation} the {other.text} ?", Ask("relation", focus, relation, other))
    return True


def change_it(world: SceneSampler, talk: Talk) -> bool:
    """'make it red', 'make them red', 'make one red', 'make the other one red'."""
    scene, focus, rest = talk.now.scene, talk.now.focus or Name(ANYTHING), talk.now.rest
    if talk.full or not talk.clear:
        return False
    if rest is not None and world.maybe(0.6):
        said = [("the", rest, "the other one"), ("the", rest, "the other")]
        if rest.many:
            said = [
                ("one", rest.one(), "another one"),
                ("all", rest, "the others"),
                ("one", rest.one(), "one more"),
            ]
    elif focus.many:
        said = [("all", focus, "them"), ("all", focus, "all of them"), ("one", focus.one(), "one")] * 2
        said += [("one", focus.one(), "one of them"), ("all", focus, "them all")]
        said += [("all", focus, "both")] if len(focus.among(scene)) == 2 else []
    else:
        said = [("the", focus, "it")] * 4 + [("the", focus, "that"), ("the", focus, "that one")]
    each, name, pronoun = said[int(world.rng.integers(len(said)))]
    act = _some_change(world, talk, name, each)
    after = act.apply(world, scene)
    if after is None:
        return False
    kind = "it" if each == "the" and pronoun in ("it", "that", "that one") else "group"
    talk.change(kind, _politely(world, _change_line(world, act, pronoun)), act, after)
    return True


def _some_change(world: SceneSampler, talk: Talk, name: Name, each: str) -> Change:
    kind = world.choice(["color", "color", "color", "size", "shape", "remove"] + ["cell"] * (each == "the"))
    free = talk.now.scene.free_cells()
    if kind == "cell":
        return Change(kind, name, free[int(world.rng.integers(len(free)))], each)
    value = {
        "color": _other(world, COLORS, name.color),
        "size": world.choice(list(SIZES)),
        "shape": _other(world, SHAPES, name.noun),
        "remove": "",
    }[kind]
    return Change(kind, name, value, each)


def _change_line(world: SceneSampler, act: Change, pronoun: str) -> str:
    """How an edit of something that a word stands for is said."""
    value = act.told
    return world.choice(
        {
            "color": [f"make {pronoun} {value}", f"make {pronoun} {value}", f"change {pronoun} to {value}"],
            "size": [f"make {pronoun} {value}"],
            "shape": [f"replace {pronoun} with {act.told}", f"change {pronoun} to {act.told}"],
            "remove": [f"remove {pronoun}", f"take {pronoun} away"],
            "cell": [f"move {pronoun} {value}"] * 2 + [f"put {pronoun} {value}"],
        }[act.kind]
    )


# --- the same again, with one thing else -----------------------------------------------------------


def ask_again(world: SceneSampler, talk: Talk) -> bool:
    """'and now ?': the last question, of the picture as it is now."""
    asked = talk.asked
    if asked is None or talk.asked_of == talk.trail[-1] or asked.answer(talk.now.scene) is None:
        return False
    options = ["and now ?"] * 4 + [
        "and now",
        "now ?",
        "what about now ?",
        "how about now ?",
        "and what about now ?",
    ]
    if asked.kind == "count":
        options += ["how many are there now ?", "how many now ?"]
    talk.ask("and now", world.choice(options), asked)
    return True


def ask_other(world: SceneSampler, talk: Talk) -> bool:
    """'what about the ring ?': the last question, of something else."""
    asked = talk.asked
    if asked is None or (talk.previous is asked and talk.asked_of != talk.trail[-1]):
        return False
    kind = asked.kind
    about = ["what about {} ?", "how about {} ?"]
    about += ["and {} ?", "and {}"] if talk.previous is asked else ["and what about {} ?"]
    if kind in ("color", "size", "place", "background", "shape"):
        if kind == "color" and world.maybe(0.2):
            talk.ask("and", world.choice(about).format("the background"), Ask("background"))
            return True
        name = some_name(world, talk.now.scene)
        wanted = "color" if kind == "background" else kind
        tells = {"color": name.color, "size": name.size, "place": name.cell, "shape": name.noun != ANYTHING}
        if tells[wanted] or name == asked.name:
            return False
        talk.ask("and", world.choice(about).format(f"the {name.text}"), Ask(wanted, name))
        return True
    if kind in ("exists", "count") and asked.name is not None:
        return _ask_other_kind(world, talk, asked, about)
    return False


def _ask_other_kind(world: SceneSampler, talk: Talk, asked: Ask, about: list[str]) -> bool:
    """'and rings ?', 'and a blue one ?' after a count or 'is there …'."""
    name, many = asked.name or Name(ANYTHING), asked.kind == "count"
    there = talk.now.scene.things[int(world.rng.integers(len(talk.now.scene.things)))]
    color = there.color if world.maybe(0.5) else world.choice(list(COLORS))
    if name.color and world.maybe(0.6):
        other = replace(name, color=color)
        said = world.choice([color, f"{color} ones" if many else f"{article(color)} one"])
    else:
        shape = there.shape if world.maybe(0.5) else world.choice(SHAPES)
        other = Name(shape, color if name.color and not many else None, many=many)
        said = plural(shape) if many else article(other.text)
    if other == name:
        return False
    talk.ask("and", world.choice(about).format(said), Ask(asked.kind, other))
    return True


def ask_ones(world: SceneSampler, talk: Talk) -> bool:
    """'how many green ones ?': of the kind that was spoken of last."""
    focus = talk.now.focus
    if not talk.clear or focus is None or not focus.many or focus.noun == ANYTHING:
        return False
    there = [thing.color for thing in focus.one().among(talk.now.scene)]
    color = world.choice([*there, world.choice(list(COLORS))])
    act = Ask("count", Name(focus.noun, color, many=True))
    line = world.choice(
        [
            f"how many {color} ones are there ?",
            f"how many {color} ones ?",
            f"how many of them are {color} ?",
            f"how many are {color} ?",
        ]
    )
    talk.ask("group", line, act)
    return True


def change_other(world: SceneSampler, talk: Talk) -> bool:
    """'and the ring too', 'do the same with the ring': the last edit, of something else."""
    last = talk.changed
    if talk.full or last is None or talk.previous is not last or last.each == "one" or last.name is None:
        return False
    if last.kind not in ("color", "size", "shape", "remove"):
        return False
    name = some_name(world, talk.now.scene)
    act = replace(last, name=name, each="the")
    after = act.apply(world, talk.now.scene)
    if after is None:
        return False
    forms = [
        "and the {} too",
        "the {} too",
        "do the same with the {}",
        "and the {}",
        "now the {}",
        "the same for the {}",
        "also the {}",
        "do that with the {} too",
    ]
    talk.change("the same", _politely(world, world.choice(forms).format(name.text)), act, after)
    return True


def change_value(world: SceneSampler, talk: Talk) -> bool:
    """'no , blue', 'blue instead': the last edit, with another value."""
    last = talk.changed
    if talk.full or last is None or talk.previous is not last or last.each == "one":
        return False
    if last.kind not in ("color", "shape", "background", "cell"):
        return False
    name = last.name and last.name.after(last.kind, last.value)
    pools: dict[str, Iterable[str]] = {"color": COLORS, "shape": SHAPES, "background": BACKGROUNDS}
    free = talk.now.scene.free_cells()
    act = replace(last, name=name, value=free[int(world.rng.integers(len(free)))])
    if last.kind != "cell":
        act = replace(act, value=_other(world, pools[last.kind], last.value))
    after = act.apply(world, talk.now.scene)
    if after is None:
        return False
    forms = ["no , {}", "{} instead", "{} please", "no , {} instead", "better {}", "now {}"]
    talk.change("instead", world.choice(forms).format(act.told), act, after)
    return True


def add_more(world: SceneSampler, talk: Talk) -> bool:
    """'add one', 'add another one', 'and a ring', 'add a ring there'."""
    if talk.full or not talk.clear or len(talk.now.scene.things) > 3:
        return False
    found = _one_more(world, talk)
    act = Change("add", found[0]) if found else None
    after = act.apply(world, talk.now.scene) if act else None
    if found is None or act is None or after is None:
        return False
    talk.change("one more", found[1], act, after)
    return True


def _one_more(world: SceneSampler, talk: Talk) -> tuple[Name, str] | None:
    """What is to be added and how that is said: what was missing, at the free place, or more of the same."""
    last = talk.previous
    if talk.missing is not None:
        forms = ["add one", "then add one", "add one please", "please add one", "add one then"]
        return talk.missing.plain(), world.choice(forms)
    if talk.spot is not None:
        new = _new_name(world)
        return replace(new, cell=talk.spot), f"add {article(new.text)} there"
    forms = ["add another one", "add another", "add one more"]
    if isinstance(last, Draw) and len(last.parts) == 1:
        return last.parts[0].name.one().plain(), world.choice(forms)
    if not isinstance(last, Change) or last.kind != "add" or last.name is None:
        return None
    if world.maybe(0.5):
        return last.name.plain(), world.choice([*forms, "one more", "and another one"])
    new = _new_name(world)
    return new, world.choice(["and {}", "and {} too", "also {}", "{} too", "now {}"]).format(
        article(new.text)
    )


def _new_name(world: SceneSampler) -> Name:
    shape, color = world.pair()
    return Name(
        shape, color if world.maybe(0.7) else None, world.choice(list(SIZES)) if world.maybe(0.2) else None
    )


def draw_again(world: SceneSampler, talk: Talk) -> bool:
    """'draw it once more', 'the same on a black background', 'the same in blue', 'draw three instead'."""
    last = talk.drawn
    if talk.full or last is None:
        return False
    direct = talk.previous is last
    varied = _varied(world, last, direct) if world.maybe(0.65) else None
    forms = ["draw it again", "draw it once more", "draw that again", "once more from the start"]
    forms += ["again", "once more", "one more time", "the same again"] * direct
    act, line = varied or (last, world.choice(forms))
    scene = act.scene(world)
    if scene is None:
        return False
    talk.draw("again", line, act, scene)
    return True


_VARIED = {
    "background": (
        "again {}",
        "the same {}",
        "draw it again {}",
        "draw it {}",
        "once more {}",
        "again but {}",
    ),
    "color": ("the same in {}", "draw it again in {}", "draw it in {}", "again in {}", "again but in {}"),
    "shape": ("the same with {}", "again with {}", "again but with {}", "draw {} instead"),
    "count": ("the same with {}", "draw {} instead", "draw {} of them", "again with {}", "again but with {}"),
}
"""How the last prompt is asked for with one thing else, at any time."""
_VARIED_AT_ONCE = {
    "background": ("now {}", "{}", "{} please"),
    "color": ("now in {}", "in {} please"),
    "shape": ("now with {}", "{} instead"),
    "count": ("now {}", "{} instead", "now draw {}", "make it {}"),
}
"""The same, if nothing came in between."""


def _varied(world: SceneSampler, last: Draw, direct: bool) -> tuple[Draw, str] | None:
    """The last prompt with one thing else, and how that is said."""
    part = last.parts[0]
    alone = len(last.parts) == 1 and not last.relation
    kind = world.choice(["background"] + ["color", "shape", "count"] * alone)
    if kind == "background":
        act = replace(last, background=_other(world, BACKGROUNDS, last.background))
        said = f"on a {act.background} background"
    elif kind == "count":
        count = int(world.choice(["2", "3", "4"]))
        if count == part.count or part.name.cell is not None:
            return None
        act, said = replace(last, parts=(replace(part, count=count),)), NUMBERS[count]
    else:
        color = _other(world, COLORS, part.name.color) if kind == "color" else part.name.color
        noun = _other(world, SHAPES, part.name.noun) if kind == "shape" else part.name.noun
        act = replace(last, parts=(replace(part, name=replace(part.name, noun=noun, color=color)),))
        shape = plural(noun) if part.count > 1 else article(noun)
        said = shape if kind == "shape" else str(color)
    forms = [*_VARIED[kind], *(_VARIED_AT_ONCE[kind] if direct else ())]
    return act, world.choice(forms).format(said)
