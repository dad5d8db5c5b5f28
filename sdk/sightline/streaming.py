"""The model verbs as streams: events while the work runs, then one `Done` with the result.

A call is checked when the stream is made; the work starts with the first event
that is asked for, in a thread of its own. Leaving the loop early cancels it.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from dataclasses import dataclass
from functools import partial

from sightline.results import Result
from sightline.tree.cancelling import Cancellation
from sightline.tree.execute import Call, Executor
from sightline_runtime.protocol import Event, Preview, Progress, TextDelta


@dataclass(frozen=True)
class Done:
    """The end of a stream: the result."""

    result: Result


StreamEvent = Progress | Preview | TextDelta | Done
_Queue = queue.SimpleQueue[Event | Done | BaseException]


class Events:
    """The events of one call, to iterate; `close` cancels the call, from any thread."""

    def __init__(self, executor: Executor, call: Call) -> None:
        self._queue: _Queue = queue.SimpleQueue()
        self._stop = Cancellation()
        # the thread must not hold this object: dropping the last reference to it ends the work
        work = partial(self._stop.run, partial(_work, executor, call, self._queue))
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(work,), name="sightline-stream", daemon=True)
        self._over = False

    def __iter__(self) -> Events:
        return self

    def __next__(self) -> StreamEvent:
        if self._over:
            raise StopIteration
        if self._thread.ident is None:
            self._thread.start()
        try:
            event = self._queue.get()
            if isinstance(event, BaseException):
                raise event
        except BaseException:
            self.close()
            raise
        self._over = isinstance(event, Done)
        return event

    def close(self) -> None:
        """Cancel the call unless it has ended, and wait until it has."""
        self._over = True
        self._stop.cancel()
        if self._thread.ident is not None:
            self._thread.join()

    def __del__(self) -> None:
        self.close()


def _work(executor: Executor, call: Call, events: _Queue) -> None:
    try:
        events.put(Done(executor.finish(call, events.put)))
    except BaseException as error:  # noqa: BLE001 - handed to the reader, who raises it
        events.put(error)


class Stream:
    """Starts verbs and gives their events."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def generate(
        self, prompt: str, *, seed: int | None = None, preview_every: int = 4, **options: object
    ) -> Events:
        """Draw; options are those of `Session.generate`."""
        return self._events("generate", {"prompt": prompt, "preview_every": preview_every, **options}, seed)

    def edit(
        self,
        image: object,
        instruction: str,
        *,
        seed: int | None = None,
        preview_every: int = 4,
        **options: object,
    ) -> Events:
        """Edit; options are those of `Session.edit`."""
        args = {"image": image, "instruction": instruction, "preview_every": preview_every, **options}
        return self._events("edit", args, seed)

    def understand(self, image: object, question: str, **options: object) -> Events:
        """Answer; options are those of `Session.understand`."""
        return self._events("understand", {"image": image, "question": question, **options})

    def _events(self, tool: str, args: dict[str, object], seed: int | None = None) -> Events:
        return Events(self._executor, self._executor.prepare(tool, args, seed))
