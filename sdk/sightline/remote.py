"""The model elsewhere, or awaited: `connect` to a server's, and `AsyncRuntime` for asyncio over any.

gpu = sl.connect("http://gpu:8000", api_key="…")
with sl.Session("cats.sightline", runtime=gpu) as s:
    s.generate("a red star")
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import AsyncIterator, Callable, Generator
from functools import partial
from typing import Any, Generic

from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    EmbedResult,
    Event,
    FeatureRequest,
    FeatureResult,
    Job,
    PixelResult,
    R,
    Runtime,
    RuntimeInfo,
    TextRequest,
    TextResult,
)

KEY = "SIGHTLINE_API_KEY"
"""The environment variable of the key."""


def connect(
    url: str,
    *,
    api_key: str | None = None,
    timeout: float = 60.0,
    connections: int = 64,
    tries: int = 5,
) -> Runtime:
    """Connect to the model of a server that `sightline serve` runs: a runtime like a loaded one.

    `api_key` defaults to SIGHTLINE_API_KEY. `timeout` is how many seconds the server may be
    silent, `connections` how many are open at most; what fails in passing is tried `tries`
    times. Close it when done. Raises InputError for an address that cannot be,
    EngineError if nobody answers there, UnauthorizedError or ForbiddenError for the key.
    """
    from sightline_runtime.remote.runtime import RemoteRuntime

    key = os.environ.get(KEY) or None if api_key is None else api_key
    return RemoteRuntime(url, api_key=key, timeout=timeout, connections=connections, tries=tries)


class AsyncRuntime:
    """Any runtime for asyncio: its jobs are awaited for their result, and iterated for their events.

    art = sl.AsyncRuntime(sl.connect("http://gpu:8000"))
    answer = await art.generate_text(request)
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @property
    def info(self) -> RuntimeInfo:
        """What the runtime is and can do."""
        return self._runtime.info

    def generate_text(self, request: TextRequest) -> AsyncJob[TextResult]:
        """Answer in text, or score choices."""
        return AsyncJob(partial(self._runtime.generate_text, request))

    def generate_features(self, request: FeatureRequest) -> AsyncJob[FeatureResult]:
        """Make the CLIP features of pictures."""
        return AsyncJob(partial(self._runtime.generate_features, request))

    def decode_features(self, request: DecodeRequest) -> AsyncJob[PixelResult]:
        """Paint features as pixels."""
        return AsyncJob(partial(self._runtime.decode_features, request))

    def embed_images(self, request: EmbedRequest) -> AsyncJob[EmbedResult]:
        """Give the CLIP features of pictures."""
        return AsyncJob(partial(self._runtime.embed_images, request))

    async def close(self) -> None:
        """Close the runtime."""
        await asyncio.to_thread(self._runtime.close)


class AsyncJob(Generic[R]):
    """Work under way: `await` it for its result, `async for` it for its events, or cancel it.

    It starts at once, in a thread of its own. A cancelled await cancels the work; leaving
    a loop over its events does not. Belongs to the event loop that it was made in.
    """

    def __init__(self, start: Callable[[], Job[R]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._result: asyncio.Future[R] = self._loop.create_future()
        self._lock, self._cancelled = threading.Lock(), False
        self._job: Job[R] | None = None
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._follow, start), name="sightline-async", daemon=True).start()

    def __await__(self) -> Generator[Any, None, R]:
        return self._awaited().__await__()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            yield event
        self._events.put_nowait(None)  # a second reader ends too
        await self._awaited()

    def cancel(self) -> None:
        """Ask for the work to stop; harmless when repeated or after the end."""
        with self._lock:
            self._cancelled = True
            if self._job is not None:
                self._job.cancel()

    async def _awaited(self) -> R:
        try:
            return await asyncio.shield(self._result)
        except asyncio.CancelledError:
            self.cancel()
            raise

    def _follow(self, start: Callable[[], Job[R]]) -> None:
        try:
            job = self._started(start)
            for event in job:
                self._tell(self._events.put_nowait, event)
            self._tell(self._end, job.result(), None)
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits
            self._tell(self._end, None, error)

    def _started(self, start: Callable[[], Job[R]]) -> Job[R]:
        job = start()
        with self._lock:
            self._job = job
            if self._cancelled:
                job.cancel()
        return job

    def _end(self, result: R | None, error: BaseException | None) -> None:
        if error is not None:
            self._result.set_exception(error)
            self._result.exception()  # nobody has to await a job that failed
        elif result is not None:
            self._result.set_result(result)
        self._events.put_nowait(None)

    def _tell(self, what: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:  # the loop is closed: nobody listens any more
            self.cancel()
