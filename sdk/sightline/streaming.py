"""The model verbs as streams: events while the work runs, then one `Done` with the result.

A call is checked when the stream is made; the work starts with the first event
that is asked for, in a thread of its own. Leaving the loop early cancels it.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sightline.results import Result
from sightline.tree.cancelling import Cancellation
from sightline.tree.execute import Executor
from sightline_runtime.protocol import Event, Preview, Progress, TextDelta


@dataclass(frozen=True)
class Done:
    """The end of a stream: the result."""

    result: Result


@dataclass(frozen=True)
class Calling:
    """In a dialogue the model calls a tool."""

    name: str
    arguments: Mapping[str, object]


StreamEvent = Progress | Preview | TextDelta | Calling | Done
_Queue = queue.SimpleQueue[StreamEvent | BaseException]
Tell = Callable[[Event | Calling], None]


class Events:
    """The events of work that tells them, to iterate; `close` cancels the work, from any thread."""

    def __init__(self, work: Callable[[Tell], Result]) -> None:
        self._queue: _Queue = queue.SimpleQueue()
        self._stop = Cancellation()
        # the thread must not hold this object: dropping the last reference to it ends the work
        stopped = partial(self._stop.run, partial(_work, work, self._queue))
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(stopped,), name="sightline-stream", daemon=True)
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


def _work(work: Callable[[Tell], Result], events: _Queue) -> None:
    try:
        events.put(Done(work(events.put)))
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
        return Events(partial(self._executor.finish, self._executor.prepare(tool, args, seed)))
