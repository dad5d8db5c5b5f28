"""What an edit should have done: the checks of an instruction, and how far it reaches.

Rules, no model: make … COLOR, remove …, add …, replace … with …, move … to …, the background.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sightline.reasoning import claims, phrases
from sightline.reasoning.claims import Check
from sightline.reasoning.phrases import PLACES, Thing

_POLITE = re.compile(r"^(?:please |can you |could you |now |then |just )+|(?: please| now| too)+$")
_GROUND = re.compile(r"\bbackground (?:to |into )?(?:be )?(\w+)$|\bmake it an? (\w+) background$")
_REMOVE = re.compile(r"^(?:remove|delete|erase|take away) (.+)$")
_ADD = re.compile(r"^(?:add|put|insert|place|draw) (.+)$")
_REPLACE = re.compile(
    r"^(?:(?:replace|swap) (?P<old>.+?) (?:with|by|for)"
    r"|(?:turn|change|make) (?P<from>.+?) into(?= an? )) (?P<new>.+)$"
)
_MOVE = re.compile(r"^(?:move|put|place) (the .+?) (?:to|at|in) the (.+)$")
_MAKE = re.compile(r"^(?:make|turn|paint|color|change) (?:the color of )?(.+?) (?:to |into )?(\w+)$")
_GROWN = dict.fromkeys(("large", "larger", "big", "bigger"), "large") | dict.fromkeys(
    ("small", "smaller", "little", "tiny"), "small"
)


def outcome(instruction: str, *, shapes: bool = False) -> tuple[Check, ...]:
    """The checks that hold if an instruction was followed; one question where rules cannot read it.

    `shapes` says that every noun is a shape, so that a place can be asked for what is in it.
    """
    text = _plain(instruction)
    found = _read(text, shapes) if phrases.readable(text) else ()
    return tuple(dict.fromkeys(found)) or (Check(question=f"was this done: {text}?"),)


@dataclass(frozen=True)
class Reach:
    """How far an instruction reaches: by how much it changes the number of things, and in how many places.

    None where rules cannot tell.
    """

    count: int | None = None
    places: int | None = None


def reach(instruction: str) -> Reach:
    """How far an instruction reaches."""
    text = _plain(instruction)
    if not phrases.readable(text):
        return Reach()
    if _moved(text):
        return Reach(0, 2)
    for pattern, sign in ((_REMOVE, -1), (_ADD, 1)):
        if found := pattern.match(text):
            named = phrases.thing(found[1])
            n = None if named is None else named.count
            return Reach(None if n is None else sign * n, n)
    if _background(text):
        return Reach(0, None)
    changed = [found for found in (_REPLACE.match(text), _MAKE.match(text)) if found]
    if not (_replaced(text) or _made(text)):
        return Reach()
    named = phrases.thing(
        changed[0].groupdict().get("old") or changed[0].groupdict().get("from") or changed[0][1]
    )
    return Reach(0, 1 if named is not None and named.count == 1 else None)


def touches_background(instruction: str) -> bool:
    """Whether an instruction is about the background."""
    text = _plain(instruction)
    return phrases.readable(text) and bool(_GROUND.search(text))


def _plain(instruction: str) -> str:
    text = phrases.plain(instruction)
    return _POLITE.sub("", text) or text


def _read(text: str, shapes: bool) -> tuple[Check, ...]:
    """What the first of the rules reads that reads anything."""
    for read in (_background, _removed, _moved):
        if found := read(text):
            return found
    return _added(text, shapes) or _replaced(text) or _made(text)


def _background(text: str) -> tuple[Check, ...]:
    found = _GROUND.search(text)
    return (claims.background(found[1] or found[2]),) if found and not phrases.denies(text) else ()


def _removed(text: str) -> tuple[Check, ...]:
    found = _REMOVE.match(text)
    named = phrases.thing(found[1]) if found else None
    return (claims.existence(named, there=False),) if named and not named.place else ()


def _added(text: str, shapes: bool) -> tuple[Check, ...]:
    found = _ADD.match(text)
    if found is None:
        return ()
    named = [phrases.thing(part) for part in phrases.listed(found[1])]
    things = [one for one in named if one is not None and one.count != 0]
    if len(things) < len(named):
        return claims.split(found[1])
    return tuple(check for one in things for check in _new(one, shapes))


def _new(thing: Thing, shapes: bool) -> list[Check]:
    """One more thing is there: how many there were of it before is not known."""
    bare = replace(thing.sizeless(), place="")
    sized = [claims.size(bare, thing.size)] if thing.size else []
    if thing.place and shapes:
        return [*claims.in_place(bare, thing.place), *sized]
    placed = [claims.place(bare, thing.place)] if thing.place else []
    return [claims.existence(bare), *sized, *placed]


def _replaced(text: str) -> tuple[Check, ...]:
    found = _REPLACE.match(text)
    if found is None:
        return ()
    old, new = phrases.thing(found["old"] or found["from"]), phrases.thing(found["new"])
    if old is None or new is None:
        return ()
    kept = new.sizeless().adjectives or old.colors
    gone = () if old.name == new.name else (claims.existence(old, there=False),)
    return (claims.existence(Thing(new.noun, kept)), *gone)


def _moved(text: str) -> tuple[Check, ...]:
    found = _MOVE.match(text)
    named = phrases.thing(found[1]) if found else None
    where = next((place for place in PLACES if found and place.endswith(f"the {found[2]}")), None)
    return (claims.place(named.sizeless(), where),) if named and where else ()


def _made(text: str) -> tuple[Check, ...]:
    """The new look is there, and the old one is not if the instruction names it."""
    found = _MAKE.match(text)
    named = phrases.thing(found[1]) if found else None
    if named is None or found is None:
        return ()
    look = found[2]
    if look in _GROWN:
        return (claims.size(named, _GROWN[look]),)
    painted = phrases.thing(f"a {look} {named.noun}")
    if painted is None:
        return ()
    there, old = claims.existence(painted), named.sizeless()
    told_apart = old.colors and old.colors == old.adjectives != painted.colors and not named.size
    if told_apart:
        return (there, claims.existence(old, there=False))
    return (there, *(() if old.adjectives else claims.painted_in(old, look)))
