"""Noun phrases of plain English: 'two large red stars', 'the ring at the top left'.

Rules, no model: a phrase is a determiner or a number, adjectives, a noun, and maybe a
place. Whoever reads a claim, an instruction or a question by rules reads it with these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIZES = ("small", "large")
PLACES = (
    "at the top left",
    "at the top center",
    "at the top right",
    "at the middle left",
    "in the center",
    "at the middle right",
    "at the bottom left",
    "at the bottom center",
    "at the bottom right",
)
RELATIONS = (
    "left of",
    "right of",
    "above",
    "below",
    "in front of",
    "behind",
    "next to",
    "on top of",
    "under",
)

_ARTICLES = ("a", "an", "the", "any", "some")
_COUNTS = {**{word: n for n, word in enumerate(NUMBERS)}, **{str(n): n for n in range(10)}, "no": 0}
_LONGEST = 4
"""A phrase of more adjectives than that is a sentence, which rules do not read."""
_PLACE = re.compile(rf"\s+({'|'.join(PLACES)})$")


@dataclass(frozen=True)
class Thing:
    """What a phrase names: how many (None where it is not said), how it looks, and where it is."""

    noun: str
    adjectives: tuple[str, ...] = ()
    count: int | None = None
    place: str = ""

    @property
    def name(self) -> str:
        """The thing without number and place: 'large red star'."""
        return " ".join([*self.adjectives, self.noun])

    @property
    def size(self) -> str:
        """Its size as an adjective, if it has one."""
        return next((word for word in self.adjectives if word in SIZES), "")

    def sizeless(self) -> Thing:
        """The same without its size."""
        return replace(self, adjectives=tuple(word for word in self.adjectives if word not in SIZES))


def plain(text: str) -> str:
    """Lower case, one blank between words, no full stop or question mark at the end."""
    spaced = re.sub(
        r"\s*([,;]|\.(?=\s))\s*", r" \1 ", text.lower().replace("colour", "color").replace("grey", "gray")
    )
    spaced = re.sub(r"\bto the (?=(left|right) of\b)|\bon the (?=(left|right) of\b)", "", spaced)
    return " ".join(spaced.strip(" .?!\n\t").split())


def singular(noun: str) -> str:
    """The singular of a regular English noun."""
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("sses", "shes", "ches", "xes", "zes", "sses")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith(("ss", "us", "is")) else noun


def plural(noun: str) -> str:
    """The plural of a regular English noun."""
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "sh", "ch", "x", "z")) else "s")


def article(words: str) -> str:
    """The words with 'a' or 'an' before them."""
    return f"{'an' if words[:1] in 'aeiou' else 'a'} {words}"


def thing(phrase: str) -> Thing | None:
    """Read one noun phrase; None if it is something else, such as a sentence."""
    text = plain(phrase)
    found = _PLACE.search(text)
    where, text = (found[1], text[: found.start()]) if found else ("", text)
    words = text.split()
    count: int | None = None
    if words and words[0] in _COUNTS:
        count = _COUNTS[words.pop(0)]
    elif words and words[0] in _ARTICLES:
        count = 1 if words.pop(0) in ("a", "an", "the") else None
    if not words or len(words) > _LONGEST or not all(re.fullmatch(r"[a-z][a-z-]*", word) for word in words):
        return None
    noun = words[-1] if count == 1 else singular(words[-1])
    if count is None and noun == words[-1]:
        count = 1  # "red star": the article was left out
    return Thing(noun, tuple(words[:-1]), count, where)


def listed(text: str) -> list[str]:
    """The parts of a list: 'a , b and c'."""
    return [part.strip() for part in re.split(r"\s*(?:,| and |;| with )\s*", text) if part.strip()]


def instructions(text: str) -> list[str]:
    """The instructions of a text, in order: parted by 'then', 'and then', ';' or a full stop."""
    parts = re.split(r"\s*(?:[,;.]?\s*(?:and )?\bthen\b|[;.])\s*", text)
    return [part.strip(" ,.") for part in parts if part.strip(" ,.")] or [text.strip()]
