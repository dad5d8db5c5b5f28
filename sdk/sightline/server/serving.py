"""Serving: a house behind uvicorn, in this thread or in one of its own."""

from __future__ import annotations

import gc
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address
from typing import Any, cast

import uvicorn

from sightline.errors import EngineError, InputError
from sightline.server.app import create_app
from sightline.server.connections import Connection
from sightline.server.house import House
from sightline.server.keys import Keys

_START = 30.0
_STOP = 15.0
_KEEP_ALIVE = 30
_COLLECT = (10_000, 50, 100)
"""When garbage is collected: the whole of a loaded heap takes half a second, in which nobody is answered."""


class Server(uvicorn.Server):
    """A server that tells its house before it closes: from then on no new work is taken."""

    def __init__(self, house: House) -> None:
        super().__init__(_config(house))
        self._house = house

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what runs end within `drain_timeout`, and cancel the rest."""
        self._house.crew.drain()
        await super().shutdown(sockets)


def _config(house: House) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(house),
        log_config=None,
        access_log=False,
        h11_max_incomplete_event_size=house.settings.max_headers,
        http=cast(Any, partial(Connection, house.settings)),
        ws="none",
        lifespan="on",
        server_header=False,
        proxy_headers=False,  # whoever calls could write them
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(house.settings.drain_timeout)),
        backlog=1024,
    )


def serve(
    house: House, host: str, port: int, *, started: Callable[[str], None] = lambda address: None
) -> bool:
    """Serve until SIGTERM or SIGINT, then let what runs end; `started` is told the address.

    Gives whether all calls ended in time. InputError for an address beyond this machine
    if the house has no keys, EngineError if the address cannot be had.
    """
    with _bound(house, host, port) as wire:
        for name in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again when it has stopped
            signal.signal(name, lambda *_: None)
        gc.set_threshold(*_COLLECT)
        started(_address(wire))
        Server(house).run(sockets=[wire])
    return house.close(patience=house.settings.drain_timeout)


@contextmanager
def running(house: House, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a thread as long as the block lasts; gives the address, on a free port by default."""
    with _bound(house, host, port) as wire:
        server = Server(house)
        work = partial(server.run, sockets=[wire])
        thread = threading.Thread(target=work, name="sightline-server", daemon=True)
        thread.start()
        try:
            _await_start(server, thread)
            yield _address(wire)
        finally:
            server.should_exit = True
            thread.join(_STOP)


def _bound(house: House, host: str, port: int) -> socket.socket:
    """A socket that listens where it may; without keys that is this machine alone."""
    check_address(host, house.keys)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise EngineError(
            f"{host}:{port} cannot be listened on: {error}", hint="is the port taken?"
        ) from error


def check_address(host: str, keys: Keys) -> None:
    """Refuse, with InputError, to listen where others can call if there are no keys."""
    if keys.open and not _is_loopback(host):
        raise InputError(
            f"{host} can be reached by others, and this server has no keys",
            hint="make one with `sightline keys add`, or listen on 127.0.0.1",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    ends = time.monotonic() + _START
    while not server.started:
        if not thread.is_alive() or time.monotonic() > ends:
            raise EngineError("the server does not start", hint="is there another in this process?")
        time.sleep(0.01)


def _address(wire: socket.socket) -> str:
    host, port = wire.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
