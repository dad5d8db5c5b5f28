"""When to try again: failures that may pass, after as long as the server asks, with full jitter."""

from __future__ import annotations

import random

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, stop_before_delay
from tenacity.stop import stop_base

from sightline_runtime.transport.faults import Transient

BASE = 0.25
"""Seconds: the first pause is at most this long, each next one at most twice as long."""
CAP = 8.0
"""Seconds: no pause of our own is longer."""
PATIENCE = 60.0
"""Seconds: a server that wants to be left alone for longer is not asked again."""


def attempts(tries: int, *, within: float | None, repeatable: bool) -> AsyncRetrying:
    """Attempts at a request: at most `tries`, none begun after `within` seconds.

    A request that is not `repeatable` is tried again only where the server cannot have begun with it.
    """

    def passes(error: BaseException) -> bool:
        return isinstance(error, Transient) and (repeatable or not error.sent) and bearable(error)

    stop: stop_base = stop_after_attempt(tries)
    if within is not None:
        stop = stop | stop_before_delay(within)
    return AsyncRetrying(retry=retry_if_exception(passes), wait=_pause, stop=stop, reraise=True)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return pause(error, state.attempt_number)


def bearable(failure: Transient) -> bool:
    """Whether the server wants to be left alone for no longer than anybody waits."""
    return failure.after is None or failure.after <= PATIENCE


def pause(failure: BaseException | None, attempt: int) -> float:
    """Seconds before the next attempt: what the server asked for, and a random part on top.

    Full jitter: clients that failed together do not come back together.
    """
    asked = failure.after if isinstance(failure, Transient) else None
    return (asked or 0.0) + backoff(attempt)


def backoff(attempt: int) -> float:
    """A random pause after attempt 1, 2, …: from 0 up to `BASE`, doubled each time, at most `CAP`."""
    return random.uniform(0, min(CAP, BASE * 2 ** min(attempt - 1, 16)))
