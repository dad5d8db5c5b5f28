"""Streams in OpenAI's form: server-sent events without offsets, errors as an event of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse

from sightline.errors import CancelledError, SightlineError
from sightline.server.event_stream import frame
from sightline.server.problems import body_of

T = TypeVar("T")

_LOOK = 0.1
"""Seconds between two looks whether the client is still there."""


def data(value: Mapping[str, object], name: str = "") -> bytes:
    """One event; chat has no names of events."""
    text = json.dumps(value, separators=(",", ":"))
    return frame("", name, text) if name else f"data: {text}\n\n".encode()


async def streamed(request: Request, frames: AsyncGenerator[bytes]) -> StreamingResponse:
    """A response of frames. What fails before the first one is an error with its own status."""
    first = await _first(request, frames)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_rest(first, frames), media_type="text/event-stream", headers=headers)


async def _first(request: Request, frames: AsyncGenerator[bytes]) -> bytes:
    """Wait for the first frame as long as the client does."""
    waiting = asyncio.ensure_future(anext(frames))
    try:
        while not (await asyncio.wait({waiting}, timeout=_LOOK))[0]:
            if await request.is_disconnected():
                raise CancelledError("the client went away")
        return waiting.result()
    finally:
        waiting.cancel()


async def _rest(first: bytes, frames: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for each in frames:
            yield each
    except SightlineError as error:  # the status is sent already
        yield data(body_of(error))
    finally:
        await frames.aclose()
