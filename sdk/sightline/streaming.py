"""The model verbs as streams: events while the work runs, then one `Done` with the result.

The work runs in a thread of its own; leaving the loop early cancels it.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sightline.results import Result
from sightline_runtime.errors import CancelledError
from sightline_runtime.protocol import Event, Preview, Progress, TextDelta


@dataclass(frozen=True)
class Done:
    """The end of a stream: the result."""

    result: Result


StreamEvent = Progress | Preview | TextDelta | Done


class Run(Protocol):
    """How a session runs a tool."""

    def __call__(
        self,
        tool: str,
        args: dict[str, object],
        *,
        seed: int | None = None,
        watch: Callable[[Event], None] | None = None,
    ) -> Result:
        """Run one tool call."""


class Stream:
    """Runs verbs and yields their events."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def generate(
        self, prompt: str, *, seed: int | None = None, preview_every: int = 4, **options: object
    ) -> Iterator[StreamEvent]:
        """Draw; options are those of `Session.generate`."""
        args = {"prompt": prompt, "preview_every": preview_every, **options}
        return self._events("generate", args, seed)

    def edit(
        self,
        image: object,
        instruction: str,
        *,
        seed: int | None = None,
        preview_every: int = 4,
        **options: object,
    ) -> Iterator[StreamEvent]:
        """Edit; options are those of `Session.edit`."""
        args = {"image": image, "instruction": instruction, "preview_every": preview_every, **options}
        return self._events("edit", args, seed)

    def understand(self, image: object, question: str, **options: object) -> Iterator[StreamEvent]:
        """Answer; options are those of `Session.understand`."""
        return self._events("understand", {"image": image, "question": question, **options}, None)

    def _events(self, tool: str, args: dict[str, object], seed: int | None) -> Iterator[StreamEvent]:
        events: queue.SimpleQueue[Event | Done | BaseException] = queue.SimpleQueue()
        left = threading.Event()

        def watch(event: Event) -> None:
            if left.is_set():
                raise CancelledError("the reader of the stream left")
            events.put(event)

        def work() -> None:
            try:
                events.put(Done(self._run(tool, args, seed=seed, watch=watch)))
            except BaseException as error:  # noqa: BLE001 - handed to the reader, who raises it
                events.put(error)

        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(work,), name="sightline-stream", daemon=True)
        thread.start()
        try:
            while True:
                event = events.get()
                if isinstance(event, BaseException):
                    raise event
                yield event
                if isinstance(event, Done):
                    return
        finally:
            left.set()
            thread.join()
