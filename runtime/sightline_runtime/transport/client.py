"""Transport: HTTP to one server. The only file that knows which library speaks it.

It works on a loop of its own thread: `wait` for it from threads, or await what `start`
gives on another loop. Every wait is bounded; whatever fails is an error of the tree.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx

from sightline_runtime.errors import EngineError, InputError, SightlineError
from sightline_runtime.transport.faults import Transient, fault, unreachable
from sightline_runtime.transport.looping import LoopThread
from sightline_runtime.transport.retrying import attempts
from sightline_runtime.transport.sse import Parser, ServerEvent

JSON = "application/json"

_SILENCE = 45.0
"""Seconds without a byte after which a stream is dead: a server pings three times as often."""
_LARGEST = 512 * 2**20
"""Bytes: no answer may be larger, no event of a stream half as large."""
_KEY = frozenset(map(chr, range(33, 127)))
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class Reply:
    """A whole answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """The body as JSON data; EngineError if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise EngineError(
                "the answer is not JSON", hint="is this the address of the right server?"
            ) from error


class Answer:
    """An answer that is still coming."""

    def __init__(self, response: httpx.Response, place: str) -> None:
        self._response, self._place = response, place
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> Reply:
        """Wait for all of it."""
        body = bytearray()
        async for piece in self._pieces():
            body += piece
            if len(body) > _LARGEST:
                raise EngineError("the answer is too large", hint="is this the address of the right server?")
        return Reply(self.status, self.headers, bytes(body))

    async def events(self) -> AsyncIterator[ServerEvent]:
        """Its server-sent events; ends where the stream ends, raises Transient where it breaks."""
        parser = Parser()
        async for piece in self._pieces():
            for event in parser.feed(piece):
                yield event
            if parser.held > _LARGEST // 2:
                raise EngineError("an event is too large", hint="is this the address of the right server?")

    async def fault(self) -> SightlineError | Transient:
        """What it means, being no success."""
        reply = await self.read()
        return fault(reply.status, reply.headers, reply.body)

    async def _pieces(self) -> AsyncIterator[bytes]:
        with _mapped(self._place):
            async for piece in self._response.aiter_bytes():
                yield piece


class Transport(LoopThread):
    """HTTP to one server.

    `api_key` is sent as a bearer token. `timeout` is how many seconds a server may be silent
    before it answers, `connect` how many a connection may take. At most `connections` are
    open at a time, and a request that fails in passing is tried `tries` times.
    Raises InputError for an address or a key that cannot be.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        connect: float = 5.0,
        connections: int = 64,
        tries: int = 5,
    ) -> None:
        base = _base(url)
        self.place = f"{base.scheme}://{base.netloc.decode('ascii')}"
        self._path, self._tries = base.path.rstrip("/"), tries
        self._usual = httpx.Timeout(timeout, connect=connect)
        self._streaming = httpx.Timeout(timeout, connect=connect, read=max(timeout, _SILENCE))
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = httpx.AsyncClient(
            base_url=self.place,
            headers=_headers(api_key),
            timeout=self._usual,
            limits=limits,
            mounts=dict.fromkeys(_HERE),  # this machine is never reached through a proxy
        )
        super().__init__("sightline-transport", self._client.aclose)

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        media: str = JSON,
        repeatable: bool = True,
        within: float | None = None,
    ) -> Reply:
        """The whole answer to a request, tried again where that is safe and may help.

        A request that is not `repeatable` is repeated only if the server cannot have begun
        with it; no attempt begins after `within` seconds. Raises the error that the server
        tells of, EngineError if it cannot be reached, BusyError if it stays busy.
        """
        try:
            async for attempt in attempts(self._tries, within=within, repeatable=repeatable):
                with attempt:
                    async with self.stream(
                        method, path, body=body, media=media, timeout=self._usual
                    ) as answer:
                        return await answer.read()
        except Transient as failure:
            raise failure.error from failure.__cause__
        raise EngineError(f"{self.place} was not asked", hint="allow at least one try")

    async def events(
        self, method: str, path: str, *, body: bytes | None = None, repeatable: bool = True
    ) -> AsyncGenerator[ServerEvent, None]:
        """The events of an answer: tried again like `send` until it begins, and never after that."""
        try:
            async with AsyncExitStack() as stack:
                async for attempt in attempts(self._tries, within=None, repeatable=repeatable):
                    with attempt:
                        answer = await stack.enter_async_context(self.stream(method, path, body=body))
                async for event in answer.events():
                    yield event
        except Transient as failure:
            raise failure.error from failure.__cause__

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        media: str = JSON,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
        timeout: httpx.Timeout | None = None,
    ) -> AsyncIterator[Answer]:
        """An answer that is read as it comes, tried once.

        A status that is neither a success nor in `accept` is raised: as an error of the
        tree, or as Transient if another try may help, as is a connection that breaks.
        """
        sent = {"content-type": media} if body is not None else {}
        asked = self._client.build_request(
            method,
            self._path + path,
            content=body,
            headers=sent | dict(headers or {}),
            timeout=timeout or self._streaming,
        )
        with _mapped(self.place):
            response = await self._client.send(asked, stream=True)
        try:
            answer = Answer(response, self.place)
            if not (response.is_success or response.status_code in accept):
                raise await answer.fault()
            yield answer
        finally:
            await response.aclose()


_HERE = ("all://localhost", "all://127.0.0.1", "all://[::1]")


def _base(url: str) -> httpx.URL:
    """The address of a server."""
    try:
        base = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise InputError("the address cannot be read", hint=_ADDRESS) from error
    if base.scheme not in ("http", "https") or not base.host:
        raise InputError(f"the address is {str(base.copy_with(userinfo=b''))[:200]!r}", hint=_ADDRESS)
    if base.userinfo or base.query or base.fragment:
        raise InputError("the address holds a name, a query or a fragment", hint="give the key as api_key=")
    return base


_ADDRESS = "give an address such as http://gpu:8000"


def _headers(api_key: str | None) -> dict[str, str]:
    """The headers of every request; a wrong key is not shown."""
    headers = {"user-agent": "sightline", "accept-encoding": "identity"}
    if api_key is None:
        return headers
    if not api_key or not _KEY.issuperset(api_key):
        raise InputError("the key is empty or holds characters that no key has", hint="copy it again, whole")
    return headers | {"authorization": f"Bearer {api_key}"}


@contextmanager
def _mapped(place: str) -> Iterator[None]:
    """Give what the library raises as Transient: whether and how a request failed on its way."""
    try:
        yield
    except httpx.TransportError as error:
        raise unreachable(place, error, sent=not isinstance(error, _UNSENT)) from error
    except httpx.HTTPError as error:
        raise EngineError(f"{place} gave an answer that cannot be read: {error}", hint=_ADDRESS) from error
