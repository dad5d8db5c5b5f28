"""MCP over standard input and output: for a chat program that starts this process itself.

Standard output belongs to the protocol alone. While it is served, whatever prints (a
tool of somebody else, a library) prints to standard error instead, and so does what
they left in buffers until the end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from mcp.server.stdio import stdio_server

from sightline.server.house import House
from sightline.server.late import Late
from sightline.server.mcp_server import create_mcp
from sightline.server.mcp_tools import Client
from sightline.server.settings import Settings
from sightline.server.tenants import checked

log = logging.getLogger("sightline.server")

_GRACE = 5.0
"""Seconds that running work is given to end once the client is gone."""


def serve(runtime: Late, data: Path | None, client: Client) -> None:
    """Answer on standard output what comes in on standard input, until that ends or SIGTERM comes.

    Does not return: the process ends, with everything closed, even where a thread still
    waits for input. Raises at once, before anything is answered, StoreError for a folder
    that cannot keep sessions and InputError for the name of a session that cannot be one.
    """
    checked(client.session, "session")
    asyncio.run(_until_the_end(runtime, House(runtime, Settings(data=data)), client))


async def _until_the_end(runtime: Late, house: House, client: Client) -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows ends a process otherwise
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
    serving = asyncio.create_task(_serve(house, client, runtime))
    serving.add_done_callback(lambda _: ended.set())
    await ended.wait()
    error = serving.exception() if serving.done() else None
    if error is not None:
        log.error("the server failed", exc_info=error)
    serving.cancel()  # what runs is told to stop; the read of standard input cannot be, and is not waited for
    if await asyncio.to_thread(house.close, _GRACE):
        runtime.close()
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(
        0 if error is None else 1
    )  # no thread, and nothing that was printed and not yet written, can hinder it


async def _serve(house: House, client: Client, runtime: Late) -> None:
    async with stdio_server() as (reading, writing):
        sys.stdout = sys.stderr  # before any tool of somebody else is imported
        server = create_mcp(house, lambda _: client, late=runtime)
        await server.run(reading, writing, server.create_initialization_options())
