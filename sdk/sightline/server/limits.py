"""How much of its limits a key has left: calls a minute, and calls at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sightline.errors import BusyError
from sightline.server.keys import ApiKey


class Limits:
    """Counts the calls of every key; belongs to one event loop.

    Calls a minute are a bucket of that many tokens that refills evenly, so a burst may
    use all of a minute at once. `clock` gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # digest of a key → tokens, and when
        self._running: dict[str, int] = {}

    @contextmanager
    def taken(self, key: ApiKey) -> Iterator[None]:
        """Count a call as long as it lasts; BusyError, with the time to wait, if it is one too many."""
        running = self._running.get(key.digest, 0)
        if key.at_once is not None and running >= key.at_once:
            raise BusyError(f"this key may make {key.at_once} calls at once", hint="wait for one to end")
        self._take(key)
        self._running[key.digest] = running + 1
        try:
            yield
        finally:
            left = self._running.pop(key.digest) - 1
            if left:
                self._running[key.digest] = left

    def _take(self, key: ApiKey) -> None:
        if key.per_minute is None:
            return
        now, rate = self._clock(), key.per_minute / 60
        tokens, seen = self._buckets.get(key.digest, (float(key.per_minute), now))
        tokens = min(float(key.per_minute), tokens + (now - seen) * rate)
        if tokens < 1:
            raise BusyError(
                f"this key may make {key.per_minute} calls a minute",
                hint="come again later",
                retry_after=(1 - tokens) / rate,
            )
        self._buckets[key.digest] = (tokens - 1, now)
