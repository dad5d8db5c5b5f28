"""The body of a request on its way in: counted, and given up when it comes too slowly."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from sightline.errors import DeadlineError, InputError, TooLargeError
from sightline.server.settings import Settings

_SLOWEST = 16 * 2**10
"""Bytes a second that a body comes at least with, once its first piece was waited for."""


class Body:
    """Hands on a request's body and remembers why it did not, which the frameworks above forget."""

    def __init__(self, receive: Receive, headers: Headers, settings: Settings) -> None:
        self._receive, self._settings = receive, settings
        self._come, self._since = 0, asyncio.get_running_loop().time()
        told = headers.get("content-length")
        self._ended = told in (None, "0") and "transfer-encoding" not in headers
        self.fault: InputError | DeadlineError | None = None
        if told is not None and int(told) > settings.max_body:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next piece; TooLargeError or DeadlineError end it."""
        if self.fault is not None:
            raise self.fault
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._latest()):
                message = await self._receive()
        except TimeoutError:
            self.fault = DeadlineError("the body of the request comes too slowly", hint="send it faster")
            raise self.fault from None
        self._count(message)
        return message

    def _latest(self) -> float:
        """When the next piece must be here: slow pieces use up what quick ones left."""
        now, whole = asyncio.get_running_loop().time(), self._since + self._come / _SLOWEST
        return min(now, whole) + self._settings.body_timeout

    def _count(self, message: Message) -> None:
        self._come += len(message.get("body", b""))
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        if self._come > self._settings.max_body:
            self.fault = self._too_large()
            raise self.fault

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"the request is larger than {self._settings.max_body:,} bytes", hint="send less at a time"
        )
