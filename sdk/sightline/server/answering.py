"""The answer to a request on its way out: safe headers, what it came to, and errors in one form."""

from __future__ import annotations

from starlette.types import Message, Scope, Send

from sightline.errors import DeadlineError, SightlineError
from sightline.server.bodies import Body
from sightline.server.problems import response_of

SAFE: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""Headers of every answer whose route says nothing else: not guessed at, framed, run, or kept."""


class Answer:
    """Hands on an answer, once; `status` is 0 until it begins.

    The fault of a body takes the place of an answer that did not begin, whatever the
    frameworks above made of it.
    """

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope, self._send, self._id = scope, send, request_id
        self.status, self.size = 0, 0
        self.body: Body | None = None
        self._refused = False

    async def send(self, message: Message) -> None:
        """Hand on a message of the application."""
        if self._refused:
            return
        fault = None if self.body is None else self.body.fault
        if fault is not None and self.status == 0:
            await self.refuse(fault, 408 if isinstance(fault, DeadlineError) else None)
            return
        await self._forward(message)

    async def refuse(self, error: SightlineError, status: int | None = None) -> None:
        """Answer with an error, unless an answer began: then there is nothing left to say."""
        if self.status == 0 and not self._refused:
            self._refused = True
            await response_of(error, status)(self._scope, _nothing, self._forward)

    async def _forward(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            there = {name for name, _ in headers}
            headers += [pair for pair in SAFE if pair[0] not in there]
            message = {**message, "headers": [*headers, (b"x-request-id", self._id.encode())]}
        else:
            self.size += len(message.get("body", b""))
        await self._send(message)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
