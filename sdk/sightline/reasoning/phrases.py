"""Noun phrases of plain English: 'two large red stars', 'the ring at the top left'.

Rules, no model: a phrase is a determiner or a number, adjectives, a noun, and maybe a
place. Whoever reads a claim, an instruction or a question by rules reads it with these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIZES = ("small", "large")
_COLOR_WORDS = """
red green blue yellow purple orange cyan pink white black gray brown
violet turquoise magenta beige gold silver"""
COLORS = tuple(_COLOR_WORDS.split())
"""Colours by name, those of the world of shapes first."""
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

_PLURALS = {
    "man": "men",
    "woman": "women",
    "person": "people",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "goose": "geese",
    "knife": "knives",
    "leaf": "leaves",
    "shelf": "shelves",
    "wolf": "wolves",
    "tomato": "tomatoes",
    "potato": "potatoes",
    "bus": "buses",
    "movie": "movies",
    "cookie": "cookies",
    "sheep": "sheep",
    "fish": "fish",
    "deer": "deer",
}
"""Irregular nouns that are counted in pictures."""
_SINGULARS = {many: one for one, many in _PLURALS.items()}

_ARTICLES = ("a", "an", "the", "any", "some")
_COUNTS = {**{word: n for n, word in enumerate(NUMBERS)}, **{str(n): n for n in range(10)}, "no": 0}
_LONGEST = 4
"""A phrase of more adjectives than that is a sentence, which rules do not read."""
_SENTENCE = 1000
"""Texts of more characters than that are not read by rules, whose time grows faster than a text."""
_FUNCTION_WORDS = """
a an the any some no not non never neither nor none nothing nobody without except but only or and
than then if is are was were be been has have had do does did can could would will should
of in on at to from by for with as into onto over under above below behind between near
left right it its they them their this that these those there here what which who how where when
ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty
forty fifty hundred thousand million dozen dozens couple pair pairs both all each every most
many much more less fewer few several least exactly about zero one two three four five six
seven eight nine please now too also still just"""
_NO_LOOKS = frozenset(_FUNCTION_WORDS.split())
"""Words that are no look and no thing: with one of them a phrase is something else, such as a denial."""
_DENIAL = re.compile(
    r"\b(?:no|not|non|none|never|nothing|nobody|neither|nor|without|except|instead|cannot)\b|n['\u2019]t\b"
)
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

    @property
    def colors(self) -> tuple[str, ...]:
        """Its colours, if it has any."""
        return tuple(word for word in self.adjectives if word in COLORS)

    def sizeless(self) -> Thing:
        """The same without its size."""
        return replace(self, adjectives=tuple(word for word in self.adjectives if word not in SIZES))


def plain(text: str) -> str:
    """Lower case, one blank between words, no full stop or question mark at the end."""
    lower = " ".join(text.lower().split()).replace("colour", "color").replace("grey", "gray")
    spaced = re.sub(r" ?([,;]|\.(?= )) ?", r" \1 ", lower)
    spaced = re.sub(r"\bto the (?=(left|right) of\b)|\bon the (?=(left|right) of\b)", "", spaced)
    return " ".join(spaced.strip(" .?!\n\t").split())


def denies(text: str) -> bool:
    """Whether a text says that something is not so."""
    return bool(_DENIAL.search(text))


def readable(text: str) -> bool:
    """Whether a text is short enough for rules to read."""
    return len(text) <= _SENTENCE


def singular(noun: str) -> str:
    """The singular of an English noun, the common irregular ones among them."""
    if noun in _SINGULARS:
        return _SINGULARS[noun]
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("sses", "shes", "ches", "xes", "zes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith(("ss", "us", "is")) else noun


def plural(noun: str) -> str:
    """The plural of an English noun, the common irregular ones among them."""
    if noun in _PLURALS:
        return _PLURALS[noun]
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
        several = singular(words[-1]) != words[-1]
        count = {"a": 1, "an": 1, "the": None if several else 1}.get(words.pop(0))
    if not words or len(words) > _LONGEST or not all(map(_names, words)):
        return None
    noun = words[-1] if count == 1 else singular(words[-1])
    if count is None and noun == words[-1]:
        count = 1  # "red star": the article was left out
    return Thing(noun, tuple(words[:-1]), count, where)


def _names(word: str) -> bool:
    """Whether a word can be a look or a thing."""
    return (
        not (word in _NO_LOOKS or word.startswith("non-"))
        and re.fullmatch(r"[a-z]+(?:-[a-z]+)*", word) is not None
    )


def listed(text: str) -> list[str]:
    """The parts of a list: 'a , b and c'."""
    return [part.strip() for part in re.split(r"\s*(?:,| and |;| with )\s*", text) if part.strip()]


def instructions(text: str) -> list[str]:
    """The instructions of a text, in order: parted by 'then', 'and then', ';' or a full stop."""
    line = " ".join(text.split())
    parts = re.split(r" ?[,;.]? ?(?:\band )?\bthen\b ?| ?[;.] ?", line)
    return [part.strip(" ,.") for part in parts if part.strip(" ,.")] or [line]
