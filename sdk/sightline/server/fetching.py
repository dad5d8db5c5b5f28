"""Pictures by URL: data URIs always, the network only where a server was told to.

A URL of a client may point into the network that the server stands in. So its host
is resolved once, every address must be a public one, and the connection goes to the
address that was checked: a name that changes its mind in between changes nothing.
Every redirect is checked like the first address.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import SplitResult, urljoin, urlsplit

from sightline.errors import (
    DeadlineError,
    EngineError,
    ForbiddenError,
    InputError,
    SightlineError,
    TooLargeError,
)
from sightline.server.house import House
from sightline.server.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"https": 443, "http": 80}
_REDIRECTS = 3
_PIECE = 64 * 2**10
_CONNECT = 5.0
_DATA = "data:"


class Network:
    """How names become addresses, and addresses connections; tests give their own."""

    def resolve(self, host: str, port: int) -> list[str]:
        """Every address of a name; OSError if it has none."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def connect(self, address: str, port: int, timeout: float) -> socket.socket:
        """A connection to an address."""
        return socket.create_connection((address, port), timeout)


_NETWORK = Network()


async def picture_from(house: House, text: str, *, network: Network = _NETWORK) -> bytes:
    """The bytes of a picture that a data URI holds, or that a URL gives if fetching is on.

    Raises InputError for what is neither, ForbiddenError for a place that may not be asked,
    TooLargeError, DeadlineError, or EngineError if the other side fails.
    """
    if text[: len(_DATA)].lower() == _DATA:
        return decoded(house.settings, text)
    if not house.settings.fetch_images:
        raise ForbiddenError(
            "this server fetches no pictures by URL", hint="send the picture as a data: URI with base64"
        )
    return await asyncio.wrap_future(house.crew.submit(partial(fetch, house.settings, text, network)))


def decoded(settings: Settings, uri: str) -> bytes:
    """The bytes of a data URI with base64; the type that it names is not believed."""
    head, comma, body = uri.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise InputError("the data URI has no base64", hint="say data:image/png;base64,…")
    if len(body) > settings.max_upload * 4 // 3 + 4:
        raise TooLargeError(
            f"the picture is larger than {settings.max_upload:,} bytes", hint="make it smaller"
        )
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("the base64 of the data URI is damaged", hint="encode the file again") from error


def fetch(settings: Settings, url: str, network: Network = _NETWORK) -> bytes:
    """Fetch a picture's bytes from a public place, within limits of size and time."""
    ends = time.monotonic() + settings.fetch_timeout
    for _ in range(_REDIRECTS + 1):
        found = _asked(_Target.of(url, settings, network), settings, network, ends)
        if isinstance(found, bytes):
            return found
        url = urljoin(url, found)
    raise ForbiddenError(f"the URL redirects more than {_REDIRECTS} times", hint="give where it ends")


@dataclass(frozen=True)
class _Target:
    """A place to ask: what stands in the URL, and the addresses that were checked."""

    secure: bool
    host: str
    port: int
    addresses: tuple[str, ...]
    path: str

    @classmethod
    def of(cls, url: str, settings: Settings, network: Network) -> _Target:
        """Check a URL and resolve its host, once."""
        parts, port = _split(url)
        host = parts.hostname or ""
        if parts.scheme == "http" and not settings.fetch_plain:
            raise ForbiddenError("a picture is not fetched over plain http", hint="use https")
        if port not in _PORTS.values():
            raise ForbiddenError(f"a picture is not fetched from port {port}", hint="use 443")
        addresses = _resolved(host, port, network)
        if not addresses or not all(public(address) for address in addresses):
            raise ForbiddenError(
                "the URL leads to no public place", hint="check it, or send the picture as a data: URI"
            )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme == "https", host, port, addresses, path)


def _resolved(host: str, port: int, network: Network) -> tuple[str, ...]:
    """The addresses of a name; none for one that is not known: which names are is not told."""
    try:
        return tuple(network.resolve(host, port))
    except (OSError, UnicodeError):
        return ()


def _split(url: str) -> tuple[SplitResult, int]:
    """The parts of a URL and its port; InputError for what is not a plain one of http or https."""
    try:
        if not url.isascii() or any(letter <= " " or letter in '\\"<>\x7f' for letter in url):
            raise ValueError("letters that a URL cannot have")
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("no address of the web")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a user in the URL")
        return parts, parts.port or _PORTS[parts.scheme]
    except ValueError as error:
        raise InputError(
            f"the picture's URL cannot be used: {error}", hint="give a https: URL or a data: URI"
        ) from None


def public(address: str) -> bool:
    """Whether an address is one of the open internet, also where IPv6 carries an IPv4 address in it."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(_is_public(inner) for inner in (found, *_carried(found)))


def _is_public(address: Address) -> bool:
    site = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or site)


_TRANSLATED = tuple(ipaddress.IPv6Network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96"))


def _carried(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address leads to: mapped, 6to4, Teredo, or translated (NAT64)."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    carried: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in net for net in _TRANSLATED):
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in carried if each is not None]


class _Pinned(http.client.HTTPConnection):
    """A connection to the checked addresses; the name in the URL is asked for, and is in the certificate."""

    def __init__(self, target: _Target, network: Network, patience: float) -> None:
        super().__init__(target.host, target.port, timeout=patience)
        self._target, self._network, self._patience = target, network, patience
        self._wire: socket.socket | None = None
        self.default_port = _PORTS["https" if target.secure else "http"]

    def connect(self) -> None:
        """Connect to the first address that answers."""
        wire = self._opened()
        wire.settimeout(self._patience)
        if self._target.secure:
            context, name = ssl.create_default_context(), self._target.host
            wire = context.wrap_socket(wire, server_hostname=name, do_handshake_on_connect=False)
        self.sock = self._wire = wire
        if isinstance(wire, ssl.SSLSocket):
            wire.do_handshake()

    def _opened(self) -> socket.socket:
        patience = min(_CONNECT, self._patience)
        for address in self._target.addresses[:-1]:
            with suppress(OSError):
                return self._network.connect(address, self._target.port, patience)
        return self._network.connect(self._target.addresses[-1], self._target.port, patience)

    def stop(self) -> None:
        """End whatever waits on the connection, from another thread."""
        if self._wire is not None:
            with suppress(OSError):
                self._wire.shutdown(socket.SHUT_RDWR)


def _asked(target: _Target, settings: Settings, network: Network, ends: float) -> bytes | str:
    """What a place answers: the bytes, or where it sends us on.

    A timer ends it, because a place that sends a byte a second never runs into a socket's timeout;
    what is read by then looks whole where no length was told, so the clock decides.
    """
    patience = max(0.001, ends - time.monotonic())
    connection = _Pinned(target, network, patience)
    watch = threading.Timer(patience, connection.stop)
    watch.daemon = True
    watch.start()
    try:
        found = _answered(connection, target, settings)
        if time.monotonic() < ends:
            return found
    except (SightlineError, OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() < ends:
            if isinstance(error, SightlineError):
                raise
            raise EngineError("the picture's place does not answer", hint="check the URL") from None
    finally:
        watch.cancel()
        connection.close()
    raise DeadlineError("the picture's place does not answer in time", hint="send the picture as a data: URI")


def _answered(connection: _Pinned, target: _Target, settings: Settings) -> bytes | str:
    headers = {"Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"}
    connection.request("GET", target.path, headers=headers | {"User-Agent": "sightline"})
    with connection.getresponse() as answer:
        if answer.status in (301, 302, 303, 307, 308):
            return answer.getheader("location") or "/"
        if answer.status != 200:
            raise EngineError(f"the picture's place answers with {answer.status}", hint="check the URL")
        if (answer.getheader("content-encoding") or "identity").lower() != "identity":
            raise InputError("the picture's place sends it packed", hint="send it as a data: URI")
        return _body(answer, settings.max_upload)


def _body(answer: http.client.HTTPResponse, most: int) -> bytes:
    data = bytearray()
    while piece := answer.read(_PIECE):
        data += piece
        if len(data) > most:
            raise TooLargeError(f"the picture is larger than {most:,} bytes", hint="make it smaller")
    if answer.length:
        raise EngineError("the picture's place stopped half way", hint="come again")
    return bytes(data)
