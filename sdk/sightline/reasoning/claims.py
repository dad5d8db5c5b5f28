"""Claims split into atomic checks, as data: each a question, its possible answers, and the right ones.

A check is asked of the model as a choice, so what comes back are probabilities.
Checks are plain data: edit them, write your own, use them again for another picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sightline.errors import InputError
from sightline.reasoning import phrases
from sightline.reasoning.phrases import NUMBERS, PLACES, RELATIONS, SIZES, Thing

Kind = Literal["total", "count", "existence", "attribute", "place", "relation", "background", "question"]

YES_NO = ("yes", "no")
_ABOUT_BACKGROUND = re.compile(r"\s*(?:,\s*)?\b(?:on|over|against|before) (?:an? |the )?(\w+) background$")
_GROUNDS = ("white", "black", "gray", "brown", "red", "green", "blue", "yellow")
_RELATION = re.compile(rf"\s+(?:is |are )?({'|'.join(RELATIONS)})\s+")


class Check(BaseModel):
    """One atomic question: `expected` are those of its `choices` that mean yes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = "question"
    question: str = Field(min_length=1)
    choices: tuple[str, ...] = YES_NO
    expected: tuple[str, ...] = ("yes",)

    def __str__(self) -> str:
        return f"{self.question} → {' or '.join(self.expected)}"


def split(claim: str, *, exact: bool = False) -> tuple[Check, ...]:
    """The checks of a claim such as 'two green stars left of a ring'; InputError for an empty one.

    `exact` also checks that nothing else is there. What the rules cannot read as a list
    of things becomes one question: whether the picture shows it.
    """
    text = phrases.plain(claim)
    if not text:
        raise InputError("the claim is empty", hint="say what the picture should show")
    ground = _ABOUT_BACKGROUND.search(text)
    body = text[: ground.start()] if ground else text
    read = _things(body)
    if read is None:
        return (Check(question=f"does the picture show {text}?"),)
    things, relations = read
    checks = [*_counts(things, exact), *_looks(things), *relations]
    if ground:
        checks.append(background(ground[1]))
    return tuple(dict.fromkeys(checks))


def _things(body: str) -> tuple[list[Thing], list[Check]] | None:
    """The things of a claim and the relations between neighbours, None if a part is no noun phrase."""
    things: list[Thing] = []
    relations: list[Check] = []
    for part in phrases.listed(body):
        pieces = _RELATION.split(re.sub(r"^there (?:is|are) ", "", part))
        named = [phrases.thing(piece) for piece in pieces[::2]]
        if any(one is None for one in named):
            return None
        found = [one for one in named if one is not None]
        things += found
        pairs = zip(found, pieces[1::2], found[1:], strict=False)
        relations += [relation(a, name, b) for a, name, b in pairs]
    return (things, relations) if things else None


def _counts(things: list[Thing], exact: bool) -> Iterable[Check]:
    """How many there are of each; with `exact` also in all."""
    known = [one for one in things if one.count is not None]
    if exact and len(known) == len(things):
        yield total(sum(one.count or 0 for one in known))
        for noun in dict.fromkeys(one.noun for one in known if one.noun != "object"):
            yield count(Thing(noun), sum(one.count or 0 for one in known if one.noun == noun))
    for one in things:
        bare = one.sizeless()
        if one.count == 1 or one.count is None:
            if bare.adjectives or not exact:
                yield existence(bare)
        elif bare.adjectives or not exact:
            yield count(bare, one.count)


def _looks(things: list[Thing]) -> Iterable[Check]:
    """Sizes and places."""
    for one in things:
        bare = one.sizeless()
        if one.size:
            yield Check(
                kind="attribute", question=f"how big is the {bare.name}?", choices=SIZES, expected=(one.size,)
            )
        if one.place:
            yield place(bare, one.place)


# --- single checks -------------------------------------------------------------------------------


def total(n: int) -> Check:
    """There are n objects in all."""
    return Check(
        kind="total", question="how many objects are there?", choices=_numbers(n), expected=(NUMBERS[n % 10],)
    )


def count(thing: Thing, n: int) -> Check:
    """There are n of a thing."""
    name = " ".join([*thing.adjectives, phrases.plural(thing.noun)])
    return Check(
        kind="count",
        question=f"how many {name} are there?",
        choices=_numbers(n),
        expected=(NUMBERS[n % 10],),
    )


def existence(thing: Thing, *, there: bool = True) -> Check:
    """A thing is there, or is not."""
    return Check(
        kind="existence",
        question=f"is there {phrases.article(thing.name)}?",
        expected=("yes",) if there else ("no",),
    )


def place(thing: Thing, where: str) -> Check:
    """A thing is in a place of the grid."""
    return Check(kind="place", question=f"where is the {thing.name}?", choices=PLACES, expected=(where,))


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


def _numbers(n: int) -> tuple[str, ...]:
    if not 0 <= n <= 9:
        raise InputError(f"the claim counts to {n}", hint="count to at most nine")
    return NUMBERS[: max(5, min(10, n + 2))]
