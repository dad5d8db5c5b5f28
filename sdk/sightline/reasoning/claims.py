"""Claims split into atomic checks, as data: each a question, its possible answers, and the right ones.

A check is asked of the model as a choice, so what comes back are probabilities.
Checks are plain data: edit them, write your own, use them again for another picture.
A denial ("no stars", "the ring is not red") becomes a check that expects "no"; one that
the rules cannot read stays one question in the words of the claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sightline.errors import InputError
from sightline.reasoning import phrases
from sightline.reasoning.phrases import COLORS, NUMBERS, PLACES, RELATIONS, SIZES, Thing

Kind = Literal["total", "count", "existence", "attribute", "place", "relation", "background", "question"]

YES_NO = ("yes", "no")
_PAINTS = COLORS[:12]
"""Colours that are asked for: the names that every model knows."""
_PAIRS = (
    "glasses",
    "sunglasses",
    "goggles",
    "jeans",
    "pants",
    "trousers",
    "shorts",
    "scissors",
    "headphones",
)
"""What is one thing and has a plural for its name."""
_ABOUT_BACKGROUND = re.compile(r"\s*(?:,\s*)?\b(?:on|over|against|before) (?:an? |the )?(\w+) background$")
_GROUNDS = ("white", "black", "gray", "brown", "red", "green", "blue", "yellow")
_RELATION = re.compile(rf" +(?:is |are )?({'|'.join(RELATIONS)}) +")
_THERE = re.compile(r"^there (?:is|are) ")
_WITHOUT = re.compile(r" ?,? (?:without|but no|and no|with no) (?:an? |any )?")
_STATED = re.compile(r"^the (?P<thing>.+?) is (?P<denied>not )?(?P<look>(?:(?:at|in) the )?[a-z ]+)$")
_A_PART = re.compile(r"^(?:there (?:is|are)|the|no|any|some) ")


class Check(BaseModel):
    """One atomic question: `expected` are those of its `choices` that mean yes.

    Without choices the question is open: its answer is compared with what is expected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = "question"
    question: str = Field(min_length=1)
    choices: tuple[str, ...] = YES_NO
    expected: tuple[str, ...] = ("yes",)

    def __str__(self) -> str:
        return f"{self.question} → {' or '.join(self.expected)}"


@dataclass
class _Read:
    """What the rules read in a claim: things that are there, things that are not, and how they stand."""

    things: list[Thing] = field(default_factory=list)
    absent: list[Thing] = field(default_factory=list)
    stated: list[Check] = field(default_factory=list)


def split(claim: str, *, exact: bool = False) -> tuple[Check, ...]:
    """The checks of a claim such as 'two green stars left of a ring'; InputError for an empty one.

    `exact` also checks that nothing else is there, unless the claim speaks of a part of
    what is there: with 'the …', 'there are …', 'no …'. What the rules cannot read as a
    list of things becomes one question: whether the picture shows it.
    """
    text = phrases.plain(claim)
    if not text:
        raise InputError("the claim is empty", hint="say what the picture should show")
    ground = _ABOUT_BACKGROUND.search(text)
    body = text[: ground.start()] if ground else text
    read = _read(body) if phrases.readable(text) else None
    if read is None:
        return (whole(text),)
    whole_picture = exact and not _A_PART.match(body)
    checks = [*_counts(read.things, whole_picture), *_looks(read.things, exact), *read.stated]
    checks += [existence(one.sizeless(), there=False) for one in read.absent]
    if ground:
        checks.append(background(ground[1]))
    return tuple(dict.fromkeys(checks))


def whole(text: str) -> Check:
    """A claim as one question."""
    return Check(question=f"does the picture show {text}?")


def _read(body: str) -> _Read | None:
    """The things of a claim and how they stand; None if a part is no noun phrase."""
    read = _Read()
    for listed in phrases.listed(_WITHOUT.sub(" and no ", body)):
        part = _THERE.sub("", listed)
        if not (_state(read, part) or _name(read, part)):
            return None
    return read if read.things or read.absent or read.stated else None


def _name(read: _Read, part: str) -> bool:
    """Read 'two stars', 'no stars', 'a star left of a ring'; False for something else."""
    pieces = _RELATION.split(part)
    found = [one for one in map(phrases.thing, pieces[::2]) if one is not None]
    if len(found) != len(pieces[::2]):
        return False
    if (color := _ground_color(found)) is not None:
        read.stated.append(background(color))
        return True
    if any(one.noun in COLORS and one.adjectives for one in found):  # "and the ring red" leaves a verb out
        return False
    if any(one.count == 0 for one in found):
        read.absent += found
        return len(found) == 1 and not (found[0].size or found[0].place)  # more is asked as a whole
    read.things += found
    pairs = zip(found, pieces[1::2], found[1:], strict=False)
    read.stated += [relation(a, name, b) for a, name, b in pairs]
    return True


def _ground_color(found: list[Thing]) -> str | None:
    """The colour of 'a black background'; None for what is no background."""
    one = found[0] if len(found) == 1 and found[0].noun == "background" else None
    return one.adjectives[0] if one and one.count == 1 and one.adjectives == one.colors != () else None


def _state(read: _Read, part: str) -> bool:
    """Read 'the ring is not red', 'the star is at the top left'; False for something else."""
    found = _STATED.match(part)
    named = phrases.thing(f"the {found['thing']}") if found else None
    if found is None or named is None or named.count != 1:
        return False
    denied = bool(found["denied"])
    checks = _related(named, found["look"], denied) or _looking(named, found["look"], denied)
    read.stated += checks
    return bool(checks)


def _related(named: Thing, look: str, denied: bool) -> list[Check]:
    """'not left of the ring'; none for what is no denied relation."""
    found = re.match(rf"^({'|'.join(RELATIONS)}) (.+)$", look)
    other = phrases.thing(found[2]) if found and denied else None
    if found is None or other is None:
        return []
    stands = relation(named, found[1], other).model_copy(update={"expected": ("no",)})
    return [existence(named.sizeless()), existence(other.sizeless()), stands]


def _looking(named: Thing, look: str, denied: bool) -> list[Check]:
    """'large', 'at the top left', 'red', or the opposite of it; none for something else."""
    bare = named.sizeless()
    if bare.name == "background" and look in COLORS:
        ground = background(look)
        others = tuple(choice for choice in ground.choices if choice != look)
        return [ground.model_copy(update={"expected": others}) if denied else ground]
    if look in SIZES:
        return [size(bare, SIZES[1 - SIZES.index(look)] if denied else look)]
    if look in PLACES:
        others = tuple(one for one in PLACES if one != look)
        return [place(bare, look).model_copy(update={"expected": others if denied else (look,)})]
    painted = None if " " in look else phrases.thing(f"a {look} {bare.noun}")
    if painted is None:
        return []
    if denied:
        return [existence(painted, there=False), existence(bare)]
    return [existence(painted), *painted_in(bare, look)]


def _counts(things: list[Thing], exact: bool) -> Iterable[Check]:
    """How many there are of each; with `exact` also in all."""
    known = [one for one in things if one.count is not None]
    if exact and len(known) == len(things) > 0:
        if sum(one.count or 0 for one in known) < len(NUMBERS):
            yield total(sum(one.count or 0 for one in known))
        for noun in dict.fromkeys(one.noun for one in known if one.noun != "object"):
            yield count(Thing(noun), sum(one.count or 0 for one in known if one.noun == noun))
    counted = exact and len(known) == len(things)
    for bare, n in _added_up(things):
        if n is None:
            yield several(bare)
        elif n != 1 and (bare.adjectives or not counted):
            yield count(bare, n)
        elif bare.adjectives or not counted:
            lone = counted and sum(one.count or 0 for one in known if one.noun == bare.noun) == 1
            yield from (lone and painted_in(Thing(bare.noun), *bare.adjectives)) or [existence(bare)]


def _added_up(things: list[Thing]) -> Iterable[tuple[Thing, int | None]]:
    """Each name without size and place once, and how many of it there are in all the claim."""
    names: dict[Thing, int | None] = {}
    for one in things:
        bare = replace(one.sizeless(), count=None, place="")
        before = names.get(bare, 0)
        names[bare] = None if one.count is None or before is None else before + one.count
    return names.items()


def _looks(things: list[Thing], shapes: bool) -> Iterable[Check]:
    """Sizes and places; of several things of one name only what can be asked of the place.

    `shapes` says that every noun is a shape, so that the shape of what is in a place can be asked.
    """
    for number, one in enumerate(things):
        bare = one.sizeless()
        alone = not any(_also(bare, other) for i, other in enumerate(things) if i != number)
        if one.size and alone:
            yield size(bare, one.size)
        if one.place and alone:
            yield place(bare, one.place)
        elif one.place and shapes:
            yield from in_place(bare, one.place)
        elif one.place:
            named = phrases.article(bare.name)
            yield Check(kind="place", question=f"is there {named} {one.place}?")


def _also(one: Thing, other: Thing) -> bool:
    """Whether the name of one thing fits the other too: 'star' for 'red star'."""
    return one.noun == other.noun and set(one.adjectives) <= set(other.sizeless().adjectives)


# --- single checks -------------------------------------------------------------------------------


def total(n: int) -> Check:
    """There are n objects in all."""
    return _counted("total", "objects", n)


def count(thing: Thing, n: int) -> Check:
    """There are n of a thing, at most nine."""
    return _counted("count", " ".join([*thing.adjectives, phrases.plural(thing.noun)]), n)


def several(thing: Thing) -> Check:
    """There are some of a thing: two or more, but of what is one and named in the plural."""
    names = phrases.plural(thing.noun)
    if names in _PAIRS:
        return existence(thing)
    return count(thing, 2).model_copy(update={"expected": NUMBERS[2:5]})


def painted_in(thing: Thing, *looks: str) -> list[Check]:
    """The one thing of its name has a colour; none if the looks are something else.

    Asked for the colour, a model does not take that of another thing: 'is there a red ring?'
    is answered with yes in every sixth picture of a red star and a ring that is not red.
    """
    if len(looks) != 1 or looks[0] not in _PAINTS or thing.noun == "object":
        return []
    question = f"what color is the {thing.sizeless().name}?"
    return [Check(kind="attribute", question=question, choices=_PAINTS, expected=looks)]


def existence(thing: Thing, *, there: bool = True) -> Check:
    """A thing is there, or is not."""
    return Check(
        kind="existence",
        question=f"is there {phrases.article(thing.name)}?",
        expected=("yes",) if there else ("no",),
    )


def size(thing: Thing, look: str) -> Check:
    """A thing is small, or large."""
    question = f"how big is the {thing.sizeless().name}?"
    return Check(kind="attribute", question=question, choices=SIZES, expected=(look,))


def place(thing: Thing, where: str) -> Check:
    """A thing is in a place of the grid."""
    return Check(kind="place", question=f"where is the {thing.name}?", choices=PLACES, expected=(where,))


def in_place(thing: Thing, where: str) -> Iterable[Check]:
    """What is in a place of the grid has the shape and the colour of a thing."""
    yield Check(
        kind="place", question=f"what shape is the object {where}?", choices=(), expected=(thing.noun,)
    )
    for color in thing.sizeless().adjectives:
        yield Check(
            kind="place", question=f"what color is the object {where}?", choices=(), expected=(color,)
        )


def relation(a: Thing, name: str, b: Thing) -> Check:
    """One thing stands in a relation to another."""
    return Check(kind="relation", question=f"is the {a.sizeless().name} {name} the {b.sizeless().name}?")


def background(color: str) -> Check:
    """The background has a colour."""
    choices = tuple(dict.fromkeys([*_GROUNDS[:4], color]))
    return Check(
        kind="background",
        question="what color is the background?",
        choices=choices,
        expected=(color,),
    )


def _counted(kind: Literal["total", "count"], names: str, n: int) -> Check:
    """A count; there is always a choice beyond what is right, up to nine."""
    if not 0 <= n < len(NUMBERS):
        raise InputError(f"the claim counts to {n}", hint="count to at most nine")
    choices = NUMBERS[: max(5, min(len(NUMBERS), n + 2))]
    return Check(kind=kind, question=f"how many {names} are there?", choices=choices, expected=(NUMBERS[n],))
