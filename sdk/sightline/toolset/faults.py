"""From an error to what a model can mend: every argument that is wrong, what is allowed, what there is."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from pydantic import ValidationError

from sightline.errors import BusyError, InputError, SightlineError
from sightline.toolset.outcomes import MOST_PROBLEMS, Fault, Problem
from sightline_tools.schemas import alternatives
from sightline_tools.strict import allowed

_LOG = logging.getLogger("sightline.toolset")

_NOT_TOLD = {
    "bad_model": ("the model cannot be used", "tell the user; another call will not help"),
    "engine_failed": ("the tool failed while it computed", "try once more, or go on without it"),
    "store_failed": ("the session could not be read or written", "tell the user; repeat the call later"),
    "store_corrupt": ("something stored in the session is damaged", "use other pictures, and tell the user"),
}
"""What a model is told of errors that it cannot mend: their own words may name files of the machine."""
_PHRASES = {"missing": "is missing", "extra_forbidden": "there is no such argument"}


class RefusedError(Exception):
    """A call is not done, and why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def fault_of(error: Exception, tool: str, schema: Mapping[str, object]) -> Fault:
    """The fault that stands for an error of a call."""
    if isinstance(error, RefusedError):
        return error.fault
    if not isinstance(error, SightlineError):
        _LOG.error("the tool %s failed", tool, exc_info=error)
        return Fault("engine_failed", *_NOT_TOLD["engine_failed"], retryable=True)
    if error.code in _NOT_TOLD:
        _LOG.warning("the tool %s failed: %s", tool, error)
        return Fault(error.code, *_NOT_TOLD[error.code], retryable=error.retryable)
    if isinstance(error, BusyError):
        return Fault("busy", error.message, f"try again in {error.retry_after:g} seconds", retryable=True)
    cause = error.__cause__
    if isinstance(error, InputError) and isinstance(cause, ValidationError):
        wrong = cause.errors(include_url=False)
        problems = tuple(_problem(each, schema) for each in wrong[:MOST_PROBLEMS])
        more = (
            f"; these are the first {len(problems)} of {len(wrong):,}" if len(wrong) > len(problems) else ""
        )
        message = f"the arguments of {tool} are wrong{more}"
        return Fault(error.code, message, "correct them, and call again", False, problems)
    return Fault(error.code, error.message, error.hint, error.retryable)


def at(schema: object, path: tuple[str | int, ...]) -> Mapping[str, object]:
    """The schema of what lies at a path; an empty one if nothing is known of it."""
    if not isinstance(schema, Mapping):
        return {}
    if not path:
        return schema
    for kind in alternatives(schema):
        properties, items = kind.get("properties"), kind.get("items")
        if isinstance(properties, Mapping) and path[0] in properties:
            return at(properties[path[0]], path[1:])
        if isinstance(items, Mapping) and isinstance(path[0], int):
            return at(items, path[1:])
    return {}


def _problem(error: Mapping[str, object], schema: Mapping[str, object]) -> Problem:
    """One error of pydantic, with what is allowed at its place."""
    place, context = error.get("loc"), error.get("ctx")
    path = tuple(place) if isinstance(place, tuple) else ()
    inner = context.get("error") if isinstance(context, Mapping) else None
    if isinstance(inner, SightlineError):
        return Problem(".".join(map(str, path)), inner.message, hint=inner.hint)
    kind, given = str(error.get("type")), repr(error.get("input"))[:80]
    what = _PHRASES.get(kind) or f"{error.get('msg')}; it was {given}"
    known = at(schema, path)
    return Problem(".".join(map(str, path)), what, allowed(known) if known else "")
