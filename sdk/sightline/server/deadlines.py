"""How long a call may take: what its client says that he waits, within what the server allows."""

from __future__ import annotations

import math

from starlette.requests import HTTPConnection

from sightline.errors import InputError

_OURS, _OPENAI = "x-deadline", "x-stainless-read-timeout"


def limit_of(connection: HTTPConnection, most: float) -> float:
    """Seconds that a call may take, at most `most`.

    `x-deadline` is how many seconds the client still waits; `x-stainless-read-timeout` is the
    same from OpenAI's clients, who put what they like there: it is taken if it is a number.
    InputError if ours is not one above 0.
    """
    ours = connection.headers.get(_OURS)
    if ours is not None:
        seconds = _number(ours)
        if seconds is None:
            raise InputError(
                f"{_OURS} is {ours[:20]!r}", hint="give the seconds that are left, as a number above 0"
            )
        return min(seconds, most)
    theirs = _number(connection.headers.get(_OPENAI, ""))
    return most if theirs is None else min(theirs, most)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
