"""What went wrong on the way, as errors of the tree: bodies of errors, and connections that fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from sightline_runtime import errors
from sightline_runtime.errors import (
    BusyError,
    EngineError,
    ForbiddenError,
    InputError,
    NotFoundError,
    SightlineError,
    StaleHeadError,
    StoreError,
    TooLargeError,
    UnauthorizedError,
)


class Transient(Exception):
    """A failure that may pass; never leaves the runtime's rooms.

    `error` is what to raise when it does not pass, `after` how many seconds the server
    wants to be left alone, and `sent` whether it may have begun with the request.
    """

    def __init__(self, error: SightlineError, *, after: float | None = None, sent: bool = True) -> None:
        super().__init__(str(error))
        self.error, self.after, self.sent = error, after, sent


_BY_CODE: Mapping[str, type[SightlineError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, SightlineError)
} | {StaleHeadError.code: StoreError}
"""The tree itself, none of its relatives elsewhere. A stale head names steps that only a store knows."""

_BY_STATUS: Mapping[int, type[SightlineError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    413: TooLargeError,
    429: BusyError,
    503: BusyError,
}
_PASSING = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses of a server, or of a gateway before it, that may be gone at the next try."""


def error_from(told: object, *, status: int = 500, after: float | None = None) -> SightlineError:
    """The error that a body tells of, as it was raised over there; by its status if it tells nothing."""
    body = told if isinstance(told, Mapping) else {}
    code, message = body.get("code"), body.get("detail") or body.get("message")
    kind = _BY_CODE.get(code) if isinstance(code, str) else None
    if kind is None:
        kind = _BY_STATUS.get(status, InputError if 400 <= status < 500 else EngineError)
    text = message if isinstance(message, str) and message else f"the server answered with status {status}"
    hint = body.get("hint")
    error = kind(text[:2000], hint=hint[:1000] if isinstance(hint, str) else _hint(kind))
    if isinstance(error, BusyError) and after is not None:
        error.retry_after = after
    return error


def _hint(kind: type[SightlineError]) -> str:
    if kind in (UnauthorizedError, ForbiddenError):
        return "give a key that may do this: api_key=, or SIGHTLINE_API_KEY"
    return "come again later" if kind.retryable else "is this the address of the right server?"


def fault(status: int, headers: Mapping[str, str], body: bytes) -> SightlineError | Transient:
    """What a reply that is no success means: an error, or one that may pass."""
    told, ours = _told(body)
    after = retry_after(headers)
    error = error_from(told, status=status, after=after)
    should = headers.get("x-should-retry", "").lower()
    answer = ours and not isinstance(error, BusyError)  # what our server says of a request stays true
    if should == "true" or (status in _PASSING and should != "false" and not answer):
        refused = status in (429, 503) or should == "true"
        return Transient(error, after=after, sent=not refused)
    return error


def _told(body: bytes) -> tuple[object, bool]:
    """What a body says of an error, and whether it is one of our tree."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None, False
    told = data.get("error") if isinstance(data, dict) else None
    if isinstance(told, str):
        return {"message": told}, False
    return told, isinstance(told, dict) and told.get("code") in _BY_CODE


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait that a reply asks for: retry-after-ms, or retry-after as seconds or a date."""
    try:
        if "retry-after-ms" in headers:
            return _seconds(float(headers["retry-after-ms"]) / 1000)
        if "retry-after" in headers:
            return _seconds(float(headers["retry-after"]))
    except ValueError:
        return _until(headers.get("retry-after", ""))
    return None


def _seconds(value: float) -> float | None:
    return value if 0 <= value < float("inf") else None


def _until(date: str) -> float | None:
    try:
        when = parsedate_to_datetime(date)
    except ValueError:
        return None
    known = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (known - datetime.now(UTC)).total_seconds())


def unreachable(place: str, why: Exception, *, sent: bool) -> Transient:
    """A connection that cannot be made, or broke."""
    what = "was lost" if sent else "cannot be made"
    reason = str(why) or type(why).__name__
    error = EngineError(
        f"the connection to {place} {what}: {reason[:200]}",
        hint="is the server running, and is this its address?",
    )
    return Transient(error, sent=sent)
