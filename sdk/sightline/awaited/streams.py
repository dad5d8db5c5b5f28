"""The streams of a session for `async for`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING

from sightline.chat.streams import Streams
from sightline.streaming import Events, StreamEvent

if TYPE_CHECKING:
    pass

from sightline.awaited.base import awaited


class AsyncStreams:
    """The streams of a session, for `async for`; a call is checked when its first event is asked for."""

    def __init__(self, stream: Streams) -> None:
        self._stream = stream

    def generate(
        self, prompt: str, *, seed: int | None = None, preview_every: int = 4, **options: object
    ) -> AsyncIterator[StreamEvent]:
        """Draw; options are those of `Session.generate`."""
        return stepped(
            partial(self._stream.generate, prompt, seed=seed, preview_every=preview_every, **options)
        )

    def edit(
        self,
        image: object,
        instruction: str,
        *,
        seed: int | None = None,
        preview_every: int = 4,
        **options: object,
    ) -> AsyncIterator[StreamEvent]:
        """Edit; options are those of `Session.edit`."""
        return stepped(
            partial(self._stream.edit, image, instruction, seed=seed, preview_every=preview_every, **options)
        )

    def understand(self, image: object, question: str, **options: object) -> AsyncIterator[StreamEvent]:
        """Answer; options are those of `Session.understand`."""
        return stepped(partial(self._stream.understand, image, question, **options))

    def chat(
        self, message: str, images: object = (), *, preview_every: int = 4, **options: object
    ) -> AsyncIterator[StreamEvent]:
        """Say something: its calls, their progress, and its words; options are those of `Session.chat`."""
        return stepped(partial(self._stream.chat, message, images, preview_every=preview_every, **options))


async def stepped(start: Callable[[], Events]) -> AsyncIterator[StreamEvent]:
    """Take each event in a thread; leaving early closes the stream and so cancels the work."""
    events = await awaited(start)
    try:
        while (event := await asyncio.to_thread(next, events, None)) is not None:
            yield event
    finally:
        await asyncio.to_thread(events.close)
