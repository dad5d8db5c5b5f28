"""The tools over MCP, with the official client in memory, in both forms of the protocol."""

import asyncio
import base64
import io
import json
import threading
import time

import jsonschema
import pytest
from mcp import Client
from PIL import Image

from sightline.server.access import LOCAL
from sightline.server.house import House
from sightline.server.late import Late
from sightline.server.mcp_results import LARGEST, told
from sightline.server.mcp_server import create_mcp
from sightline.server.mcp_tools import Client as Caller
from sightline.server.settings import Settings
from sightline.toolset.outcomes import Outcome, Preview
from sightline_runtime.testing import FakeRuntime

MODES = ("auto", "legacy")


@pytest.fixture
def house(fake, tmp_path):
    """A house on the rule-based runtime."""
    opened = House(fake, Settings(data=tmp_path / "data"))
    yield opened
    opened.close()


def connected(house, work, *, mode="auto", late=None, **caller):
    """Run `work(client)` with a client of its own, within half a minute."""

    async def main():
        server = create_mcp(house, lambda _: Caller(LOCAL, **caller), late=late)
        async with asyncio.timeout(30), Client(server, mode=mode) as client:
            return await work(client)

    return asyncio.run(main())


def text_of(result):
    """The text of a result."""
    return "\n".join(block.text for block in result.content if block.type == "text")


def schemas(tools):
    """Output schemas by name."""
    return {tool.name: tool.output_schema for tool in tools.tools}


@pytest.mark.parametrize("mode", MODES)
def test_tools_say_what_they_take_give_and_do(house, mode):
    """Every tool has a title, hints, both schemas, and says where a call belongs."""

    async def work(client):
        return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in connected(house, work, mode=mode)}
    assert {"generate", "edit", "understand", "crop", "compare", "undo", "look"} <= tools.keys()
    for tool in tools.values():
        assert tool.title
        assert tool.description
        assert {"session", "at"} <= tool.input_schema["properties"].keys()
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        jsonschema.Draft202012Validator.check_schema(tool.output_schema)
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.open_world_hint is False
    assert tools["compare"].annotations.read_only_hint
    assert not tools["generate"].annotations.read_only_hint
    assert not tools["undo"].annotations.idempotent_hint


@pytest.mark.parametrize("mode", MODES)
def test_generate_edit_understand_undo_by_name(house, mode):
    """A whole line of work, each call saying its session, and each result telling where it stands."""

    async def work(client):
        outputs, results = schemas(await client.list_tools()), []

        async def call(name, **args):
            result = await client.call_tool(name, {"session": "cats", **args})
            assert not result.is_error, text_of(result)
            jsonschema.validate(result.structured_content, outputs[name])
            results.append(result)
            return result.structured_content

        drawn = await call("generate", prompt="a red circle", at="main")
        edited = await call("edit", image="img1", instruction="make the circle green", at="main")
        asked = await call("understand", image="last", question="what color is the circle ?")
        await call("undo", n=2, at="main")
        again = await call("history")
        return drawn, edited, asked, again, results

    drawn, edited, asked, again, results = connected(house, work, mode=mode)
    assert drawn["images"][0]["alias"] == "img1"
    assert (drawn["session"], drawn["branch"]) == ("cats", "main")
    assert edited["changed"]
    assert asked["text"] == "green"
    assert [step["tool"] for step in again["steps"]] == ["generate"]
    assert "img2" in text_of(results[1])
    assert "session cats, branch main" in text_of(results[1])


def test_a_result_is_text_preview_link_and_data(house):
    """The picture is small in the result, whole behind its link, and named in the text."""

    async def work(client):
        result = await client.call_tool("generate", {"prompt": "a red circle", "size": [1024, 768]})
        link = next(block for block in result.content if block.type == "resource_link")
        return result, link, await client.read_resource(link.uri)

    result, link, read = connected(house, work)
    shown = next(block for block in result.content if block.type == "image")
    with Image.open(io.BytesIO(base64.b64decode(shown.data))) as preview:
        assert max(preview.size) <= 512
    assert "img1 (1024x768" in text_of(result)
    assert "[preview: img1" in text_of(result)
    assert link.uri == result.structured_content["images"][0]["uri"]
    whole = base64.b64decode(read.contents[0].blob)
    with house.tenants.session(LOCAL, "main") as session:
        picture = session.show("img1").image
        assert session._store.objects.get(picture.ref.blob) == whole
    with Image.open(io.BytesIO(whole)) as full:
        assert full.size == (1024, 768)


def test_parts_can_be_left_out(house):
    """A client that cannot take pictures or structured data asks for results without."""

    async def work(client):
        tools = await client.list_tools()
        wrong = [await client.call_tool("generate", args) for args in ({"n": 0}, {"session": 3})]
        return tools, await client.call_tool("generate", {"prompt": "a red circle"}), wrong

    tools, result, wrong = connected(house, work, previews=False, structured=False)
    assert not any(tool.output_schema for tool in tools.tools)
    assert [each.structured_content for each in (result, *wrong)] == [None] * 3
    assert [block.type for block in result.content] == ["text", "resource_link"]
    assert "img1" in text_of(result)


def test_a_result_is_never_larger_than_hosts_take(house):
    """Many pictures are one small result that links each once; previews give way to the rest."""

    async def work(client):
        return await client.call_tool("generate", {"prompt": "a red circle", "n": 64})

    result = connected(house, work)
    assert len(result.model_dump_json(by_alias=True)) <= LARGEST
    links = [block.uri for block in result.content if block.type == "resource_link"]
    assert set(links) == {each["uri"] for each in result.structured_content["images"]}
    assert len(links) == len(set(links))
    large = Outcome(
        "made", {"text": "x" * 90_000}, (Preview("one", bytes(24 * 1024), "image/png", 8, 8),) * 8
    )
    result = told(large, {"session": "main"}, previews=True, structured=True)
    assert 100_000 < len(result.model_dump_json(by_alias=True)) <= LARGEST


@pytest.mark.parametrize(
    ("name", "args", "told"),
    [
        ("generat", {"prompt": "x"}, ["generate", "no tool"]),
        ("generate", {"promt": "a red star"}, ["promt", "prompt"]),
        ("generate", {"prompt": "a red star", "n": 65}, ["n", "64"]),
        ("edit", {"image": "img9", "instruction": "make it green"}, ["img9", "no picture"]),
        ("edit", {"image": "/etc/passwd", "instruction": "make it green"}, ["names no picture"]),
        (
            "understand",
            {"image": "img1", "question": "", "session": "empty-one"},
            ["empty-one", "no session"],
        ),
        ("generate", {"prompt": "a red star", "session": "../up"}, ["cannot name a session"]),
        ("generate", {"prompt": "a red star", "session": 3}, ["session is 3", "not a text"]),
        ("generate", {"prompt": "a red star", "at": "nowhere"}, ["nowhere", "main"]),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_what_is_wrong_is_told_in_our_own_words(house, mode, name, args, told):
    """An error is a result that a model can mend: a code, what is true, what there is."""

    async def work(client):
        return await client.call_tool(name, args)

    result = connected(house, work, mode=mode)
    assert result.is_error
    assert result.structured_content["error"]["code"] in ("bad_input", "not_found")
    for part in told:
        assert part in text_of(result)
    assert "pydantic" not in text_of(result)


def test_looking_makes_no_session_and_no_branch(house):
    """A question about what is not there leaves nothing behind; one from an earlier step neither."""

    async def work(client):
        await client.call_tool("pictures", {"session": "typo"})
        await client.call_tool("generate", {"prompt": "a red star"})
        await client.call_tool("generate", {"prompt": "a blue ring"})
        found = await client.call_tool("history", {"at": "main~1"})
        return [step["tool"] for step in found.structured_content["steps"]]

    assert connected(house, work) == ["generate"]
    assert house.tenants.names(LOCAL) == ["main"]
    with house.tenants.session(LOCAL, "main") as session:
        assert list(session.branches) == ["main"]


def test_a_call_goes_on_from_an_earlier_step_on_a_branch_of_its_own(house):
    """`at` names a step: the others' branch stays, and the result names the new one."""

    async def work(client):
        await client.call_tool("generate", {"prompt": "a red star"})
        await client.call_tool("edit", {"image": "img1", "instruction": "make the star blue"})
        other = await client.call_tool(
            "edit", {"image": "img1", "instruction": "make the star green", "at": "main~1"}
        )
        later = await client.call_tool(
            "history", {"at": other.structured_content["branch"], "session": "main"}
        )
        return other.structured_content["branch"], len(later.structured_content["steps"])

    branch, steps = connected(house, work)
    assert branch != "main"
    assert steps == 2
    with house.tenants.session(LOCAL, "main") as session:
        assert len(session.log(branch="main")) == 2


def test_a_checkout_is_where_later_calls_go(house):
    """What a call says nothing of is kept in the session, for every client."""

    async def work(client):
        await client.call_tool("generate", {"prompt": "a red star"})
        await client.call_tool("branch", {"name": "alt"})
        on_alt = await client.call_tool("generate", {"prompt": "a blue ring"})
        await client.call_tool("checkout", {"name": "main"})
        on_main = await client.call_tool("generate", {"prompt": "a green cross"})
        return [each.structured_content["branch"] for each in (on_alt, on_main)]

    assert connected(house, work) == ["alt", "main"]

    async def once_more(client):
        await client.call_tool("checkout", {"name": "alt"})

    connected(house, once_more)
    with house.tenants.session(LOCAL, "main") as session:
        assert session.head[0] == "alt"


def test_calls_at_the_same_time(house):
    """Parallel calls of two clients in one session are all done, each on its branch."""

    async def work(client):
        await client.call_tool("generate", {"prompt": "a red star"})
        await client.call_tool("branch", {"name": "alt"})
        calls = [
            client.call_tool("generate", {"prompt": f"{number} red stars", "at": ("main", "alt")[number % 2]})
            for number in range(12)
        ]
        return [result.is_error for result in await asyncio.gather(*calls)]

    assert connected(house, work) == [False] * 12
    with house.tenants.session(LOCAL, "main") as session:
        assert len(session.log(branch="main")) == 7
        assert len(session.log(branch="alt")) == 7


@pytest.mark.parametrize("mode", MODES)
def test_progress_rises(tmp_path, mode):
    """Who asks for progress hears it from stage to stage, each time more than before."""
    heard = []

    async def hear(done, total, message):
        heard.append((done, total, message))

    async def work(client):
        await client.call_tool("generate", {"prompt": "a red star", "steps": 8}, progress_callback=hear)
        await client.call_tool("generate", {"prompt": "a blue ring", "steps": 8})

    house = House(FakeRuntime(delay=0.4), Settings(data=tmp_path))
    connected(house, work, mode=mode)
    house.close()
    numbers = [done for done, _, _ in heard]
    assert len(numbers) >= 4
    assert numbers == sorted(set(numbers))
    assert all(done <= total for done, total, _ in heard)
    assert "features" in heard[0][2]


def test_loading_is_told(tmp_path):
    """A client that waits for the model hears so."""
    heard = []

    async def hear(done, total, message):
        heard.append(message)

    def load():
        time.sleep(0.2)
        return FakeRuntime()

    async def work(client):
        await client.list_tools()
        assert not late.loaded
        await client.call_tool("generate", {"prompt": "a red star"}, progress_callback=hear)

    late = Late(load)
    house = House(late, Settings(data=tmp_path))
    connected(house, work, late=late)
    house.close()
    assert heard[0] == "loading the model"


class Counted(FakeRuntime):
    """Counts the denoising steps that were done."""

    def __init__(self, delay):
        super().__init__(delay=delay)
        self.steps, self.began = 0, threading.Event()

    def generate_features(self, request):
        """Draw, counting."""
        job = super().generate_features(request)
        check = job.check

        def counted():
            check()
            self.steps += 1
            self.began.set()

        job.check = counted
        return job


@pytest.mark.parametrize("mode", MODES)
def test_a_cancel_reaches_the_denoising_loop(tmp_path, mode):
    """An abandoned call stops within a step, stores nothing on the branch, and the next one works."""
    runtime = Counted(delay=20.0)
    house = House(runtime, Settings(data=tmp_path))

    async def work(client):
        call = asyncio.create_task(client.call_tool("generate", {"prompt": "a red star", "steps": 1000}))
        await asyncio.to_thread(runtime.began.wait, 5)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        for _ in range(100):
            if not house.crew.load:
                break
            await asyncio.sleep(0.02)
        done = runtime.steps
        await asyncio.sleep(0.2)
        assert runtime.steps <= done + 1
        runtime.delay = 0.0
        return await client.call_tool("generate", {"prompt": "a blue ring"})

    assert not connected(house, work, mode=mode).is_error
    assert runtime.steps < 100
    with house.tenants.session(LOCAL, "main") as session:
        assert [step.status for step in session.log()] == ["done"]
    house.close()


def test_a_call_ends_in_time(tmp_path):
    """What takes longer than the server allows is an error that says so."""
    house = House(FakeRuntime(delay=20.0), Settings(data=tmp_path, call_timeout=0.3))

    async def work(client):
        return await client.call_tool("generate", {"prompt": "a red star", "steps": 1000})

    result = connected(house, work)
    assert result.structured_content["error"]["code"] == "deadline"
    house.close()


def test_what_breaks_is_not_shown(house, monkeypatch, caplog):
    """A fault of ours is an error without its words; the log has them."""

    def broken(*_, **options):
        raise RuntimeError("/secret/path")

    async def work(client):
        return await client.call_tool("generate", {"prompt": "a red star"})

    monkeypatch.setattr(house.tenants, "session", broken)
    result = connected(house, work)
    assert result.is_error
    assert "secret" not in json.dumps(result.model_dump(mode="json"))
    assert "secret" in caplog.text
