"""Runs: calls that a server does, with the events that tell of them, kept for a while after their end.

A run belongs to the event loop: what its thread tells is handed over there. Of progress
and of previews only the newest is kept, so a slow reader misses some; text and the
outcome never.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Literal

from sightline.errors import (
    CancelledError,
    DeadlineError,
    EngineError,
    InputError,
    NotFoundError,
    SightlineError,
)
from sightline.server.event_log import Entry, EventLog
from sightline.server.problems import body_of
from sightline.server.session_forms import Answer
from sightline.server.told_events import told
from sightline.server.work import Crew
from sightline.tree.cancelling import Cancellation
from sightline_runtime.protocol import Event

Watch = Callable[[Event], None]
State = Literal["running", "done", "failed", "cancelled"]

_MOST_ENDED, _KEPT = 128, 3600.0
"""Ended runs of a tenant that are kept, and seconds for which."""
_FORGOTTEN = (
    "runs end with the server, and are forgotten an hour after; the session's log tells what was done"
)

_log = logging.getLogger("sightline.server")


class Run:
    """One call: made on the event loop, then started.

    A run that is not `detached` is cancelled when nobody has waited for it for `grace` seconds.
    """

    def __init__(self, tenant: str, session: str, tool: str) -> None:
        self.id = uuid.uuid4().hex
        self.tenant, self.session, self.tool = tenant, session, tool
        self.state: State = "running"
        self.answer: Answer | None = None
        self.error: SightlineError | None = None
        self.ended_at: float | None = None
        self.detached, self.grace, self._waiting = False, 0.0, 0
        self.ended = asyncio.Event()
        self._log, self._stop, self._late = EventLog(), Cancellation(), False
        self._future = Future[None]()
        self._loop = asyncio.get_running_loop()

    def start(
        self, crew: Crew, work: Callable[[Watch], Answer], *, limit: float, dropped: Callable[[], None]
    ) -> None:
        """Do the work in a thread, for at most `limit` seconds; BusyError if too much waits already.

        `dropped` is called, in some thread, if it is cancelled before it begins.
        """
        self._tell("started", "", {"run": self.id, "session": self.session, "tool": self.tool})
        self._future = crew.submit(partial(self._stop.run, partial(self._do, work)))
        timer = self._loop.call_later(limit, self._expire)
        self._future.add_done_callback(partial(self._left, timer, dropped))

    def cancel(self) -> None:
        """Ask the work to stop; harmless after the end."""
        self._stop.cancel()
        self._future.cancel()

    def join(self) -> None:
        """Count one more who waits for the outcome."""
        self._waiting += 1

    def leave(self) -> None:
        """Count one less; the last one's leaving cancels what goes on, at once or after the grace time."""
        self._waiting -= 1
        if not self._waiting and not self.ended.is_set():
            self._loop.call_later(self.grace, self._abandon)

    def finish(self, answer: Answer) -> None:
        """End with an answer, unless there is an outcome."""
        self._end("done", answer.model_dump_json(), answer=answer)

    def fail(self, error: SightlineError) -> None:
        """End with an error, unless there is an outcome."""
        state: State = "cancelled" if isinstance(error, CancelledError) else "failed"
        self._end(state, _line(body_of(error)), error=error)

    def is_over(self, offset: int) -> bool:
        """Whether nothing comes after an offset any more; InputError for one that never was."""
        if not 0 <= offset <= len(self._log):
            raise InputError(f"the run has no event {offset}", hint=f"its last one is {len(self._log)}")
        return self._log.ended and offset == len(self._log)

    def entries(self, after: int) -> AsyncIterator[Entry | None]:
        """The events behind an offset, as they come, until the outcome; None after each silence."""
        return self._log.after(after)

    # --- in the thread -----------------------------------------------------------------------

    def _do(self, work: Callable[[Watch], Answer]) -> None:
        try:
            answer = work(self._watch)
            self._hand_over(partial(self.finish, answer))
        except SightlineError as error:
            self._hand_over(partial(self.fail, error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must end
            _log.error("a run failed unforeseen: %s", type(error).__name__)
            broken = EngineError("the server failed", hint="a fault of the server; its log says more")
            self._hand_over(partial(self.fail, broken))

    def _watch(self, event: Event) -> None:
        self._hand_over(partial(self._tell, *told(event)))

    def _hand_over(self, what: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(what)

    # --- on the loop -------------------------------------------------------------------------

    def _abandon(self) -> None:
        if not self._waiting and not self.detached:
            self.cancel()

    def _expire(self) -> None:
        self._late = True
        self.cancel()

    def _left(self, timer: asyncio.TimerHandle, dropped: Callable[[], None], future: Future[None]) -> None:
        self._hand_over(timer.cancel)
        if future.cancelled():
            self._hand_over(partial(self._loop.run_in_executor, None, self._drop, dropped))

    def _drop(self, dropped: Callable[[], None]) -> None:
        with suppress(SightlineError):
            dropped()
        never = CancelledError("the call was cancelled before it began", hint="send it again")
        self._hand_over(partial(self.fail, never))

    def _end(
        self, state: State, data: str, *, answer: Answer | None = None, error: SightlineError | None = None
    ) -> None:
        if self._late and isinstance(error, CancelledError):
            self.fail(DeadlineError("the call did not end in time", hint="ask for less"))
        elif self._log.add(state, data, last=True):
            self.state, self.answer, self.error = state, answer, error
            self.ended_at = time.monotonic()
            self.ended.set()

    def _tell(self, name: str, instead_of: str, data: dict[str, object]) -> None:
        self._log.add(name, _line(data), instead_of=instead_of or None)


class Runs:
    """The runs of a server by tenant and id; belongs to the event loop."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], Run] = {}

    def new(self, tenant: str, session: str, tool: str) -> Run:
        """A run that is not started yet."""
        self._prune(tenant)
        run = Run(tenant, session, tool)
        self._runs[tenant, run.id] = run
        return run

    def find(self, tenant: str, name: str) -> Run | None:
        """A run of a tenant."""
        return self._runs.get((tenant, name))

    def get(self, tenant: str, name: str) -> Run:
        """A run of a tenant; NotFoundError for one that is unknown, forgotten, or another tenant's."""
        run = self.find(tenant, name)
        if run is None:
            raise NotFoundError("there is no such run", hint=_FORGOTTEN)
        return run

    def cancel(self) -> None:
        """Ask all runs to stop; may be called from any thread once the server is closing."""
        for run in list(self._runs.values()):
            run.cancel()

    def discard(self, run: Run) -> None:
        """Forget a run."""
        self._runs.pop((run.tenant, run.id), None)

    def _prune(self, tenant: str) -> None:
        now = time.monotonic()
        ended = [run for run in self._runs.values() if run.ended_at is not None]
        own = [run for run in ended if run.tenant == tenant]
        old = [run for run in ended if run.ended_at is not None and now - run.ended_at > _KEPT]
        for run in [*old, *own[: max(0, len(own) - _MOST_ENDED + 1)]]:
            self.discard(run)


def _line(data: object) -> str:
    """Data as one line of JSON."""
    return json.dumps(data, separators=(",", ":"))
