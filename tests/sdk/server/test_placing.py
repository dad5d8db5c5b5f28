"""Where a call goes: from a step in the past each call has a branch of its own, however many come at once."""

import asyncio

import httpx
import pytest
from mcp import Client

from sightline.errors import StaleHeadError
from sightline.server.access import LOCAL
from sightline.server.house import House
from sightline.server.mcp_server import create_mcp
from sightline.server.mcp_tools import Client as Caller
from sightline.server.placing import going
from sightline.server.settings import Settings

COLORS = ("green", "blue", "yellow", "white", "black", "purple")


@pytest.fixture
def house(fake, tmp_path):
    """A house whose session `main` has two steps."""
    opened = House(fake, Settings(data=tmp_path / "data"))
    with opened.tenants.session(LOCAL, "main") as session:
        session.generate("a red star")
        session.generate("a blue ring")
    yield opened
    opened.close()


def test_calls_from_one_step_at_the_same_time_do_not_meet(house):
    """Six edits from the first step over MCP are six branches, each with one more step than that."""

    async def work():
        async with asyncio.timeout(30), Client(create_mcp(house, lambda _: Caller(LOCAL))) as client:
            calls = [
                client.call_tool("edit", {"image": "img1", "instruction": f"make it {color}", "at": "img1"})
                for color in COLORS
            ]
            return [result.structured_content["branch"] for result in await asyncio.gather(*calls)]

    branches = asyncio.run(work())
    assert len(set(branches)) == len(COLORS)
    with house.tenants.session(LOCAL, "main") as session:
        assert [len(session.log(branch=branch)) for branch in branches] == [2] * len(COLORS)


def test_a_branch_that_was_not_used_is_gone(house):
    """Whatever went wrong; one that a call was told to use stays, and so does one that another call made."""
    with house.tenants.session(LOCAL, "main") as session:
        for _ in range(2):
            with going(session, "main~1") as view:
                assert view.head[0].startswith("at-")
                assert view.head[0] in session.branches
        with pytest.raises(StaleHeadError), going(session, "main~1", expect="main"):
            raise AssertionError
        assert list(session.branches) == ["main"]
        session.branch("alt", at="main~1")
        with going(session, "alt") as view, going(session, "main~1") as other:
            assert (view.head[0], other.head[0]) == ("alt", "alt")
        assert sorted(session.branches) == ["alt", "main"]


def test_a_wrong_request_leaves_no_branch(served):
    """Nor does it take the name that the next right one gets."""
    address, house = served
    with httpx.Client(base_url=address, timeout=10) as client:
        client.post("/v1/sessions", json={"name": "cats"})
        url = "/v1/sessions/cats/tools/generate"
        first = client.post(url, json={"arguments": {"prompt": "a red star"}}).json()["step"]["id"]
        client.post(url, json={"arguments": {"prompt": "a blue ring"}})
        for _ in range(3):
            wrong = client.post(url, json={"arguments": {"prompt": "a star", "n": 65}, "at": first})
            assert wrong.status_code == 400
        right = client.post(url, json={"arguments": {"prompt": "a star"}, "at": first}).json()
    assert right["branch"] == f"at-{first[:8]}"
    with house.tenants.session(LOCAL, "cats") as session:
        assert sorted(session.branches) == [right["branch"], "main"]


def test_a_call_names_a_modest_number_of_pictures(served):
    """Each is looked up: a list of thousands is refused before the first."""
    address, _ = served
    with httpx.Client(base_url=address, timeout=10) as client:
        client.post("/v1/sessions", json={"name": "cats"})
        client.post("/v1/sessions/cats/tools/generate", json={"arguments": {"prompt": "a star"}})
        asked = {"arguments": {"images": ["img1"] * 18_000}}
        refused = client.post("/v1/sessions/cats/tools/grid", json=asked)
    assert refused.status_code == 400
    assert "more than 256 pictures" in refused.json()["error"]["message"]
