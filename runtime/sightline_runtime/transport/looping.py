"""An event loop in a thread of its own, to be used from any thread and from any other loop.

One loop owns the connections, so a client may be shared by a notebook, by threads
and by several loops, and a waiting call ends at once when it is cancelled.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import TypeVar

from sightline_runtime.errors import EngineError

T = TypeVar("T")

_BREAK = 0.25
"""Seconds that a result is waited for at a time, so that Ctrl-C is never missed."""
_CLOSING = 5.0
"""Seconds that closing may take."""

Ending = Callable[[], Coroutine[None, None, None]]


class LoopThread:
    """Runs coroutines; stops when it is closed, dropped, or the process ends.

    After a fork the thread is not there any more: the child is told so.
    """

    def __init__(self, name: str, ending: Ending) -> None:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_serve, args=(loop,), name=name, daemon=True)
        thread.start()
        self._loop, self._pid = loop, os.getpid()
        self._stop = weakref.finalize(self, _close, loop, thread, ending, self._pid)

    def start(self, work: Coroutine[None, None, T]) -> Future[T]:
        """Begin work; cancelling the future cancels it. EngineError when closed, or in a forked child."""
        try:
            if os.getpid() != self._pid:
                raise EngineError(
                    "the connection belongs to the process that this one was forked from",
                    hint="connect again in this process",
                )
            if not self._stop.alive:
                raise EngineError("the connection is closed", hint="connect again")
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except BaseException:
            work.close()
            raise

    def wait(self, work: Coroutine[None, None, T]) -> T:
        """Do work and wait for what comes of it; a Ctrl-C meanwhile cancels it."""
        future = self.start(work)
        try:
            while True:
                try:
                    return future.result(_BREAK)
                except TimeoutError:
                    if future.done():
                        raise
        except BaseException:
            future.cancel()
            raise

    def iterate(self, source: AsyncIterator[T]) -> Iterator[T]:
        """The items of an asynchronous iterator, each when it is asked for; leaving early closes it."""
        try:
            while True:
                try:
                    yield self.wait(_next(source))
                except StopAsyncIteration:
                    return
        finally:
            if self._stop.alive:
                self.wait(_closed(source))

    def close(self) -> None:
        """Cancel what runs, and stop; harmless when repeated."""
        self._stop()


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)


async def _closed(source: AsyncIterator[T]) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _close(loop: asyncio.AbstractEventLoop, thread: threading.Thread, ending: Ending, pid: int) -> None:
    """Stop the loop after its last work; a forked child has no such thread and leaves all alone."""
    if os.getpid() != pid or loop.is_closed():
        return
    last = _last(ending)
    try:
        asyncio.run_coroutine_threadsafe(last, loop)
    except RuntimeError:  # it stopped in between
        last.close()
    if threading.current_thread() is not thread:
        thread.join(_CLOSING)


async def _last(ending: Ending) -> None:
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    try:
        others = [task for task in asyncio.all_tasks(loop) if task is not me]
        for task in others:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), _CLOSING / 2)
        await asyncio.wait_for(ending(), _CLOSING / 4)
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()
    finally:
        loop.stop()
