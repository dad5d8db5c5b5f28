"""Remarks about other pictures: 'and in the first picture ?', 'undo that', 'the first one again'.

Each is a function of the random choices and the dialogue so far; it adds one turn and
says so, or finds nothing to say.
"""

from sightline_runtime.world import outright
from sightline_runtime.world.acts import Ask
from sightline_runtime.world.conversation import Talk
from sightline_runtime.world.language import NUMBERS
from sightline_runtime.world.scenes import SceneSampler

_ORDINALS = ("first", "second", "third")
_UNDOS = (
    "undo",
    "undo that",
    "go back",
    "please undo that",
    "take that back",
    "go back one step",
    "undo it",
    "no , go back",
    "undo the last step",
    "undo it please",
)


def _which(world: SceneSampler, talk: Talk, index: int, *, short: bool = False) -> str | None:
    """Words for a picture other than the last one: 'the first picture', 'picture two'."""
    if index == talk.trail[-1]:
        return None
    options = [f"picture {NUMBERS[index + 1]}", f"the picture {NUMBERS[index + 1]}"]
    if index < len(_ORDINALS):
        options += [f"the {_ORDINALS[index]} picture"] * 3
        options += [f"the {_ORDINALS[index]} one"] * (3 if short else 1)
    if index == talk.before:
        options += ["the picture before", "the previous picture", "the one before"]
    return world.choice(options)


def _elsewhere(world: SceneSampler, talk: Talk) -> int | None:
    """A picture that is not looked at now."""
    others = [index for index in range(len(talk.shots)) if index != talk.trail[-1]]
    return others[int(world.rng.integers(len(others)))] if others else None


def ask_elsewhere(world: SceneSampler, talk: Talk) -> bool:
    """'and in the first picture ?', 'how many stars were there before ?'"""
    index, asked = _elsewhere(world, talk), talk.asked
    if index is None or (which := _which(world, talk, index)) is None:
        return False
    shot = talk.shots[index]
    if asked is not None and talk.previous is asked and asked.answer(shot.scene) and world.maybe(0.5):
        forms = [f"and in {which} ?", f"what about {which} ?", f"and in {which}", f"in {which} ?"]
        forms += (
            ["and before ?", "and before that ?"]
            if index == talk.before and talk.asked_of == talk.trail[-1]
            else []
        )
        if talk.asked_of == index:
            return False
        talk.ask("picture", world.choice(forms), asked, index)
        return True
    act = outright.some_question(world, shot.scene)
    body = act.text.removesuffix(" ?")
    line = world.choice([f"{body} in {which} ?", f"in {which} , {act.text}", f"{body} in {which}"])
    talk.ask("picture", line, act, index)
    return True


def ask_before(world: SceneSampler, talk: Talk) -> bool:
    """'what color was it before ?', right after it was changed."""
    last = talk.changed
    if last is None or talk.previous is not last or talk.before is None or last.each != "the":
        return False
    if last.kind not in ("color", "size", "cell") or last.name is None:
        return False
    kind = world.choice(["color", "size", "place"])
    if getattr(last.name, {"place": "cell"}.get(kind, kind)) is not None:
        return False
    line = {"color": "what color was it", "size": "how big was it", "place": "where was it"}[kind]
    talk.ask("picture", f"{line} before ?", Ask(kind, last.name), talk.before)
    return True


def change_elsewhere(world: SceneSampler, talk: Talk) -> bool:
    """'make the star in the first picture red', 'do the same with the first picture'."""
    index = _elsewhere(world, talk)
    if talk.full or index is None or (which := _which(world, talk, index)) is None:
        return False
    last, scene = talk.changed, talk.shots[index].scene
    after = last.apply(world, scene) if last is not None and talk.previous is last else None
    if last is not None and after is not None and world.maybe(0.6):
        forms = [
            "do the same with {}",
            "do that with {} too",
            "the same for {}",
            "and {} too",
            "do the same to {}",
            "now do that in {}",
        ]
        talk.change("picture", world.choice(forms).format(which), last, after, index)
        return True
    act = outright.some_change(world, scene)
    after = act.apply(world, scene)
    if after is None:
        return False
    line = world.choice(
        [
            f"{act.text} in {which}",
            f"in {which} , {act.text}",
            f"take {which} and {act.text}",
            f"go back to {which} and {act.text}",
        ]
    )
    talk.change("picture", line, act, after, index)
    return True


def undo(world: SceneSampler, talk: Talk) -> bool:
    """'undo that'."""
    if len(talk.trail) < 2 or (isinstance(talk.previous, Ask) and world.maybe(0.7)):
        return False
    talk.undo(world.choice(_UNDOS))
    return True


def show(world: SceneSampler, talk: Talk) -> bool:
    """'the first one again'."""
    index = _elsewhere(world, talk)
    if index is None or (which := _which(world, talk, index, short=True)) is None:
        return False
    forms = [
        "show me {} again",
        "{} again",
        "go back to {}",
        "show {}",
        "show me {}",
        "back to {}",
        "show {} again",
        "i want {} again",
        "take {}",
    ]
    talk.show(world.choice(forms).format(which), index)
    return True
