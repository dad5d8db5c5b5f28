"""Fixtures of the server's tests: servers with keys, and raw connections to any server."""

import socket
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest


@pytest.fixture
def serve(fake, tmp_path):
    """Start a real server with settings, keys or a runtime: `with serve(max_body=10) as (address, house)`."""
    from sightline.server.house import House
    from sightline.server.serving import running
    from sightline.server.settings import Settings

    @contextmanager
    def start(*, keys=None, runtime=None, **settings):
        house = House(runtime or fake, replace(Settings(data=tmp_path / "data"), **settings), keys=keys)
        try:
            with running(house) as address:
                yield address, house
        finally:
            house.close()

    return start


@pytest.fixture
def keyed(serve, tmp_path):
    """A server with a file of keys: (address, house, add); add(name, …) gives headers with a new key."""
    from sightline.server.key_file import KeyFile
    from sightline.server.keys import Keys

    file = KeyFile(tmp_path / "keys.json")

    def add(name, **options):
        text = file.add(name, **{"tenant": name} | options)
        return {"authorization": f"Bearer {text}"}

    first = add("alice")
    with serve(keys=Keys(file=file)) as (address, house):
        add.file, add.first = file, first
        yield address, house, add


@pytest.fixture(scope="session")
def crowd(tmp_path_factory):
    """One server for many tests: (address, house, fake, new); new() gives a tenant's name and headers."""
    from sightline.server.house import House
    from sightline.server.keys import ApiKey, Keys, digest_of
    from sightline.server.serving import running
    from sightline.server.settings import Settings
    from sightline_runtime.testing import FakeRuntime

    names = [f"tenant{number}" for number in range(200)]
    keys = Keys([ApiKey(name, name, digest_of(f"key of {name}")) for name in names])
    fake = FakeRuntime()
    house = House(fake, Settings(data=tmp_path_factory.mktemp("crowd") / "data"), keys=keys)

    def new():
        name = names.pop()
        return name, {"authorization": f"Bearer key of {name}"}

    with running(house) as address:
        yield address, house, fake, new
    house.close()


@pytest.fixture
def tenant(crowd):
    """The name of a tenant of `crowd` that nobody used, and a client with its key: (name, client)."""
    address, _, _, new = crowd
    name, headers = new()
    with httpx.Client(base_url=address, headers=headers, timeout=10) as client:
        yield name, client


@pytest.fixture
def wire():
    """Open a plain connection to an address: `wire(address)`; reading gives up after 10 s."""
    opened = []

    def connect(address):
        at = urlsplit(address)
        opened.append(socket.create_connection((at.hostname, at.port), timeout=10))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


@pytest.fixture
def ended():
    """Read a connection to its end: all that the server said before it closed."""

    def read(connection):
        pieces = []
        try:
            while piece := connection.recv(65536):
                pieces.append(piece)
        except ConnectionError:
            pass
        return b"".join(pieces)

    return read
