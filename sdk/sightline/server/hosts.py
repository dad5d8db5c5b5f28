"""Under which names a server may be called, and from which web pages.

A page of a stranger runs in the browser of somebody who has a server on his own
machine. It can point a name of its own at that machine (DNS rebinding), and it can
post forms anywhere; both show in the headers Host and Origin, which pages cannot forge.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from sightline.errors import ForbiddenError
from sightline.server.settings import Settings

_HERE = ("localhost", "127.0.0.1", "[::1]")


def check_host(connection: HTTPConnection, settings: Settings, *, open_to_all: bool) -> None:
    """Refuse a request under a foreign name, if the server has no keys or says under which it is called."""
    if not open_to_all and not settings.allow_hosts:
        return
    name = _name(connection.headers.get("host", ""))
    if name not in (*_HERE, *settings.allow_hosts):
        raise ForbiddenError("this server is not called by that name", hint="`serve --allow-host` adds names")


def check_origin(connection: HTTPConnection, settings: Settings) -> None:
    """Refuse a request of a web page that is neither the server's own nor allowed."""
    origin = connection.headers.get("origin")
    if origin is None or origin in settings.allow_origins or "*" in settings.allow_origins:
        return
    if urlsplit(origin).netloc.lower() != connection.headers.get("host", "").lower():
        raise ForbiddenError(
            "this web page may not call the server", hint="`serve --allow-origin` adds pages"
        )


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
