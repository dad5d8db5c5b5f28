"""Carrying arrays to and from a server, each once, and looking at what arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TypeVar

from sightline_runtime.errors import EngineError, InputError, NotFoundError
from sightline_runtime.transport.client import Transport
from sightline_runtime.wire.arrays import Array, decode, encode

T = TypeVar("T")

_AT_ONCE = 8
_SMALL = 64 * 2**10
"""Bytes: what is larger is packed and unpacked in a thread, so that other streams go on meanwhile."""


class Carrier:
    """Brings and fetches arrays by digest."""

    def __init__(self, transport: Transport) -> None:
        self._transport, self._places = transport, asyncio.Semaphore(_AT_ONCE)

    async def bring(self, arrays: Mapping[str, Array]) -> None:
        """Give arrays to the server."""
        await _together(self._put(digest, array) for digest, array in arrays.items())

    async def fetch(self, digests: Iterable[str]) -> dict[str, Array]:
        """The arrays of digests; EngineError if the server does not have one, or gives something else."""
        names = tuple(digests)
        found = await _together(self._get(digest) for digest in names)
        return dict(zip(names, found, strict=True))

    async def _put(self, digest: str, array: Array) -> None:
        async with self._places:
            media, body = await _packed(array.nbytes, lambda: encode(array))
            await self._transport.send("PUT", _path(digest), body=body, media=media)

    async def _get(self, digest: str) -> Array:
        async with self._places:
            try:
                reply = await self._transport.send("GET", _path(digest))
            except NotFoundError as error:
                raise EngineError("the server let go of the result", hint="call again") from error
            media = reply.headers.get("content-type", "")
            try:
                return await _packed(len(reply.body), lambda: decode(media, reply.body, named=digest))
            except InputError as error:
                raise EngineError(
                    f"the server's array is damaged: {error.message}", hint="call again"
                ) from error


def _path(digest: str) -> str:
    return f"/v1/runtime/arrays/{digest}"


async def _packed(size: int, work: Callable[[], T]) -> T:
    return work() if size <= _SMALL else await asyncio.to_thread(work)


async def _together(work: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """All results in order; the first failure ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
