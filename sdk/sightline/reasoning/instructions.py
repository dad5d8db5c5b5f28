"""What an edit should have done: the checks of an instruction, and those of what must stay.

Rules, no model: make … COLOR, remove …, add …, replace … with …, move … to …, the background.
"""

from __future__ import annotations

import re
from dataclasses import replace

from sightline.reasoning import claims, phrases
from sightline.reasoning.claims import Check
from sightline.reasoning.phrases import PLACES, SIZES, Thing

_POLITE = re.compile(r"^(?:please |can you |could you |now |then |just )+|(?: please| now| too)+$")
_GROUND = re.compile(r"\bbackground (?:to |into )?(?:be )?(\w+)$|\bmake it an? (\w+) background$")
_REMOVE = re.compile(r"^(?:remove|delete|erase|take away) (.+)$")
_ADD = re.compile(r"^(?:add|put|insert|place|draw) (.+)$")
_REPLACE = re.compile(
    r"^(?:(?:replace|swap) (?P<old>.+?) (?:with|by|for)"
    r"|(?:turn|change|make) (?P<from>.+?) into(?= an? )) (?P<new>.+)$"
)
_MOVE = re.compile(r"^(?:move|put|place) (the .+?) (?:to|at|in) the (.+)$")
_MAKE = re.compile(r"^(?:make|turn|paint|color|change) (.+?) (?:to |into )?(\w+)$")


def outcome(instruction: str) -> tuple[Check, ...]:
    """The checks that hold if an instruction was followed; one question where rules cannot read it."""
    text = _POLITE.sub("", phrases.plain(instruction))
    for read in (_background, _removed, _moved, _added, _replaced, _made):
        found = read(text)
        if found:
            return found
    return (Check(question=f"was this done: {text}?"),)


def count_change(instruction: str) -> int | None:
    """By how much an instruction changes the number of things; None where rules cannot tell."""
    text = _POLITE.sub("", phrases.plain(instruction))
    if _REMOVE.match(text):
        named = phrases.thing(_REMOVE.sub(r"\1", text))
        return None if named is None or named.count is None else -named.count
    if _ADD.match(text) and not _MOVE.match(text):
        named = phrases.thing(_ADD.sub(r"\1", text))
        return None if named is None else named.count
    known = (_background, _moved, _replaced, _made)
    return 0 if any(read(text) for read in known) else None


def touches_background(instruction: str) -> bool:
    """Whether an instruction is about the background."""
    return bool(_GROUND.search(phrases.plain(instruction)))


def _background(text: str) -> tuple[Check, ...]:
    found = _GROUND.search(text)
    return (claims.background(found[1] or found[2]),) if found else ()


def _removed(text: str) -> tuple[Check, ...]:
    found = _REMOVE.match(text)
    named = phrases.thing(found[1]) if found else None
    return (claims.existence(named.sizeless(), there=False),) if named else ()


def _added(text: str) -> tuple[Check, ...]:
    found = _ADD.match(text)
    return claims.split(found[1]) if found else ()


def _replaced(text: str) -> tuple[Check, ...]:
    found = _REPLACE.match(text)
    if found is None:
        return ()
    old, new = phrases.thing(found["old"] or found["from"]), phrases.thing(found["new"])
    if old is None or new is None:
        return ()
    kept = new.adjectives or tuple(word for word in old.adjectives if word not in SIZES)
    return (
        claims.existence(replace(new, adjectives=kept).sizeless()),
        claims.existence(old.sizeless(), there=False),
    )


def _moved(text: str) -> tuple[Check, ...]:
    found = _MOVE.match(text)
    named = phrases.thing(found[1]) if found else None
    where = next((place for place in PLACES if found and place.endswith(f"the {found[2]}")), None)
    return (claims.place(named.sizeless(), where),) if named and where else ()


def _made(text: str) -> tuple[Check, ...]:
    found = _MAKE.match(text)
    named = phrases.thing(found[1]) if found else None
    if named is None or found is None:
        return ()
    look = found[2]
    if look in SIZES:
        bare = named.sizeless()
        question = f"how big is the {bare.name}?"
        return (Check(kind="attribute", question=question, choices=SIZES, expected=(look,)),)
    return (claims.existence(Thing(named.noun, (look,))),)
