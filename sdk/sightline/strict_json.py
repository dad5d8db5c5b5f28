"""JSON of strangers: one meaning or none.

Other readers take the last of two equal keys, turn 1e400 into infinity and half a
character into a text that cannot be written. Whoever sends such things is told so.
"""

from __future__ import annotations

import json
from typing import NoReturn

MOST = 256 * 1024
"""Characters of a text."""
_DIGITS = 1000
"""Of a number; no reader of JSON promises to keep as many."""


def parsed(text: str, *, most: int = MOST, fractions: bool = True) -> object:
    """The value of a JSON text of at most `most` characters; ValueError for what is none or is not plain.

    Without `fractions` every number is whole.
    """
    if len(text) > most:
        raise ValueError(f"it has {len(text):,} characters, more than {most:,}")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_fraction if fractions else _refused,
            parse_constant=_constant,
        )
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error.msg} at character {error.pos}") from error
    except UnicodeEncodeError as error:
        raise ValueError("it holds half a character") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def written(value: object) -> str:
    """A value as JSON in which no "<" stands, so that no mark of a prompt can; ValueError if it is none."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, RecursionError, UnicodeEncodeError) as error:
        raise ValueError(f"it is no JSON: {type(error).__name__}") from error
    return text.replace("<", "\\u003c")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made: dict[str, object] = {}
    for name, value in pairs:
        if name in made:
            raise ValueError(f"it gives {name[:80]!r} twice")
        made[name] = value
    return made


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits is too long")
    return int(digits)


def _fraction(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is no number that JSON has")
    return value


def _refused(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not a whole number")


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
