"""Which picture a line means: "img3" by name, "the last image", "the one with the ring" by what it shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sightline.chat.dialogue import Shown

MOST = 8
"""Pictures, the newest first, that are looked through for what one shows."""
_SURE, _MARGIN = 0.5, 0.25
"""A picture shows a thing if that is likelier than not; another that comes as near is as well meant."""

_NAME = re.compile(r"\bimg([0-9]{1,9})\b", re.IGNORECASE)
_LAST = re.compile(r"\bthe (?:last|latest|newest|current) (?:image|picture|drawing)\b", re.IGNORECASE)
_LOOK = "red|green|blue|yellow|orange|purple|pink|cyan|black|white|gray|brown|small|large"
"""What a line may end with after a thing: "make the one with the ring black"."""
_SHOWING = re.compile(
    r"\bthe (?:one|image|picture|drawing) (?:with|of|that has|that shows|showing) (?:(?:the|an?|some) )?"
    rf"(?P<thing>[a-z][a-z -]*?)(?=\s*(?:[?.!,]|$| again\b| and\b| to\b| on\b| (?:{_LOOK})\s*$))",
    re.IGNORECASE,
)

Sees = Callable[[Shown, str], float]
"""P(a picture shows a thing), 0 … 1."""


@dataclass(frozen=True)
class Meant:
    """A line with names for what stands for pictures, and the names; or what to ask back."""

    line: str
    named: tuple[str, ...] = ()
    asks: str = ""


def resolve(
    line: str, pictures: Sequence[Shown], looked_at: str | None, known: Callable[[str], bool], sees: Sees
) -> Meant:
    """Resolve what a line says of pictures; `pictures` are those of the dialogue, oldest first.

    `known` tells whether the session has a picture of a name; it may be one of another branch.
    """
    strange = [found[0].lower() for found in _NAME.finditer(line) if not known(found[0].lower())]
    if strange:
        return Meant(line, asks=_unknown(strange[0], pictures))
    if looked_at is not None:
        line = _LAST.sub(looked_at, line)
    while found := _SHOWING.search(line):
        thing = found["thing"].strip()
        which = _showing(thing, pictures, sees)
        if which.asks:
            return Meant(line, asks=which.asks)
        line = line[: found.start()] + which.line + line[found.end() :]
    return Meant(line, tuple(dict.fromkeys(found[0].lower() for found in _NAME.finditer(line))))


def _showing(thing: str, pictures: Sequence[Shown], sees: Sees) -> Meant:
    """The name of the picture that shows a thing, or what to ask back."""
    newest = list({each.image.pixels: each for each in reversed(pictures)}.values())[:MOST]
    scored = [(sees(each, thing), each.alias) for each in newest]
    best = max((score for score, _ in scored), default=0.0)
    likely = [alias for score, alias in scored if score >= max(_SURE, best - _MARGIN)]
    if not likely:
        there = f"; there are {_listed([each.alias for each in newest])}" if newest else ""
        return Meant("", asks=f"no picture shows {_article(thing)}{there}")
    if len(likely) > 1:
        return Meant("", asks=f"which one do you mean: {_listed(likely, 'or')} ?")
    return Meant(likely[0])


def _unknown(name: str, pictures: Sequence[Shown]) -> str:
    names = list(dict.fromkeys(each.alias for each in pictures))
    there = f"there are {_listed(names)}" if names else "there is no picture yet"
    return f"there is no picture {name}; {there}"


def _listed(names: Sequence[str], word: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _article(thing: str) -> str:
    return f"{'an' if thing[:1].lower() in 'aeiou' else 'a'} {thing}"


def question(thing: str) -> str:
    """What is asked of each picture."""
    return f"is there {_article(thing)} ?"
