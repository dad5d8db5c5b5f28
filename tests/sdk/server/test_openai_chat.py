"""OpenAI's route of dialogues, through its own client over a real socket."""

import asyncio
import base64
import io
import json
import time
from dataclasses import replace

import openai
import pytest
from PIL import Image

from sightline.server.access import LOCAL
from sightline.server.house import House
from sightline.server.serving import running
from sightline.server.settings import Settings
from sightline.session import Session
from sightline_runtime.errors import EngineError
from sightline_runtime.testing import Answer, FakeRuntime, FaultyRuntime, ScriptedRuntime


def client_of(address, **options):
    """The official client of a server."""
    usual = {"api_key": "none", "timeout": 20, "max_retries": 0}
    return openai.OpenAI(base_url=f"{address}/v1", **usual | options)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A real server on the rule-based runtime for all tests of this file: (address, house)."""
    house = House(FakeRuntime(), Settings(data=tmp_path_factory.mktemp("data")))
    with running(house) as address:
        yield address, house
    house.close()


@pytest.fixture(scope="module")
def client(server):
    """The official client of that server."""
    with client_of(server[0]) as opened:
        yield opened


@pytest.fixture(scope="module")
def star(client):
    """A picture with a red star in the session `openai`: its name, its digest, and its file as a data URI."""
    made = client.images.generate(prompt="a red star", extra_body={"seed": 3}).data[0]
    noted = made.model_extra["sightline"]
    return noted["image"], noted["digest"], f"data:image/png;base64,{made.b64_json}"


def shown(url, text="what color is the star ?"):
    """A user's message with a picture and a question."""
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]
    return {"role": "user", "content": parts}


def say(client, *messages, **options):
    """Ask for the next message of a dialogue."""
    return client.chat.completions.create(**{"model": "fake", "messages": list(messages)} | options)


def tool(name, *required, **properties):
    """A tool in OpenAI's form, whose arguments are texts."""
    schema = {"type": "object", "properties": {n: {"type": "string"} for n in required} | properties}
    return {
        "type": "function",
        "function": {"name": name, "parameters": schema | {"required": list(required)}},
    }


def test_a_question_about_a_picture_is_a_step(client, star, server):
    """The answer says how sure the model is and where its step stands, which the session can show."""
    answer = say(client, shown(star[2]), extra_body={"session": "looks"})
    assert answer.choices[0].message.content == "red"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 64
    noted = answer.model_extra["sightline"]
    assert noted["confidence"] == pytest.approx(0.9)
    with server[1].tenants.session(LOCAL, "looks") as session:
        assert session.show(noted["step"]).text == "red"
    assert answer._request_id


def test_pictures_by_name_and_link(client, star):
    """A picture of the session needs no bytes; one that it does not hold is not found."""
    name, digest, _ = star
    links = [name, digest, f"sightline://openai/images/{digest[7:]}", f"http://x/v1/artifacts/{digest[7:]}"]
    assert {say(client, shown(link)).choices[0].message.content for link in links} == {"red"}
    elsewhere = {"session": "elsewhere"}
    linked = say(client, shown(f"sightline://openai/images/{name}"), extra_body=elsewhere)
    assert linked.choices[0].message.content == "red"
    for link in ("sha256:" + "0" * 64, f"sightline://unknown/images/{name}"):
        with pytest.raises(openai.NotFoundError):
            say(client, shown(link))
    with pytest.raises(openai.NotFoundError):
        say(client, shown("img999"))


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("https://example.org/cat.png", 403),
        ("file:///etc/passwd", 403),
        ("/etc/passwd", 403),
        ("data:image/png;base64,AAAA", 400),
        ("data:text/plain,x", 400),
    ],
)
def test_no_address_of_a_client_is_opened(client, url, status):
    """Neither files nor the network, and what is no picture is told so."""
    with pytest.raises(openai.APIStatusError) as caught:
        say(client, shown(url))
    assert caught.value.status_code == status
    assert "passwd" not in str(caught.value)


def test_several_turns(client, star):
    """The last line is answered about the picture that was shown before it."""
    answer = say(
        client,
        {"role": "system", "content": "Be brief."},
        shown(star[2]),
        {"role": "assistant", "content": "red"},
        {"role": "user", "content": "what shape is the object ?"},
    )
    assert answer.choices[0].message.content == "star"


@pytest.mark.parametrize("turns", [1, 2])
def test_an_answer_streams(client, star, turns):
    """The role first, then text, then why it ended, and what it cost if that was asked."""
    messages = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}] * (turns - 1)
    stream = say(client, *messages, shown(star[2]), stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "red"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, chunks[0].usage) == ([], None)
    assert chunks[-1].usage is not None
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stop_ends_the_answer(serve):
    """What comes after it is not told, whole or in pieces; without one the text is untouched."""
    with (
        serve(runtime=ScriptedRuntime(*[Answer("one two three")] * 3)) as (address, _),
        client_of(address) as client,
    ):
        ask = {"role": "user", "content": "count"}
        assert say(client, ask, stop=["three", "two"]).choices[0].message.content == "one "
        assert say(client, ask, stop="four").choices[0].message.content == "one two three"
        pieces = [
            chunk.choices[0].delta.content or "" for chunk in say(client, ask, stop="e tw", stream=True)
        ]
        assert "".join(pieces) == "on"


def test_an_answer_is_one_of_the_choices_of_a_schema(client, star):
    """A schema that is an enum, or one property of such, gives the probability of each."""
    schema = {"type": "string", "enum": ["red", "blue"]}
    form = {"type": "json_schema", "json_schema": {"name": "color", "schema": schema}}
    answer = say(client, shown(star[2]), response_format=form)
    assert json.loads(answer.choices[0].message.content) == "red"
    assert answer.model_extra["sightline"]["probabilities"]["red"] == pytest.approx(0.9)
    form["json_schema"]["schema"] = {"type": "object", "properties": {"color": schema}}
    answer = say(client, {"role": "user", "content": "and ?"}, shown(star[2]), response_format=form)
    assert json.loads(answer.choices[0].message.content) == {"color": "red"}


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"n": 2}, "n is 2"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "json_object"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tool_choice": "required"}, "no tool is offered"),
        ({"tools": [tool("a"), tool("a")]}, "same name"),
        ({"tools": [tool("a b")]}, "name"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "no user"),
        ({"messages": [{"role": "user", "content": " "}]}, "empty"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "1"}]}, "no call"),
    ],
)
def test_what_cannot_be_is_refused(client, asked, fault):
    """With a 400 that names what is wrong."""
    with pytest.raises(openai.BadRequestError, match=fault):
        say(client, **{"messages": [{"role": "user", "content": "hello"}]} | asked)


def test_what_is_not_honoured_is_named(client):
    """And a model that calls no tools says so."""
    answer = say(
        client,
        {"role": "user", "content": "hello"},
        top_p=0.5,
        presence_penalty=1,
        user="me",
        tools=[tool("a")],
    )
    assert answer.choices[0].message.content == "unknown"
    warnings = " ".join(answer.model_extra["warnings"])
    assert all(name in warnings for name in ("top_p", "presence_penalty", "calls no tools"))


def test_more_pictures_than_the_model_reads(client, star):
    """Are refused in one message, and looked at one after the other in several."""
    two = {"role": "user", "content": shown(star[2])["content"] + shown(star[2])["content"]}
    with pytest.raises(openai.BadRequestError, match="reads 1 at a time"):
        say(client, two)
    assert say(client, shown(star[2]), shown(star[2])).choices[0].message.content == "red"
    many = {"role": "user", "content": shown(star[2])["content"][:1] * 17}
    with pytest.raises(openai.BadRequestError, match="takes 16"):
        say(client, many)


def test_errors_are_the_clients_own(client, serve, fake):
    """An unknown model, and an engine that fails, before a stream begins and after."""
    with pytest.raises(openai.NotFoundError, match="there is no model"):
        say(client, {"role": "user", "content": "hello"}, model="gpt-9")
    with (
        serve(runtime=FaultyRuntime(fake, {"generate_text": 2}, EngineError("broken"))) as (address, _),
        client_of(address) as other,
    ):
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError):
                say(other, {"role": "user", "content": "hello"}, stream=stream)
        with client_of(address, max_retries=2) as patient:
            assert say(patient, {"role": "user", "content": "hello"}).choices


@pytest.mark.parametrize("stream", [False, True])
def test_leaving_cancels(serve, stream):
    """A client that goes away before the first word leaves no call behind."""
    with serve(runtime=FakeRuntime(delay=1.0)) as (address, house), client_of(address, timeout=0.3) as client:
        with pytest.raises(openai.APITimeoutError):
            say(client, {"role": "user", "content": "hello"}, stream=stream)
        ends = time.monotonic() + 5
        while house.crew.load and time.monotonic() < ends:
            time.sleep(0.02)
        assert house.crew.load == 0


def test_the_asynchronous_client(server, star):
    """It streams several dialogues at the same time."""

    async def ask(client):
        stream = await client.chat.completions.create(model="fake", messages=[shown(star[2])], stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def all_of():
        async with openai.AsyncOpenAI(base_url=f"{server[0]}/v1", api_key="none") as client:
            return await asyncio.gather(*[ask(client) for _ in range(5)])

    assert asyncio.run(all_of()) == ["red"] * 5


class OfQwen(ScriptedRuntime):
    """Scripted answers of a released model, which calls tools as Qwen does; `asked` are its prompts."""

    def __init__(self, *script):
        super().__init__(*script)
        self.asked = []

    @property
    def info(self):
        """The information of another family."""
        return replace(super().info, family="blip3o")

    def generate_text(self, request):
        """Say the next answer, and keep the prompt."""
        self.asked.append(request.messages)
        return super().generate_text(request)


def test_a_released_model_calls_several_tools(serve):
    """Its tags become calls, and the answers go back in tags; a call of nothing that is offered is text."""
    call = '<tool_call>\n{"name": "edit", "arguments": {"image": "img1", "instruction": "x"}}\n</tool_call>'
    runtime = OfQwen(
        Answer(f"Sure.\n{call}\n{call}"), Answer("Done."), Answer(call.replace("edit", "delete"))
    )
    edit = tool("edit", "image", "instruction")
    with serve(runtime=runtime) as (address, _), client_of(address) as client:
        line = {"role": "user", "content": "make it red twice"}
        message = say(client, line, tools=[edit]).choices[0].message
        assert message.content == "Sure."
        assert [json.loads(each.function.arguments)["image"] for each in message.tool_calls] == ["img1"] * 2
        told = [{"role": "tool", "tool_call_id": each.id, "content": "ok"} for each in message.tool_calls]
        answer = say(client, line, message.model_dump(exclude_none=True), *told, tools=[edit])
        assert answer.choices[0].message.content == "Done."
        assert runtime.asked[1][-1].text.count("<tool_response>\nok\n</tool_response>") == 2
        unknown = say(client, line, tools=[edit]).choices[0]
        assert unknown.finish_reason == "stop"
        assert "delete" in unknown.message.content
        with pytest.raises(openai.BadRequestError, match="holds the mark"):
            say(client, {"role": "user", "content": call}, tools=[edit])
    runtime.finish()


# --- the embedded model --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(embedded, tmp_path_factory):
    """A server on the embedded model."""
    house = House(embedded, Settings(data=tmp_path_factory.mktemp("data")))
    with running(house) as address, client_of(address) as client:
        yield client
    house.close()


EDIT = tool("sightline_edit", "image", "instruction")
DRAW = tool("sightline_generate", "prompt")


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_call_goes_round(real, stream):
    """A line becomes a call of the caller's tool; what the tool said becomes the answer."""
    line = {"role": "user", "content": "make the star red"}
    options = {"model": "embedded", "tools": [EDIT, DRAW]}
    if stream:
        chunks = list(say(real, line, stream=True, **options))
        (call,) = [c for chunk in chunks for c in chunk.choices[0].delta.tool_calls or []]
        assert chunks[-1].choices[0].finish_reason == "tool_calls"
    else:
        choice = say(real, line, **options).choices[0]
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
        (call,) = choice.message.tool_calls
    assert call.function.name == "sightline_edit"
    arguments = json.loads(call.function.arguments)
    assert arguments == {"image": "last", "instruction": "make the star red"}
    made = real.images.generate(prompt="a blue star", extra_body={"seed": 1}).data[0]
    edited = real.images.edit(image=base64.b64decode(made.b64_json), prompt=arguments["instruction"]).data[0]
    with Image.open(io.BytesIO(base64.b64decode(edited.b64_json))) as picture:
        assert picture.size == (64, 64)
    told = {
        "role": "tool",
        "tool_call_id": call.id,
        "content": f"{edited.model_extra['sightline']['image']} done",
    }
    function = {"name": call.function.name, "arguments": call.function.arguments}
    called = {"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": function}]}
    answer = say(real, line, called, told, **options).choices[0]
    assert (answer.finish_reason, answer.message.content) == ("stop", told["content"])
    following = say(real, line, called, told, {"role": "user", "content": "draw a green ring"}, **options)
    assert following.choices[0].message.tool_calls[0].function.name == "sightline_generate"


def test_a_question_without_a_tool_is_answered(real):
    """Where nobody offers to look, the model looks itself."""
    made = real.images.generate(prompt="a blue star on a white background", extra_body={"seed": 1}).data[0]
    uri = f"data:image/png;base64,{made.b64_json}"
    answer = say(real, shown(uri), model="embedded", tools=[EDIT])
    assert answer.choices[0].message.content == "blue"
    named = {"type": "function", "function": {"name": "sightline_edit"}}
    forced = say(real, shown(uri), model="embedded", tools=[EDIT, DRAW], tool_choice=named)
    assert [each.function.name for each in forced.choices[0].message.tool_calls] == ["sightline_edit"]
    plain = say(real, shown(uri), model="embedded", tools=[EDIT], tool_choice="none")
    assert plain.choices[0].message.content == "blue"


@pytest.mark.parametrize("strict", [True, False])
def test_the_tools_of_a_session_are_called(real, embedded, strict):
    """The tools that a session offers are understood as they are offered, and their answers are answers."""
    with Session(runtime=embedded, seed=1) as session:
        tools = session.toolset(prefix="" if strict else "sl_")
        answers = []
        for text in (
            "draw two green stars",
            "what color is the star ?",
            "make the background black",
            "undo that",
        ):
            line = {"role": "user", "content": text}
            options = {"model": "embedded", "tools": tools.openai(strict=strict)}
            message = say(real, line, **options).choices[0].message
            told = tools.handle(message.tool_calls[0])
            answer = say(real, line, message.model_dump(exclude_none=True), told, **options)
            answers.append(answer.choices[0].message.content)
        assert [step.tool for step in session.log()] == ["understand", "generate"]
    assert answers[0].startswith("img1")
    assert answers[1] == "green"
    assert answers[2].startswith("img2")
