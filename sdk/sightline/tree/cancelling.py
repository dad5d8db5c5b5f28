"""Stopping a call from outside: the job it waits for ends at once, and nothing of it is committed after.

Whoever waits for a call makes a `Cancellation` and runs the call under it; the
rooms that do the work find it through the context, so no verb passes it along.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from sightline.errors import CancelledError
from sightline_runtime.protocol import Job, R

T = TypeVar("T")

_current: ContextVar[Cancellation | None] = ContextVar("sightline_cancellation", default=None)


class Cancellation:
    """Stops one call, from any thread; harmless when repeated or after the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._jobs: list[Job[Any]] = []

    def run(self, work: Callable[[], T]) -> T:
        """Do work that this cancellation stops."""
        token = _current.set(self)
        try:
            return work()
        finally:
            _current.reset(token)

    def cancel(self) -> None:
        """Ask the work to stop, and end what it waits for."""
        with self._lock:
            self._asked = True
            for job in self._jobs:
                _end(job)

    def check(self) -> None:
        """Raise CancelledError if the work was asked to stop."""
        if self._asked:
            raise CancelledError("the call was cancelled")

    @contextmanager
    def covering(self, job: Job[R]) -> Iterator[None]:
        """Cancel this job too, as long as it is waited for."""
        with self._lock:
            self._jobs.append(job)
            if self._asked:
                _end(job)
        try:
            yield
        finally:
            with self._lock:
                self._jobs.remove(job)


def _end(job: Job[R]) -> None:
    """Tell the runtime to stop; whoever waits for the job does not wait for that."""
    job.cancel()
    job.fail(CancelledError("the call was cancelled"))


def current() -> Cancellation:
    """What stops the work of this thread; one that nobody holds if nothing does."""
    return _current.get() or Cancellation()
