"""Serving: a house behind uvicorn, in this thread or in one of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from sightline.errors import EngineError
from sightline.server.app import create_app
from sightline.server.house import House

_START = 30.0
_STOP = 15.0


def server_of(house: House, host: str, port: int) -> uvicorn.Server:
    """A uvicorn server on a house, not yet started."""
    config = uvicorn.Config(
        create_app(house),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        h11_max_incomplete_event_size=house.settings.max_headers,
        http="h11",
        ws="none",
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    return uvicorn.Server(config)


@contextmanager
def running(house: House, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a thread as long as the block lasts; gives the address, on a free port by default."""
    server = server_of(house, host, port)
    thread = threading.Thread(target=server.run, name="sightline-server", daemon=True)
    thread.start()
    try:
        yield _address(server, thread, host)
    finally:
        server.should_exit = True
        thread.join(_STOP)


def _address(server: uvicorn.Server, thread: threading.Thread, host: str) -> str:
    ends = time.monotonic() + _START
    while not server.started:
        if not thread.is_alive() or time.monotonic() > ends:
            raise EngineError("the server does not start", hint="is the port taken?")
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    return f"http://{host}:{port}"
