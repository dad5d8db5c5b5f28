"""Corrections: from a check that failed to the instruction that would mend it, by rules."""

from __future__ import annotations

import re

from sightline.reasoning import phrases
from sightline.reasoning.claims import Check

_IS_THERE = re.compile(r"^is there (an? .+)\?$")
_WHERE = re.compile(r"^where is the (.+)\?$")
_WHAT_COLOR = re.compile(r"^what color is the (.+)\?$")
_HOW_BIG = re.compile(r"^how big is the (.+)\?$")


def correction(check: Check) -> str | None:
    """The instruction that would make a check hold; None where another try is the better way.

    Counts and relations are no single edit: which thing is one too many, and where there
    is room, is not known.
    """
    wanted = check.expected[0]
    if check.kind == "background":
        return f"change the background to {wanted}"
    if check.kind == "place" and (named := _WHERE.match(check.question)):
        return f"move the {named[1]} to {wanted.split(' ', 1)[1]}"
    if check.kind == "attribute" and (named := _HOW_BIG.match(check.question)):
        return f"make the {named[1]} {wanted}"
    if check.kind == "attribute" and (named := _WHAT_COLOR.match(check.question)):
        return f"make the {named[1]} {wanted}"
    if check.kind == "existence" and (named := _IS_THERE.match(check.question)):
        return _existence(named[1], there=wanted == "yes")
    return None


def _existence(phrase: str, *, there: bool) -> str | None:
    found = phrases.thing(phrase)
    if found is None:
        return None
    if not there:
        return f"remove the {found.name}"
    if len(found.adjectives) == 1:
        return f"make the {found.noun} {found.adjectives[0]}"
    return f"add {phrase}"
