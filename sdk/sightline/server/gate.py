"""The gate: what every request passes before any route sees it, and what is told of it afterwards.

In order: under which name and from which page it comes, whose key it has, what that key
has left, how large it is. What a route did not expect ends here too. One line a request
goes to the log, made of nothing that a client wrote but the method.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from sightline.errors import EngineError, SightlineError, TooLargeError
from sightline.server.access import key_of
from sightline.server.answering import Answer
from sightline.server.bodies import Body
from sightline.server.hosts import check_host, check_origin
from sightline.server.house import House
from sightline.server.limits import Limits

log = logging.getLogger("sightline.server")

FREE = frozenset({"/healthz", "/readyz", "/openapi.json"})
"""Paths that need no key: whether the server lives, and what it can be asked."""

_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_GONE = 499


class Gate:
    """ASGI middleware around all routes of a house."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app, self._house, self._limits = app, house, Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection, started = HTTPConnection(scope), time.perf_counter()
        request_id = _request_id(connection)
        answer = Answer(scope, send, request_id)
        try:
            _check_head(scope, self._house.settings.max_headers)
            with self._entered(connection):
                answer.body = Body(receive, connection.headers, self._house.settings)
                await self._app(scope, answer.body.receive, answer.send)
        except SightlineError as error:
            await answer.refuse(error)
        except ClientDisconnect:
            answer.status = answer.status or _GONE
        except Exception as error:  # noqa: BLE001 - nothing that a client sends may end the server
            _tell(error, request_id)
            await answer.refuse(EngineError("the server failed", hint=f"its log tells why, at {request_id}"))
        finally:
            self._note(scope, answer, time.perf_counter() - started, request_id)

    @contextmanager
    def _entered(self, connection: HTTPConnection) -> Iterator[None]:
        """Check where a request comes from and whose it is; counted with its key as long as it lasts."""
        house = self._house
        check_host(connection, house.settings, open_to_all=house.keys.open)
        check_origin(connection, house.settings)
        key = None if connection.scope["path"] in FREE else key_of(connection, house.keys)
        if key is None:
            yield
            return
        with self._limits.taken(key):
            yield

    def _note(self, scope: Scope, answer: Answer, seconds: float, request_id: str) -> None:
        method, route = scope["method"] if scope["method"] in _METHODS else "OTHER", _template(scope)
        log.info("%s %s %d %.1f ms %s", method, route, answer.status, 1000 * seconds, request_id)
        self._house.metrics.answered(method, route, answer.status, seconds, answer.size)


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _check_head(scope: Scope, most: int) -> None:
    """Refuse a head that came in one piece; one that comes in several is ended while it is read."""
    size = len(scope.get("raw_path", b"")) + len(scope["query_string"])
    if size + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > most:
        raise TooLargeError(f"the head of the request is larger than {most:,} bytes", hint="send less in it")


def _request_id(connection: HTTPConnection) -> str:
    """The id that a client gave, if it is a plain one, or a new one."""
    given = connection.headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def _template(scope: Scope) -> str:
    """The route's own path, with names where a client wrote something."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "unknown"


def _tell(error: Exception, request_id: str) -> None:
    """Log what a route did not expect: where, but not the message, which may quote a client."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
    log.error("%s in %s at %s", type(error).__name__, request_id, where)
