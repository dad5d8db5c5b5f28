"""MCP over HTTP: one address of the served application, with the same keys and limits as its routes.

The protocol of 2026-07-28 is one request, one response; its cancel is the closing of
the response. Clients of older protocols say `initialize` first and get a transport
session, in which nothing of ours is kept: sessions of pictures are named in every call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from sightline.errors import BusyError, ForbiddenError, UnauthorizedError
from sightline.server.access import Caller, caller_of
from sightline.server.deadlines import limit_of
from sightline.server.house import House
from sightline.server.mcp_server import create_mcp
from sightline.server.mcp_tools import Client

_IDLE = 600.0
"""Seconds after which the transport session of an older client is forgotten; it then begins another."""
_MOST = 64
"""Transport sessions of older clients at a time, for each key."""
_LOOK = 0.2
"""Seconds between two looks whether the server is closing."""
_MESSAGE = 2**20
"""Bytes of one message: pictures are named, never sent along."""


class Door:
    """The ASGI application at /mcp; serves while `running`.

    `?previews=no` and `?structured=no` leave these parts out of results, for clients that
    cannot take them.
    """

    def __init__(self, house: House) -> None:
        self._house, self._server = house, create_mcp(house, self._client)
        self._tasks: TaskGroup | None = None
        self._lock = anyio.Lock()
        self._managers: dict[str, StreamableHTTPSessionManager] = {}

    @asynccontextmanager
    async def running(self, _: object = None) -> AsyncIterator[None]:
        """Take requests as long as the block lasts; for the lifespan of an application."""
        async with anyio.create_task_group() as self._tasks:
            yield
            self._tasks.cancel_scope.cancel()
        self._tasks = None
        self._managers.clear()

    async def _manager(self, owner: str, tasks: TaskGroup) -> StreamableHTTPSessionManager:
        """The transport sessions of a key, which leave no others' without room."""
        async with self._lock:
            if owner not in self._managers:
                manager = StreamableHTTPSessionManager(
                    self._server,
                    session_idle_timeout=_IDLE,
                    max_sessions=_MOST,
                    max_request_body_size=min(_MESSAGE, self._house.settings.max_body),
                )
                await tasks.start(_keep, manager)
                self._managers[owner] = manager
            return self._managers[owner]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; ForbiddenError or UnauthorizedError where the caller may not."""
        connection = HTTPConnection(scope)
        caller = _caller(connection)
        if self._tasks is None:
            raise BusyError("the server is not ready", hint="come again")
        # a transport session of an older client belongs to the key that began it
        owner = f"{caller.tenant}/{caller.key}"
        token = AccessToken(token="", client_id=owner, scopes=[])
        manager = await self._manager(owner, self._tasks)
        serve = partial(manager.handle_request, {**scope, "user": AuthenticatedUser(token)}, receive)
        await (self._until_closing(serve, send) if scope["method"] == "GET" else serve(send))

    def _client(self, context: ServerRequestContext[Any, Any]) -> Client:
        """Who makes a call, from the HTTP request that it came with, and what results he wants."""
        request = context.request
        if not isinstance(request, HTTPConnection):
            raise UnauthorizedError("the call came without its request", hint="call again")
        return Client(
            _caller(request).tenant,
            previews=_wants(request.query_params, "previews"),
            structured=_wants(request.query_params, "structured"),
            patience=limit_of(request, self._house.settings.call_timeout),
        )

    async def _until_closing(self, serve: Callable[[Send], Awaitable[None]], send: Send) -> None:
        """Serve the stream that an older client keeps open; it ends when the server begins to close."""
        last: Message = {}

        async def noted(message: Message) -> None:
            nonlocal last
            last = message
            await send(message)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, tasks.cancel_scope)
            await serve(noted)
            tasks.cancel_scope.cancel()
        if last.get("type") == "http.response.start" or last.get("more_body"):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watch(self, stream: anyio.CancelScope) -> None:
        while self._house.crew.open:
            await anyio.sleep(_LOOK)
        stream.cancel()


async def _keep(manager: StreamableHTTPSessionManager, *, task_status: TaskStatus[None]) -> None:
    """Keep transport sessions until the server ends."""
    async with manager.run():
        task_status.started()
        await anyio.sleep_forever()


def _wants(wanted: QueryParams, part: str) -> bool:
    return wanted.get(part, "yes").lower() not in ("no", "off", "false", "0")


def _caller(connection: HTTPConnection) -> Caller:
    caller = caller_of(connection)
    if "sessions" not in caller.scopes:
        raise ForbiddenError("this key may not use sessions", hint="ask for a key with that scope")
    return caller
