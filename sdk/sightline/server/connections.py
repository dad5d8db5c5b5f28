"""One connection: uvicorn's, with the timers and the manners that an open port needs.

Uvicorn waits for the head of a request as long as its client likes, keeps a connection
whose client reads nothing, and answers what is no HTTP in plain text. Here every state in
which the other side has to do something ends by itself.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from typing import Any, Literal, cast

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sightline.errors import BusyError, DeadlineError, InputError, SightlineError
from sightline.server.problems import body_of, headers_of, response_of
from sightline.server.settings import Settings

_LINGER = 2.0
"""Seconds in which a client may still send what nobody reads, or take what he was sent, before the end."""

_FULL = BusyError("the server has too many connections", hint="come again", retry_after=1.0)


class Connection(H11Protocol):
    """What a client may keep us waiting for: a head, the rest of a body, the taking of an answer."""

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(**given)
        self.access_log = False  # uvicorn's holds paths and queries
        self._settings = settings
        self._awaited: Literal["head", "rest"] | None = None
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head; one connection too many is told so, far too many are cut."""
        super().connection_made(transport)
        # asyncio does so only where the listening socket names its protocol; without it the
        # second half of an answer waits 40 ms for the client to confirm the first
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        most = self._settings.max_connections
        if len(self.connections) > 2 * most:
            transport.abort()
        if len(self.connections) > most:
            self.app = cast(Any, _full)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        super().connection_lost(exc)
        for timer in (self._late, self._stuck):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Take bytes, then look what is still to come."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """An answer ended: the next request may come, or the rest of this one is thrown away."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """The client does not take what it is sent: it is cut off if that goes on."""
        super().pause_writing()
        self._stuck = self.loop.call_later(self._settings.body_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """The client takes again."""
        super().resume_writing()
        if self._stuck is not None:
            self._stuck.cancel()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also if its client never took the last answer."""
        super().timeout_keep_alive_handler()
        self._stuck = self.loop.call_later(_LINGER, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, with the status that the parser has for it."""
        fault = sys.exception()
        status = fault.error_status_hint if isinstance(fault, h11.RemoteProtocolError) else 400
        self._end(InputError("this is no HTTP request", hint="is its head too large or cut short?"), status)

    def _watch(self) -> None:
        """Set the timer for what is awaited now, unless it runs already."""
        awaited = self._awaits()
        if awaited == self._awaited:
            return
        self._awaited = awaited
        if self._late is not None:
            self._late.cancel()
        waits: dict[str, tuple[float, Callable[[], None]]] = {
            "head": (self._settings.header_timeout, self._no_head),
            "rest": (_LINGER, self.transport.abort),
        }
        self._late = self.loop.call_later(*waits[awaited]) if awaited else None

    def _awaits(self) -> Literal["head", "rest"] | None:
        if self.transport.is_closing():
            return None
        if self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            return "head"
        answered = self.cycle is not None and self.cycle.response_complete
        return "rest" if answered and self.conn.their_state is h11.SEND_BODY else None

    def _no_head(self) -> None:
        self._end(DeadlineError("the head of the request comes too slowly", hint="send it faster"), 408)

    def _end(self, error: SightlineError, status: int) -> None:
        """Answer with an error if nothing was answered yet, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.transport.is_closing():
            body = json.dumps(body_of(error, status=status)).encode()
            told = {
                "content-type": "application/json",
                "content-length": str(len(body)),
                "connection": "close",
            }
            headers = [(name.encode(), value.encode()) for name, value in (told | headers_of(error)).items()]
            for event in (
                h11.Response(status_code=status, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._stuck = self.loop.call_later(_LINGER, self.transport.abort)


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer that there are too many connections, and close this one."""
    response = response_of(_FULL, 503)
    response.headers["connection"] = "close"
    await response(scope, receive, send)
