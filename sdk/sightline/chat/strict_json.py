"""JSON of strangers: one meaning or none. Doubled keys, NaN, huge numbers and half characters are refused."""

from __future__ import annotations

import json
from typing import NoReturn

_MOST = 256 * 1024
"""Characters of one text."""


def parsed(text: str) -> object:
    """The value of a JSON text; ValueError for what is none, or has more than one meaning."""
    if len(text) > _MOST:
        raise ValueError(f"{len(text)} characters, more than {_MOST}")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_number)
        written(value)
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
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return made


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is no number that can be kept")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
