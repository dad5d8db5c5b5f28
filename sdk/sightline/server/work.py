"""Blocking work behind asynchronous routes: bounded, with a time limit, stopped when the client goes."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

from starlette.requests import Request

from sightline.errors import BusyError, CancelledError, DeadlineError, SightlineError
from sightline.server.deadlines import limit_of
from sightline.server.settings import Settings
from sightline.tree.cancelling import Cancellation

T = TypeVar("T")

_LOOK = 0.02
"""Seconds between two looks whether the last calls ended."""


class Crew:
    """Threads that do calls: so many at a time, so many more waiting, the rest told to come again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(settings.max_running, thread_name_prefix="sightline-serve")
        self._lock = threading.Lock()
        self._there, self._open = 0, True

    @property
    def most_seconds(self) -> float:
        """How long a call may take at most."""
        return self._settings.call_timeout

    @property
    def load(self) -> int:
        """How many calls run or wait."""
        return self._there

    @property
    def running(self) -> int:
        """How many calls have a thread."""
        return min(self._there, self._settings.max_running)

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return self._there - self.running

    @property
    def open(self) -> bool:
        """Whether new calls are taken."""
        return self._open

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do work in a thread, with the context of the caller; BusyError if too many wait already.

        Cancelling the future takes work that still waits out of the row; it does not stop what runs.
        """
        with self._lock:
            if not self._open:
                raise BusyError("the server is closing", hint="come again", retry_after=5.0)
            if self._there >= self._settings.max_running + self._settings.max_waiting:
                raise BusyError("the server is busy", hint="come again", retry_after=1.0)
            self._there += 1
        waits = [work]
        try:
            future = self._pool.submit(contextvars.copy_context().run, _taken, waits)
        except BaseException:
            self._left(waits)
            raise
        future.add_done_callback(lambda _: self._left(waits))
        return future

    def _left(self, waits: list[Callable[[], T]]) -> None:
        waits.clear()  # the pool keeps what was cancelled until a thread is free: let it keep nothing large
        with self._lock:
            self._there -= 1

    def drain(self) -> None:
        """Take no more calls; those that run or wait go on."""
        self._open = False

    def close(self, patience: float | None = None) -> bool:
        """Take no more work, drop what waits, and wait for what runs; gives whether all of it ended."""
        self.drain()
        self._pool.shutdown(wait=patience is None, cancel_futures=True)
        ends = time.monotonic() + (patience or 0.0)
        while self._there and time.monotonic() < ends:
            time.sleep(_LOOK)
        return not self._there


async def run(request: Request, crew: Crew, work: Callable[[], T], *, limit: float | None = None) -> T:
    """Do a blocking call of a request; it is cancelled when the client goes or the time is over.

    `limit` is in seconds; without it, what the client says that he waits, or what the server
    allows. Raises BusyError, DeadlineError, or whatever the work raises.
    """
    limit = limit_of(request, crew.most_seconds if limit is None else limit)
    stop = Cancellation()
    submitted = crew.submit(partial(stop.run, work))
    async with _watched(request, stop, submitted):
        future = asyncio.wrap_future(submitted)
        future.add_done_callback(_seen)
        done, _ = await asyncio.wait({future}, timeout=limit)
        if not done:
            stop.cancel()
            raise DeadlineError(f"the call did not end within {limit:g} s", hint="ask for less")
        try:
            return future.result()
        except asyncio.CancelledError:  # the client went, or the pool was shut down, before the work began
            raise CancelledError("the call was cancelled before it began", hint="come again") from None


async def events(crew: Crew, source: Callable[[], Iterator[T]], *, limit: float) -> AsyncIterator[T]:
    """The events of a blocking iterator, one at a time; leaving early closes it.

    `source` makes the iterator in the thread that reads it. Raises like `run`.
    """

    def work(tell: Callable[[T], None]) -> None:
        for event in source():
            tell(event)

    async with aclosing(told(crew, work, limit=limit)) as stream:
        async for event in stream:
            yield event


async def told(crew: Crew, work: Callable[[Callable[[T], None]], None], *, limit: float) -> AsyncGenerator[T]:
    """What a blocking call tells while it runs, one at a time; leaving early cancels the call.

    Raises like `run`.
    """
    loop, stop = asyncio.get_running_loop(), Cancellation()
    queue: asyncio.Queue[tuple[T] | BaseException | None] = asyncio.Queue()

    def put(item: tuple[T] | BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(queue.put_nowait, item)
        except RuntimeError:  # the loop is closed: nobody listens any more
            stop.cancel()

    def tell(event: T) -> None:
        stop.check()
        put((event,))

    def read() -> None:
        try:
            work(tell)
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the reader, who raises it
            put(error)

    submitted = crew.submit(partial(stop.run, read))
    ends = loop.time() + limit
    try:
        while True:
            try:
                item = await asyncio.wait_for(queue.get(), max(0.0, ends - loop.time()))
            except TimeoutError:
                raise DeadlineError(f"the call did not end within {limit:g} s", hint="ask for less") from None
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        stop.cancel()
        submitted.cancel()


def _taken(waits: list[Callable[[], T]]) -> T:
    """Do the work that waited."""
    return waits.pop()()


def _seen(future: asyncio.Future[T]) -> None:
    """Take note of how work ended that nobody waits for any more; asyncio would complain."""
    if not future.cancelled():
        future.exception()


@asynccontextmanager
async def _watched(request: Request, stop: Cancellation, submitted: Future[T]) -> AsyncIterator[None]:
    """Cancel the work when the client goes away, whether it runs or waits."""

    async def watch() -> None:
        with suppress(SightlineError):  # a body that the route did not read may come too slowly
            while (await request.receive())["type"] != "http.disconnect":
                continue
        end()

    def end() -> None:
        stop.cancel()
        submitted.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        end()  # harmless after the end; on an error nothing goes on behind it
