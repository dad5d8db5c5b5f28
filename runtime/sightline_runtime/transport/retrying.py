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
        if not isinstance(error, Transient) or (error.sent and not repeatable):
            return False
        return error.after is None or error.after <= PATIENCE

    stop: stop_base = stop_after_attempt(tries)
    if within is not None:
        stop = stop | stop_before_delay(within)
    return AsyncRetrying(retry=retry_if_exception(passes), wait=pause, stop=stop, reraise=True)


def pause(state: RetryCallState) -> float:
    """Seconds before the next attempt: what the server asked for, and a random part on top.

    Full jitter: clients that failed together do not come back together.
    """
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, Transient) else None
    return (asked or 0.0) + backoff(state.attempt_number)


def backoff(attempt: int) -> float:
    """A random pause after attempt 1, 2, …: from 0 up to `BASE`, doubled each time, at most `CAP`."""
    return random.uniform(0, min(CAP, BASE * 2 ** min(attempt - 1, 16)))
