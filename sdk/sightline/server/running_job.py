"""One job of a client on the runtime: done once, in a thread of the crew, watched by whoever comes.

A client that goes away and does not come back within a grace time has cancelled.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from sightline.errors import (
    CancelledError,
    DeadlineError,
    EngineError,
    ModelError,
    NotFoundError,
    SightlineError,
)
from sightline.server.array_shelf import ArrayShelf, Held
from sightline.server.event_log import Entry, EventLog
from sightline.server.problems import body_of
from sightline.server.work import Crew
from sightline.tree import cancelling
from sightline.tree.cancelling import Cancellation
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    FeatureRequest,
    Job,
    Preview,
    Runtime,
    TextRequest,
)
from sightline_runtime.wire.answers import Result, event_data, result_data
from sightline_runtime.wire.arrays import Array
from sightline_runtime.wire.requests import JobForm, Request, request_of

GRACE = 10.0
"""Seconds that a job runs on while nobody watches it."""

_log = logging.getLogger("sightline.server")


class RunningJob:
    """One job: its form, the arrays that it holds, and the log of its events.

    All but the work itself belongs to one event loop. `limit` is how many seconds it may take,
    `on_end` is called when its outcome is there.
    """

    def __init__(
        self, form: JobForm, inputs: Mapping[str, Held], *, limit: float, on_end: Callable[[], None]
    ) -> None:
        self.form, self.log = form, EventLog()
        self._inputs, self._outputs, self._on_end = inputs, list[Held](), on_end
        self._loop, self._stop = asyncio.get_running_loop(), Cancellation()
        asked = limit if form.deadline is None else min(limit, form.deadline)
        self._late = self._loop.call_later(max(0.0, asked), self._expire, asked)
        self._alone: asyncio.TimerHandle | None = self._loop.call_later(GRACE, self.cancel)
        self._watchers, self._future = 0, Future[None]()

    def begin(self, crew: Crew, runtime: Runtime, shelf: ArrayShelf) -> None:
        """Have the crew do it; BusyError if too many wait."""
        arrays = {digest: held.array for digest, held in self._inputs.items()}
        request = request_of(self.form.request, arrays, deadline=self.form.deadline)
        try:
            self._future = crew.submit(partial(self._stop.run, partial(self._work, runtime, request, shelf)))
        except BaseException:
            self.cancel()
            raise

    # --- in the loop -------------------------------------------------------------------------

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count a client that follows the job; when the last one leaves, its grace time begins."""
        self._watchers += 1
        self._accompany()
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers and not self.log.ended:
                self._alone = self._loop.call_later(GRACE, self.cancel)

    def _accompany(self) -> None:
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None

    def entries(self, after: int) -> AsyncIterator[Entry | None]:
        """The events behind an offset, until the outcome; NotFoundError if there never was such an event."""
        if not 0 <= after <= len(self.log):
            raise NotFoundError(f"the job has no event {after}", hint=f"its last one is {len(self.log)}")
        return self.log.after(after)

    def cancel(self) -> None:
        """Stop the work; harmless after the end."""
        self._fail(CancelledError("the call was cancelled"))

    def _expire(self, limit: float) -> None:
        self._fail(DeadlineError(f"not done within {limit:g} s", hint="give more time or fewer steps"))

    def _fail(self, error: SightlineError) -> None:
        self._end("error", body_of(error), {}, None)

    def _event(self, name: str, data: Mapping[str, object], picture: int | None) -> None:
        self.log.add(name, json.dumps(data), instead_of=picture)

    def _end(
        self, name: str, data: Mapping[str, object], arrays: Mapping[str, Array], shelf: ArrayShelf | None
    ) -> None:
        """Write the outcome, unless there is one already, and let go of what only the work needed."""
        if self.log.ended:
            return
        self._outputs = [shelf.put(digest, array) for digest, array in arrays.items()] if shelf else []
        self.log.add(name, json.dumps(data), last=True)
        self._inputs = {}
        self._late.cancel()
        self._accompany()
        self._stop.cancel()
        self._future.cancel()
        self._on_end()

    @property
    def weight(self) -> int:
        """Bytes of the arrays that its outcome holds."""
        return sum(held.weight for held in self._outputs)

    # --- in a thread of the crew -------------------------------------------------------------

    def _work(self, runtime: Runtime, request: Request, shelf: ArrayShelf) -> None:
        try:
            data, arrays = result_data(self._followed(runtime, request))
            self._tell(self._end, "result", data, arrays, shelf)
        except SightlineError as error:
            self._tell(self._fail, error)
        except Exception as error:  # noqa: BLE001 - a client is always told how its job ended
            _log.error("a job failed: %s", type(error).__name__)  # its message may quote a client
            self._tell(self._fail, EngineError("the engine failed", hint="try again; please report it"))

    def _followed(self, runtime: Runtime, request: Request) -> Result:
        """The result of the runtime's own job, whose events are passed on."""
        believed, found = self.form.fingerprint, runtime.info.fingerprint
        if believed != found:
            raise ModelError(
                f"the server runs the model {found[:12]}, not {believed[:12]} as this client believes",
                hint="connect again to work with the new one",
            )
        job: Job[Any] = _started(runtime, request)
        with cancelling.current().covering(job):
            for event in job:
                picture = event.index if isinstance(event, Preview) else None
                self._tell(self._event, *event_data(event), picture)
            return cast(Result, job.result())

    def _tell(self, *what: object) -> None:
        """Have something done in the loop; without one nobody waits for the work any more."""
        try:
            self._loop.call_soon_threadsafe(*what)  # type: ignore[arg-type]  # a method and its arguments
        except RuntimeError:
            self._stop.cancel()


def _started(runtime: Runtime, request: Request) -> Job[Any]:
    match request:
        case TextRequest():
            return runtime.generate_text(request)
        case FeatureRequest():
            return runtime.generate_features(request)
        case DecodeRequest():
            return runtime.decode_features(request)
        case EmbedRequest():
            return runtime.embed_images(request)
