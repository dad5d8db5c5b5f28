"""Whatever a model sends as arguments over MCP is answered: by a result, in the form that is published."""

import asyncio
import json

import jsonschema
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError

from sightline.server.access import LOCAL
from sightline.server.house import House
from sightline.server.mcp_results import LARGEST
from sightline.server.mcp_server import create_mcp
from sightline.server.mcp_tools import Client as Caller
from sightline.server.settings import Settings
from sightline.toolset.offers import offers
from sightline_runtime.testing import FakeRuntime
from sightline_tools.toolbox import default_toolbox

OFFERS = {offer.name: offer for offer in offers(default_toolbox())}
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
WORDS = st.sampled_from(["img1", "img2", "last", "sha256:", "../x", "/etc/passwd", "", "main", "a red star"])
VALUES = WORDS | st.integers(-2, 70) | LEAVES | JSON


@st.composite
def calls(draw):
    """A tool, known or not, with values for some of its arguments, and sometimes for one it does not have."""
    name = draw(st.sampled_from([*OFFERS, "nothing", "", "a" * 300]))
    known = OFFERS[name].input_schema["properties"] if name in OFFERS else {}
    names = st.sampled_from([*known, "session", "at", "more"])
    return name, draw(st.dictionaries(names, VALUES, max_size=5))


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A house with two pictures."""
    opened = House(FakeRuntime(), Settings(data=tmp_path_factory.mktemp("data")))
    with opened.tenants.session(LOCAL, "main") as session:
        session.generate("a red star", n=2)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def connected(house):
    """Runs `work(client)` with one client for all, each within twenty seconds."""
    server = create_mcp(house, lambda _: Caller(LOCAL))

    async def within(work, client):
        async with asyncio.timeout(20):
            return await work(client)

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(server, mode="legacy")) as client,
    ):
        yield lambda work: portal.call(within, work, client)


@pytest.fixture(scope="module")
def published(connected):
    """The schemas of results, by tool."""

    async def work(client):
        return {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}

    return connected(work)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(calls())
def test_any_arguments_are_answered(house, connected, published, call):
    """No call fails in the protocol, hangs, or spoils the session; results keep their form and size."""
    name, arguments = call

    async def work(client):
        result = await client.call_tool(name, arguments)
        return result, await client.call_tool("pictures", {"session": "main"})

    result, again = connected(work)
    assert len(result.model_dump_json(by_alias=True)) <= LARGEST
    assert not again.is_error
    if not result.is_error:
        jsonschema.validate(result.structured_content, published[name])
        return
    told = result.structured_content["error"]
    assert told["code"] != "engine_failed", told
    assert "pydantic" not in json.dumps(told)
    assert str(house.settings.data) not in result.content[0].text


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.from_regex(r"sightline://[a-z./%-]{0,8}(/(state|tree|report|images)(/[a-z0-9.%]{0,8})?)?") | st.text()
)
def test_any_address_is_answered(house, connected, uri):
    """What cannot be read is an error with a code that tells nothing of the machine."""

    async def work(client):
        try:
            await client.read_resource(uri)
        except MCPError as error:
            return error
        return None

    error = connected(work)
    if error is not None:
        assert error.data["code"] in ("not_found", "bad_input")
        assert str(house.settings.data) not in error.message
