"""Event streams (server-sent events, WHATWG HTML section 9.2): frames, offsets, pings, and how to go on.

Each event has an id, its offset: who comes again with `Last-Event-ID`, or asks
`?after=`, gets what came after it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

_RETRY = 1000
"""Milliseconds after which a client that lost the stream comes again."""
_PING = b": ping\n\n"
"""A comment, so that nothing in between closes a silent connection."""


def frame(offset: str, name: str, data: str) -> bytes:
    """An event on the wire; `data` is one line, and nobody goes on after an event without an offset."""
    number = f"id: {offset}\n" if offset else ""
    return f"{number}event: {name}\ndata: {data}\n\n".encode()


def offset_of(request: Request, after: str | None) -> str:
    """After which offset a client goes on: its `Last-Event-ID`, which a browser sends, or what it asks."""
    return request.headers.get("last-event-id", "").strip() or (after or "").strip()


def streamed(frames: AsyncIterator[bytes | None]) -> StreamingResponse:
    """A response of frames; None is a ping."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_bytes(frames), media_type="text/event-stream", headers=headers)


async def _bytes(frames: AsyncIterator[bytes | None]) -> AsyncIterator[bytes]:
    yield f"retry: {_RETRY}\n\n".encode()
    async for each in frames:
        yield _PING if each is None else each
