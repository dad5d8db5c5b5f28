"""Blocking work behind an MCP request: its progress is told while it runs, and cancelling it ends it.

The protocol's cancel (a notification, or the closing of the response) arrives as the
cancelling of the task that waits here; what runs in the thread is told at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from sightline.errors import CancelledError, DeadlineError
from sightline.server.work import Crew
from sightline.tree.cancelling import Cancellation
from sightline_runtime.protocol import Event, Progress

T = TypeVar("T")

Tell = Callable[[float, float | None, str], Awaitable[None]]
"""Sends (progress, total, message) to the client; does nothing if he asked for none."""


class Meter:
    """One number that only rises, from the events of stage after stage.

    `done` and `total` are in units of the stages so far; `total` grows when another stage
    begins, as nobody knows the stages of a tool before it runs.
    """

    def __init__(self) -> None:
        self.done, self.total, self.message = 0, 0, ""
        self._before, self._stage = 0, ""

    def add(self, event: Event) -> bool:
        """Take an event in; whether the number rose."""
        if not isinstance(event, Progress):
            return False
        if event.stage != self._stage or self._before + event.done < self.done:
            self._before, self._stage = self.total, event.stage
        self.total = max(self.total, self._before + event.total)
        self.message = f"{event.stage}: {event.done} of {event.total}"
        rose = self._before + event.done > self.done
        self.done = max(self.done, self._before + event.done)
        return rose


class Told:
    """What the working thread has to tell, handed to the loop; only the newest is kept."""

    def __init__(self) -> None:
        self._loop, self._meter = asyncio.get_running_loop(), Meter()
        self._changed = asyncio.Event()
        self._newest: tuple[float, float | None, str] | None = None

    def watch(self, event: Event) -> None:
        """Take an event of a stage in, from any thread."""
        if self._meter.add(event):
            self.say(self._meter.message, self._meter.done, self._meter.total)

    def say(self, message: str, done: float = 0.0, total: float | None = None) -> None:
        """Tell something, from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._put, (done, total, message))
        except RuntimeError:  # the loop is closed: nobody listens any more
            return

    def _put(self, newest: tuple[float, float | None, str] | None) -> None:
        self._newest = newest or self._newest
        self._changed.set()

    async def pass_on(self, tell: Tell, future: asyncio.Future[T]) -> None:
        """Tell the client whatever comes until the work is done."""
        future.add_done_callback(lambda _: self._put(None))
        while not future.done():
            await self._changed.wait()
            self._changed.clear()
            if self._newest is not None:
                newest, self._newest = self._newest, None
                await tell(*newest)


async def call(crew: Crew, work: Callable[[Told], T], tell: Tell, *, limit: float) -> T:
    """Do blocking work in a thread of the crew; raises BusyError, DeadlineError, or what the work raises."""
    stop, told = Cancellation(), Told()
    future = asyncio.wrap_future(crew.submit(partial(stop.run, partial(work, told))))
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen, if nobody waits
    try:
        async with asyncio.timeout(limit):
            await told.pass_on(tell, future)
        return future.result()
    except TimeoutError:
        raise DeadlineError(f"the call did not end within {limit:g} s", hint="ask for less") from None
    except asyncio.CancelledError:
        if not future.cancelled():
            raise
        raise CancelledError("the server is closing", hint="come again") from None
    finally:
        stop.cancel()  # harmless after the end, as is this: what still waits for a thread never gets one
        future.cancel()
