"""What the server costs beside the model: many connections at once, and many that leave half way.

A rule-based runtime that takes a fixed time stands for the model, so that what is above
that time is the server's own: HTTP, checks, threads, the store. The server runs in a
process of its own; the clients are plain sockets, because a client library costs more
than the server does.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sightline.errors import EngineError
from sightline_runtime.protocol import Message, TextRequest
from sightline_runtime.testing import FakeRuntime

Tell = Callable[[str, int, int], None]
"""Told (what, done, total)."""

_HOST = """
import sys
from pathlib import Path
from sightline.server.house import House
from sightline.server.serving import serve
from sightline.server.settings import Settings
from sightline_runtime.testing import FakeRuntime
many = {"max_running": int(sys.argv[3]), "max_waiting": 1000, "max_connections": 1000}
house = House(FakeRuntime(delay=float(sys.argv[1])), Settings(data=Path(sys.argv[2]), **many))
serve(house, "127.0.0.1", 0, started=lambda at: print(at, flush=True))
"""
_CHAT = ("/v1/chat/completions", {"model": "fake", "messages": [{"role": "user", "content": "hello"}]})
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_START = 60.0
_PATIENCE = 60.0


@dataclass(frozen=True)
class _Host:
    """The server under load: its process and where it listens."""

    process: subprocess.Popen[str]
    name: str
    port: int

    def held(self) -> Mapping[str, float]:
        """What the process holds and used: nothing where /proc does not tell."""
        folder = Path(f"/proc/{self.process.pid}")
        if not folder.exists():
            return {}
        told = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        return {
            "cpu_seconds": sum(int(ticks) for ticks in _after_name(folder / "stat")[11:13]) / _TICKS,
            "rss_mb": round(int(told["VmRSS"].split()[0]) / 1024, 1),
            "threads": int(told["Threads"]),
            "files": len(list((folder / "fd").iterdir())),
        }


def _after_name(stat: Path) -> list[str]:
    return stat.read_text().rsplit(")", 1)[1].split()


def measure(
    *,
    connections: int = 200,
    seconds: float = 20.0,
    delay: float = 2.0,
    disconnects: int = 1000,
    tell: Tell = lambda *_: None,
) -> Mapping[str, object]:
    """Measure a server under load; times in milliseconds.

    `connections` clients ask again and again for `seconds`; the model takes `delay` seconds.
    Then `disconnects` clients leave in the middle of a stream.
    """
    alone = _alone(connections, delay)
    with (
        tempfile.TemporaryDirectory(prefix="sightline-bench-") as data,
        _hosted(delay, data, connections) as host,
    ):
        asyncio.run(
            _load(host, _CHAT, connections, delay + 1, delay)
        )  # threads and imports are there after it
        asyncio.run(_leave(host, min(100, disconnects), at_once=min(50, connections)))
        before = host.held()
        tell("load", 0, 2)
        chat = asyncio.run(_load(host, _CHAT, connections, seconds, delay))
        loaded = host.held()
        tell("disconnects", 1, 2)
        left = asyncio.run(_leave(host, disconnects, at_once=min(50, connections)))
        tell("done", 2, 2)
        return {
            "machine": f"{platform.machine()} {platform.system()}, Python {platform.python_version()}",
            "connections": connections,
            "model_seconds": delay,
            "model_alone_ms": _spread([1000 * (took - delay) for took in alone]),
            "chat": chat,
            "cpu_ms_per_call": _cpu(before, loaded, chat),
            "held": {"before": before, "after_load": loaded, "after_disconnects": host.held()},
            "disconnects": left,
        }


def _alone(at_once: int, delay: float) -> list[float]:
    """Seconds that the runtime takes by itself, with as many callers."""
    runtime, request = FakeRuntime(delay=delay), TextRequest((Message("user", ("hello",)),))

    def call(number: int) -> float:
        time.sleep(number / at_once * delay)
        started = time.perf_counter()
        runtime.generate_text(request).result()
        return time.perf_counter() - started

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(call, range(at_once)))


@contextmanager
def _hosted(delay: float, data: str, running: int) -> Iterator[_Host]:
    command = [sys.executable, "-c", _HOST, str(delay), data, str(running)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().strip())
        if address.hostname is None or address.port is None:
            raise EngineError("the server does not start", hint="try `sightline serve`")
        yield _Host(process, address.hostname, address.port)
    finally:
        process.terminate()
        process.communicate(timeout=_START)


async def _load(
    host: _Host, call: tuple[str, Mapping[str, object]], connections: int, seconds: float, delay: float
) -> Mapping[str, object]:
    """Clients that ask again and again, each on its connection; they begin one after the other."""
    statuses: Counter[int] = Counter()
    times: list[float] = []
    ends = time.monotonic() + seconds

    async def client(number: int) -> None:
        await asyncio.sleep(number / connections * delay)
        reader, writer = await asyncio.open_connection(host.name, host.port)
        while time.monotonic() < ends:
            started = time.perf_counter()
            status = await _asked(reader, writer, *call)
            times.append(1000 * (time.perf_counter() - started - delay))
            statuses[status] += 1
        writer.close()

    started = time.monotonic()
    await asyncio.gather(*(client(number) for number in range(connections)))
    return {
        "overhead_ms": _spread(times),
        "calls": len(times),
        "per_second": round(len(times) / (time.monotonic() - started), 1),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
    }


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: Mapping[str, object]
) -> int:
    """Send a request, read all of the answer; gives its status."""
    writer.write(_request(path, body))
    async with asyncio.timeout(_PATIENCE):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_length(head))
    return int(head.split(b" ", 2)[1])


def _request(path: str, body: Mapping[str, object]) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))


async def _leave(host: _Host, count: int, at_once: int) -> Mapping[str, object]:
    """Clients that go away when the first event of a stream came; then what is left of their calls."""
    gate, statuses = asyncio.Semaphore(at_once), Counter[int]()

    async def client(number: int) -> None:
        async with gate, asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(host.name, host.port)
            body = {"prompt": f"a red star {number}", "stream": True, "partial_images": 2}
            writer.write(_request("/v1/images/generations", body))
            head = await reader.readuntil(b"\r\n\r\n")
            statuses[int(head.split(b" ", 2)[1])] += 1
            await reader.read(1)
            writer.transport.abort()

    started = time.monotonic()
    await asyncio.gather(*(client(number) for number in range(count)))
    took, left = time.monotonic() - started, await _left(host)
    return {
        "count": count,
        "seconds": round(took, 1),
        "statuses": {str(status): number for status, number in sorted(statuses.items())},
        "calls_left_after_s": left,
    }


async def _left(host: _Host) -> float | None:
    """Seconds until no call of theirs runs any more, None if some never end."""
    started = time.monotonic()
    while time.monotonic() - started < _PATIENCE:
        reader, writer = await asyncio.open_connection(host.name, host.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = (await reader.read()).decode()
        writer.close()
        if "sightline_calls_running 0.0" in text and "sightline_calls_waiting 0.0" in text:
            return round(time.monotonic() - started, 2)
        await asyncio.sleep(0.05)
    return None


def _cpu(before: Mapping[str, float], after: Mapping[str, float], load: Mapping[str, object]) -> float | None:
    """Milliseconds of processor that a call costs the server, the model with its thread included."""
    calls = load["calls"]
    if not before or not isinstance(calls, int):
        return None
    return round(1000 * (after["cpu_seconds"] - before["cpu_seconds"]) / max(1, calls), 2)


def _spread(times: list[float]) -> Mapping[str, float]:
    if len(times) < 2:
        return {}
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {
        "p50": round(cuts[49], 2),
        "p90": round(cuts[89], 2),
        "p99": round(cuts[98], 2),
        "max": round(max(times), 2),
    }
