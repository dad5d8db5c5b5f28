"""Resources, prompts and completion over MCP, with the official client in memory."""

import asyncio
import base64
import json

import pytest
from mcp import Client, MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from sightline.server import mcp_resources
from sightline.server.access import LOCAL
from sightline.server.house import House
from sightline.server.mcp_server import create_mcp
from sightline.server.mcp_tools import Client as Caller
from sightline.server.settings import Settings
from sightline_runtime.testing import FakeRuntime


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A house with two sessions, one of a stranger, and a few steps; the tests only read."""
    opened = House(FakeRuntime(), Settings(data=tmp_path_factory.mktemp("data")))
    with opened.tenants.session(LOCAL, "cats") as session:
        first = session.generate("a red star")
        session.branch("alt")
        session.edit(first, "make the star blue")
    with opened.tenants.session("stranger", "secret") as session:
        session.generate("a green ring")
    yield opened
    opened.close()


def connected(house, work, *, mode="auto"):
    """Run `work(client)` with a client of its own, within half a minute."""

    async def main():
        server = create_mcp(house, lambda _: Caller(LOCAL, "cats"))
        async with asyncio.timeout(30), Client(server, mode=mode) as client:
            return await work(client)

    return asyncio.run(main())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_every_session_is_listed_and_readable(house, mode):
    """The list names what belongs to the tenant's sessions, and all of it can be read."""

    async def work(client):
        found = (await client.list_resources()).resources
        return {each.uri: (each, await client.read_resource(each.uri)) for each in found}

    found = connected(house, work, mode=mode)
    assert set(found) == {
        "sightline://sessions",
        "sightline://cats/state",
        "sightline://cats/tree",
        "sightline://cats/report",
    }
    for told, read in found.values():
        assert read.contents[0].mime_type == told.mime_type
    text = {uri: read.contents[0].text for uri, (_, read) in found.items()}
    assert json.loads(text["sightline://sessions"])["sessions"] == [
        {"name": "cats", "uri": "sightline://cats/state"}
    ]
    state = json.loads(text["sightline://cats/state"])
    assert state["head"]["branch"] == "main"
    assert set(state["branches"]) == {"main", "alt"}
    assert [step["tool"] for step in state["steps"]] == ["generate", "edit"]
    with house.tenants.session(LOCAL, "cats") as session:
        assert text["sightline://cats/tree"] == str(session.tree())
    assert "make the star blue" in text["sightline://cats/report"]


def test_a_picture_is_the_file_of_the_store(house):
    """By alias, by digest and by the link of the state, byte for byte."""

    async def work(client):
        state = json.loads((await client.read_resource("sightline://cats/state")).contents[0].text)
        image = state["steps"][1]["images"][0]
        digest = image["digest"].removeprefix("sha256:")
        names = [
            image["uri"],
            f"sightline://cats/images/{image['alias']}",
            f"sightline://cats/images/{digest}",
        ]
        names.append(f"sightline://cats/images/sha256%3A{digest[:12]}")
        read = [(await client.read_resource(name)).contents[0] for name in names]
        return {base64.b64decode(each.blob) for each in read}

    found = connected(house, work)
    with house.tenants.session(LOCAL, "cats") as session:
        ref = session.show("img2").image.ref
        assert found == {session._store.objects.get(ref.blob)}


def test_templates_say_where_everything_is(house):
    """Addresses of a session's parts, with the kind of what is there."""

    async def work(client):
        return (await client.list_resource_templates()).resource_templates

    found = {each.uri_template: each.mime_type for each in connected(house, work)}
    assert found["sightline://{session}/images/{image}"] == "image/png"
    assert found["sightline://{session}/report"] == "text/html"


@pytest.mark.parametrize(
    "uri",
    [
        "sightline://secret/state",
        "sightline://cats/images/img9",
        "sightline://cats/images/..%2F..%2Fsession.db",
        "sightline://..%2Fstranger/tree",
        "sightline://cats/nothing",
        "file:///etc/passwd",
        "",
        "sightline://cats/images/" + "f" * 64,
    ],
)
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_what_is_not_there_is_an_error_with_a_code(house, mode, uri):
    """Unknown, foreign and crooked addresses are refused alike, and nothing is opened."""

    async def work(client):
        with pytest.raises(MCPError) as raised:
            await client.read_resource(uri)
        return raised.value

    error = connected(house, work, mode=mode)
    assert error.data["code"] in ("not_found", "bad_input")
    assert str(house.settings.data) not in error.message
    assert house.tenants.names(LOCAL) == ["cats"]


def test_what_is_too_large_says_what_to_do(house, monkeypatch):
    """A resource beyond the limit is not sent; a report that would be long is not even written."""
    monkeypatch.setattr(mcp_resources, "LARGEST", 100)
    monkeypatch.setattr(mcp_resources, "_REPORTED", 1)

    async def work(client):
        hints = []
        for path in ("images/img1", "report"):
            with pytest.raises(MCPError) as raised:
                await client.read_resource(f"sightline://cats/{path}")
            assert raised.value.data["code"] == "too_large"
            hints.append(raised.value.data["hint"])
        return hints

    image, report = connected(house, work)
    assert "resize" in image
    assert "tree" in report


def test_many_sessions_come_in_pages(fake, tmp_path, monkeypatch):
    """Each page goes on after the last name of the one before."""
    monkeypatch.setattr(mcp_resources, "_PAGE", 2)
    house = House(fake, Settings(data=tmp_path))
    for name in ("ants", "bees", "cats", "dogs", "eels"):
        with house.tenants.session(LOCAL, name):
            pass

    async def work(client):
        pages, cursor = [], None
        while cursor or not pages:
            page = await client.list_resources(cursor=cursor)
            pages.append([each.uri for each in page.resources if each.uri.endswith("/state")])
            cursor = page.next_cursor
        return pages

    names = [[uri.split("/")[2] for uri in page] for page in connected(house, work)]
    house.close()
    assert names == [["ants", "bees"], ["cats", "dogs"], ["eels"]]


def test_prompts_are_filled_with_what_was_given(house):
    """Each prompt names its arguments; what a person writes is put in as it is."""

    async def work(client):
        found = (await client.list_prompts()).prompts
        texts = {}
        for prompt in found:
            given = {each.name: "{{ 7*7 }} <'x'>" for each in prompt.arguments if each.required}
            got = await client.get_prompt(prompt.name, given)
            texts[prompt.name] = got.messages[0].content.text
        return found, texts

    found, texts = connected(house, work)
    assert {prompt.name for prompt in found} == {"look_and_check", "edit_and_verify", "compare_branches"}
    for prompt in found:
        assert prompt.title
        assert prompt.description
        assert "{{ 7*7 }} <'x'>" in texts[prompt.name]
        assert "session cats" in texts[prompt.name]


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("look_and_chek", {}, "look_and_check"),
        ("look_and_check", {}, "claim"),
        ("look_and_check", {"claim": "it is red", "color": "red"}, "color"),
        ("look_and_check", {"claim": "x" * 5000}, "too long"),
    ],
)
def test_a_wrong_prompt_is_told(house, name, given, told):
    """What is missing or unknown is named."""

    async def work(client):
        with pytest.raises(MCPError) as raised:
            await client.get_prompt(name, given)
        return raised.value

    assert told in connected(house, work).message


def test_names_are_completed(house):
    """Sessions, branches and pictures that begin with what was typed, and nothing for free text."""

    async def work(client):
        image = ResourceTemplateReference(uri="sightline://{session}/images/{image}")
        prompt = PromptReference(name="compare_branches")

        async def values(ref, name, value, **context):
            got = await client.complete(ref, {"name": name, "value": value}, context_arguments=context)
            return got.completion.values

        return (
            await values(image, "session", "c"),
            await values(image, "image", "", session="cats"),
            await values(prompt, "first", "a"),
            await values(prompt, "goal", "a"),
            await values(image, "image", "", session="secret"),
        )

    assert connected(house, work) == (["cats"], ["last", "img2", "img1"], ["alt"], [], [])
