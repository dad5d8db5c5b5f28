"""MCP over HTTP: the official client over a real socket, with keys, beside raw requests."""

import asyncio
import json
import threading
import time

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from sightline.server import mcp_http
from sightline.server.house import House
from sightline.server.keys import ApiKey, Keys, digest_of
from sightline.server.serving import running
from sightline.server.settings import Settings
from sightline_runtime.testing import FakeRuntime

MODES = ("auto", "legacy")


def connected(address, work, *, mode="auto", key=None, **headers):
    """Run `work(client)` with a client of its own, within half a minute."""

    async def main():
        if key:
            headers["authorization"] = f"Bearer {key}"
        async with (
            asyncio.timeout(30),
            httpx2.AsyncClient(headers=headers, timeout=20) as http,
            Client(streamable_http_client(address, http_client=http), mode=mode) as client,
        ):
            return await work(client)

    return asyncio.run(main())


@pytest.mark.parametrize("mode", MODES)
def test_a_line_of_work_over_a_socket(served, mode):
    """Both forms of the protocol do the same work; the picture is read back as it is stored."""
    address, house = served

    async def work(client):
        heard = []

        async def hear(done, total, message):
            heard.append(done)

        await client.call_tool(
            "generate", {"prompt": "a red circle", "session": "cats"}, progress_callback=hear
        )
        args = {"image": "img1", "instruction": "make the circle green", "session": "cats", "at": "main"}
        edited = await client.call_tool("edit", args)
        asked = await client.call_tool(
            "understand", {"image": "last", "question": "what color is the circle ?", "session": "cats"}
        )
        undone = await client.call_tool("undo", {"session": "cats", "n": 2, "at": "main"})
        read = await client.read_resource(edited.structured_content["images"][0]["uri"])
        return asked, undone, read, heard

    asked, undone, read, heard = connected(f"{address}/mcp", work, mode=mode)
    assert asked.structured_content["text"] == "green"
    assert undone.structured_content["last"]["alias"] == "img1"
    assert read.contents[0].mime_type == "image/png"
    assert heard == sorted(set(heard))
    assert heard
    assert house.tenants.names("local") == ["cats"]


def test_two_clients_of_one_session(served):
    """Both forms at once, in one session: every call lands, none is stale."""
    address, house = served

    def draw(mode):
        async def work(client):
            calls = [client.call_tool("generate", {"prompt": f"{n} red stars"}) for n in range(5)]
            return [result.is_error for result in await asyncio.gather(*calls)]

        results[mode] = connected(f"{address}/mcp", work, mode=mode)

    results = {}
    threads = [threading.Thread(target=draw, args=(mode,)) for mode in MODES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == {mode: [False] * 5 for mode in MODES}
    with house.tenants.session("local", "main") as session:
        assert len(session.log()) == 10


@pytest.mark.parametrize("mode", MODES)
def test_an_abandoned_call_stops(tmp_path, mode):
    """Closing the response, or the older notification, ends the work and leaves the server free."""
    house = House(FakeRuntime(delay=60.0), Settings(data=tmp_path))

    async def work(client):
        call = asyncio.create_task(client.call_tool("generate", {"prompt": "a red star", "steps": 1000}))
        while not house.crew.load:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        ends = time.monotonic() + 5
        while house.crew.load and time.monotonic() < ends:
            await asyncio.sleep(0.02)
        return house.crew.load

    with running(house) as address:
        assert connected(f"{address}/mcp", work, mode=mode) == 0
    house.close()


def test_a_client_says_how_long_he_waits(tmp_path):
    """A deadline in the header ends a call in time, as with every other route."""
    house = House(FakeRuntime(delay=20.0), Settings(data=tmp_path))

    async def work(client):
        return await client.call_tool("generate", {"prompt": "a red star", "steps": 1000})

    with running(house) as address:
        result = connected(f"{address}/mcp", work, **{"x-deadline": "0.3"})
    house.close()
    assert result.structured_content["error"]["code"] == "deadline"


def test_parts_are_left_out_by_the_address(served):
    """A client that cannot take pictures or structured data says so in the address."""
    address, _ = served

    async def work(client):
        tools = await client.list_tools()
        return tools.tools[0].output_schema, await client.call_tool("generate", {"prompt": "a red star"})

    schema, result = connected(f"{address}/mcp?previews=no&structured=no", work)
    assert schema is None
    assert result.structured_content is None
    assert {block.type for block in result.content} == {"text", "resource_link"}


@pytest.fixture
def locked(fake, tmp_path):
    """A server with three keys: two tenants, and one key that may not use sessions."""
    keys = Keys(
        ApiKey(text, tenant, digest_of(text), frozenset(scopes))
        for text, tenant, scopes in (
            ("anna", "one", ["sessions"]),
            ("bert", "two", ["sessions"]),
            ("carl", "one", ["images"]),
        )
    )
    house = House(fake, Settings(data=tmp_path / "data"), keys=keys)
    with running(house) as address:
        yield f"{address}/mcp", house
    house.close()


@pytest.mark.parametrize("mode", MODES)
def test_keys_open_their_own_sessions(locked, mode):
    """Each key sees the sessions of its tenant alone."""
    address, _ = locked

    async def draw(client):
        return await client.call_tool("generate", {"prompt": "a red star", "session": "cats"})

    async def look(client):
        listed = [each.uri for each in (await client.list_resources()).resources]
        return listed, await client.call_tool("pictures", {"session": "cats"})

    assert not connected(address, draw, mode=mode, key="anna").is_error
    listed, looked = connected(address, look, mode=mode, key="bert")
    assert listed == ["sightline://sessions"]
    assert looked.structured_content["error"]["code"] == "not_found"


def post(address, *, key=None, session=None, method="tools/list", **headers):
    """A raw request of the older form."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}
    if method == "initialize":
        info = {"name": "raw", "version": "1"}
        body["params"] = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info}
    sent = {"accept": "application/json, text/event-stream", **headers}
    sent |= {"authorization": f"Bearer {key}"} if key else {}
    sent |= {"mcp-session-id": session} if session else {}
    return httpx.post(address, json=body, headers=sent, timeout=10)


def test_without_a_key_or_its_scope_nothing_is_answered(locked):
    """The refusals are those of every other route."""
    address, _ = locked
    assert post(address, method="initialize").status_code == 401
    assert post(address, key="nobody", method="initialize").status_code == 401
    refused = post(address, key="carl", method="initialize")
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "forbidden"


def test_a_transport_session_belongs_to_its_key(locked):
    """A stranger who knows the id of a transport session is told that there is none."""
    address, _ = locked
    begun = post(address, key="anna", method="initialize")
    session = begun.headers["mcp-session-id"]
    assert post(address, key="bert", session=session).status_code == 404
    assert post(address, key="anna", session=session).status_code == 200


def test_no_key_takes_the_room_of_another(locked, monkeypatch):
    """Transport sessions that a client begins and never ends are counted for his key alone."""
    address, _ = locked
    monkeypatch.setattr(mcp_http, "_MOST", 3)
    assert [post(address, key="anna", method="initialize").status_code for _ in range(4)] == [200] * 3 + [503]
    assert post(address, key="bert", method="initialize").status_code == 200


def test_foreign_pages_and_names_are_refused(served):
    """A web page of elsewhere, and a name that was bent to this machine."""
    address, _ = served
    assert post(f"{address}/mcp", method="initialize", origin="https://evil.example").status_code == 403
    assert post(f"{address}/mcp", method="initialize", host="evil.example").status_code == 403
    assert post(f"{address}/mcp", method="initialize", origin=address).status_code == 200


def test_what_is_no_message_is_refused(served):
    """Nonsense, batches and large bodies get an error of their kind, and the server goes on."""
    address, _ = served
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    for body in (b"{", b"[]", b"null", b"\xff\xfe", b'{"jsonrpc": "2.0"}', b"[" * 5000):
        for version in ({}, {"mcp-protocol-version": "2026-07-28"}):
            answer = httpx.post(f"{address}/mcp", content=body, headers=headers | version, timeout=10)
            assert 400 <= answer.status_code < 500
    large = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "x" * 2**21}).encode()
    assert httpx.post(f"{address}/mcp", content=large, headers=headers, timeout=10).status_code == 413
    assert httpx.get(f"{address}/healthz", timeout=5).status_code == 200


def test_a_stream_that_stays_open_does_not_keep_the_server(fake, tmp_path):
    """An older client listens without end; the server closes at once all the same, and the stream ends."""
    house = House(fake, Settings(data=tmp_path))
    with httpx.Client(timeout=20) as client, running(house) as address:
        begun = post(f"{address}/mcp", method="initialize")
        headers = {"accept": "text/event-stream", "mcp-session-id": begun.headers["mcp-session-id"]}
        with client.stream("GET", f"{address}/mcp", headers=headers) as stream:
            assert stream.status_code == 200
            began = time.monotonic()
            house.crew.drain()
            assert "".join(stream.iter_text()) == ""
    assert time.monotonic() - began < 9
    house.close()
