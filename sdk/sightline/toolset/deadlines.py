"""Work that ends in time: in a thread of its own, stopped at a deadline or when its caller is."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from sightline.errors import DeadlineError, SightlineError
from sightline.tree import cancelling
from sightline.tree.cancelling import Cancellation

T = TypeVar("T")

_LOOK = 0.05
"""Seconds between two looks whether the caller was cancelled."""
_GRACE = 1.0
"""Seconds that stopped work gets to end; what does not look is left behind, and commits nothing."""


def within(seconds: float | None, work: Callable[[], T], *, grace: float = _GRACE) -> T:
    """Do work and give what it gives; DeadlineError after so many seconds, CancelledError with its caller.

    Work that was stopped but had just ended gives its result: what is done is not denied.
    """
    cancelling.current().check()
    running = _Running(work)
    try:
        _wait(running.ended, seconds)
    except SightlineError as error:
        return running.stopped(error, grace)
    except BaseException as error:  # an interrupt stops the work, and is never answered by it
        running.stopped(error, grace)
        raise
    return running.result()


def _wait(ended: threading.Event, seconds: float | None) -> None:
    """Wait for the end; DeadlineError or CancelledError if something else comes first."""
    caller = cancelling.current()
    end = None if seconds is None else time.monotonic() + seconds
    while not ended.wait(_LOOK if end is None else min(_LOOK, max(end - time.monotonic(), 0))):
        caller.check()
        if end is not None and time.monotonic() >= end:
            raise DeadlineError(
                f"it did not end within {seconds:.3g} seconds",
                hint="ask for less: fewer pictures or steps, a smaller size, or a draft",
            )


class _Running(Generic[T]):
    """Work in a daemon thread that sees the caller's context variables."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.ended, self._stop = threading.Event(), Cancellation()
        self._work, self._results = work, list[T]()
        self._error: BaseException | None = None
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._run,), name="sightline-tool", daemon=True).start()

    def result(self) -> T:
        """What the work gave, or its error."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def stopped(self, why: BaseException, grace: float) -> T:
        """Stop the work; its result if it made it all the same, else raise why it was stopped."""
        self._stop.cancel()
        if self.ended.wait(grace) and self._results:
            return self._results[0]
        raise why

    def _run(self) -> None:
        try:
            self._results.append(self._stop.run(self._work))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            self._error = error
        finally:
            self.ended.set()
