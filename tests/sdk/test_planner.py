"""A text model elsewhere: its answers, whatever server gives them, and the loop that lets it call tools."""

import asyncio
import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from tests.runtime.answering import serving
from tests.runtime.cutting import CuttingProxy

import sightline as sl
from sightline.planner.chat_form import Gathered, Said, TextPiece, Wanted, said_of
from sightline_runtime.errors import BusyError, EngineError, InputError, UnauthorizedError
from sightline_runtime.transport import retrying

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pauses of our own are short."""
    monkeypatch.setattr(retrying, "BASE", 0.01)


def call(name, arguments, id_="call_1"):
    """A tool call in OpenAI's form."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def completion(content="hi", calls=None, finish="stop"):
    """A whole answer, as OpenAI's own types have it."""
    message = {"role": "assistant", "content": content, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    data = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
    ChatCompletion.model_validate(data)
    return data


def chunks(*deltas, finish="stop"):
    """An answer in pieces, as OpenAI's own types have them, and as bytes."""
    told = [(delta, None) for delta in deltas] + [({}, finish)]
    body = ""
    for delta, end in told:
        choice = {"index": 0, "delta": delta, "finish_reason": end}
        data = {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [choice],
        }
        ChatCompletionChunk.model_validate(data)
        body += f"data: {json.dumps(data)}\n\n"
    return (body + "data: [DONE]\n\n").encode()


@pytest.fixture
def planner_at():
    """Makes planners that are closed at the end."""
    made = []

    def make(url, **options):
        made.append(sl.Planner(url, "m", **({"timeout": 5.0} | options)))
        return made[-1]

    yield make
    for planner in made:
        planner.close()


def test_it_asks_in_the_chat_form(planner_at):
    """Model, messages, tools and options go out; text, calls, reason and tokens come back."""
    answer = completion(None, [call("look", '{"at": "img1"}')], "tool_calls")
    with serving(lambda n, h: h.reply(body=json.dumps(answer).encode())) as (url, seen):
        said = planner_at(f"{url}/v1", api_key="k1").chat(HELLO, [TOOL], temperature=0.5)
        assert said == Said("", (Wanted("call_1", "look", '{"at": "img1"}'),), "tool_calls", 5, 2)
        method, path, headers, body = seen[0]
        assert (method, path, headers["authorization"]) == ("POST", "/v1/chat/completions", "Bearer k1")
        assert json.loads(body) == {"model": "m", "messages": HELLO, "tools": [TOOL], "temperature": 0.5}
        assert said.message == {
            "role": "assistant",
            "content": None,
            "tool_calls": [call("look", '{"at": "img1"}')],
        }
        assert Said("").message == {"role": "assistant", "content": ""}


def test_it_streams(planner_at):
    """Text comes piece by piece, calls are put together by their index, the whole comes last."""
    body = chunks(
        {"role": "assistant", "content": "I "},
        {"content": "look"},
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "undo", "arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"at":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ' "img1"}'}}]},
        finish="tool_calls",
    )
    with serving(lambda n, h: h.reply(body=body)) as (url, seen):
        pieces = list(planner_at(url).stream(HELLO))
        assert pieces[:2] == [TextPiece("I "), TextPiece("look")]
        calls = (Wanted("a", "look", '{"at": "img1"}'), Wanted("b", "undo", "{}"))
        assert pieces[2:] == [Said("I look", calls, "tool_calls")]
        assert json.loads(seen[0][3])["stream"] is True


def test_it_is_awaited_from_another_loop(planner_at):
    """In a notebook's loop, many at once."""
    with serving(lambda n, h: h.reply(body=json.dumps(completion()).encode())) as (url, seen):
        planner = planner_at(url)

        async def main():
            return await asyncio.gather(*(planner.chat_async(HELLO) for _ in range(5)))

        assert [said.text for said in asyncio.run(main())] == ["hi"] * 5
        assert len(seen) == 5


def test_a_paid_call_is_not_repeated(planner_at):
    """A lost answer may have been paid: one clear error. A busy server did nothing: it is asked again."""
    with serving(lambda n, h: h.reply()) as (url, seen), CuttingProxy(url, [0]) as proxy:
        with pytest.raises(EngineError, match="was lost"):
            planner_at(proxy.url).chat(HELLO)
        assert len(seen) == 1
    good = json.dumps(completion()).encode()
    with serving(lambda n, h: h.reply(429, retry_after_ms=1) if n < 3 else h.reply(body=good)) as (url, seen):
        assert planner_at(url).chat(HELLO).text == "hi"
        assert len(seen) == 3


def test_a_stream_that_began_is_not_begun_again(planner_at):
    """Before its first piece a refused stream is asked for again; a broken one is one clear error."""
    body = chunks(*[{"content": "word "}] * 20)
    answer = serving(lambda n, h: h.reply(503) if n < 2 else h.reply(body=body))
    with answer as (url, seen), CuttingProxy(url, [900]) as proxy:
        found = []
        with pytest.raises(EngineError, match="was lost"):
            found.extend(planner_at(proxy.url).stream(HELLO))
        assert len(seen) == 2


def test_leaving_a_stream_ends_it(planner_at):
    """The connection is given up, and the planner can be asked again."""
    stop = threading.Event()

    def slowly(number, handler):
        if number > 1:
            handler.reply(body=json.dumps(completion()).encode())
            return
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(chunks({"content": "a"}).split(b"\n\n")[0] + b"\n\n")
        stop.wait(5)

    with serving(slowly) as (url, _):
        planner = planner_at(url)
        for piece in planner.stream(HELLO):
            assert piece == TextPiece("a")
            break
        stop.set()
        assert planner.chat(HELLO).text == "hi"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": {"message": "bad key", "code": "invalid_api_key"}}, UnauthorizedError),
        (400, {"error": {"message": "no such model"}}, InputError),
        (200, {}, EngineError),
        (200, {"choices": []}, EngineError),
        (200, {"choices": [{"message": "hi"}]}, EngineError),
        (500, {"error": "broken"}, EngineError),
    ],
)
def test_what_is_no_answer_is_one_error_of_the_tree(planner_at, status, body, kind):
    """Refusals and rubbish, whatever server says them."""
    with serving(lambda n, h: h.reply(status, json.dumps(body).encode())) as (url, _):
        with pytest.raises(kind) as caught:
            planner_at(url).chat(HELLO)
        assert type(caught.value) is kind
        assert caught.value.hint


def test_requests_that_are_no_json_are_refused(planner_at):
    """Before anything is sent."""
    planner = planner_at("http://127.0.0.1:1")
    for wrong in ({"temperature": float("nan")}, {"seed": object()}):
        with pytest.raises(InputError, match="no JSON"):
            planner.chat(HELLO, **wrong)


def test_servers_differ_in_what_they_leave_out():
    """Calls without ids or with the same, arguments as an object, contents in parts."""
    calls = [
        {"function": {"name": "look", "arguments": {"at": "img1"}}},
        {"id": "x", "function": {"name": "look"}},
        {"id": "x", "function": {"name": "look", "arguments": ""}},
    ]
    content = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    said = said_of({"choices": [{"message": {"content": content, "tool_calls": calls}}]})
    assert said.text == "ab"
    assert [each.arguments for each in said.calls] == ['{"at": "img1"}', "{}", "{}"]
    assert len({each.id for each in said.calls}) == 3


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "delta", "content", "tool_calls", "function", "name", "usage"]
            ),
            inner,
        )
    ),
    max_leaves=10,
)


@given(json_data)
@settings(max_examples=150, deadline=None)
def test_any_json_is_an_answer_or_one_error(data):
    """Whole or in pieces, rubbish is EngineError and never another exception."""
    gathered = Gathered()
    for read in (lambda: said_of(data), lambda: gathered.add(json.dumps(data)), gathered.said):
        try:
            read()
        except EngineError as error:
            told = error
        else:
            told = None
        assert told is None or told.hint


class Scripted:
    """A planner that says what a test wrote down; notes what it was asked."""

    def __init__(self, *script):
        self.script, self.asked = list(script), []

    def chat(self, messages, tools=()):
        """The next line, or nonsense calls for ever."""
        self.asked.append((messages, tools))
        if not self.script:
            return Said("", (Wanted(f"c{len(self.asked)}", "nonsense", "{{"),), "tool_calls", 1, 1)
        return self.script.pop(0)


def wants(*calls):
    """What a model says that calls tools."""
    return Said("", tuple(Wanted(f"c{n}", name, json.dumps(args)) for n, (name, args) in enumerate(calls)))


def test_a_planner_drives_a_session(session):
    """It draws, looks at what it drew, and answers; every call is answered once, in a session's steps."""
    planner = Scripted(
        wants(("generate", {"prompt": "two green stars"})),
        wants(("understand", {"image": "img1", "question": "how many stars are there ?"})),
        Said("There are two.", prompt_tokens=9, completion_tokens=3),
    )
    driven = sl.drive(planner, session.toolset(), "draw two green stars and count them")
    assert (driven.text, driven.why, driven.turns, driven.tokens) == ("There are two.", "answered", 3, 12)
    assert driven.answered
    assert [step.tool for step in session.log()] == ["understand", "generate"]
    roles = [message["role"] for message in driven.messages]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert "two" in str(driven.messages[4]["content"])
    assert "image_url" not in json.dumps(driven.messages)


def test_a_planner_that_sees_is_shown_previews(session):
    """With `pictures` a user message with the preview follows the answer of the tool."""
    planner = Scripted(wants(("generate", {"prompt": "a red star"})), Said("done"))
    driven = sl.drive(planner, session.toolset(), "draw", pictures=True)
    assert [m["role"] for m in driven.messages] == ["user", "assistant", "tool", "user", "assistant"]
    assert "image_url" in json.dumps(driven.messages[3])


def test_a_planner_that_never_ends_is_ended(session):
    """By turns, the last without tools; by time; and no call is left without an answer."""
    planner = Scripted()
    driven = sl.drive(planner, session.toolset(), "go on for ever", max_turns=4)
    assert (driven.why, driven.turns, len(planner.asked)) == ("turns", 4, 4)
    assert [bool(tools) for _, tools in planner.asked] == [True, True, True, False]
    asked = [c["id"] for m in driven.messages for c in m.get("tool_calls", ())]
    answered = [m["tool_call_id"] for m in driven.messages if m["role"] == "tool"]
    assert asked == answered
    assert sl.drive(Scripted(), session.toolset(), "be quick", seconds=0.0).why == "seconds"
    with pytest.raises(InputError, match="max_turns"):
        sl.drive(Scripted(), session.toolset(), "x", max_turns=0)


def test_a_busy_server_is_told_as_busy(planner_at):
    """What stays busy is BusyError with the time to wait."""
    with serving(lambda n, h: h.reply(429, retry_after_ms=2)) as (url, _):
        with pytest.raises(BusyError) as caught:
            planner_at(url, tries=2).chat(HELLO)
        assert caught.value.retry_after == pytest.approx(0.002)


def test_our_own_server_is_a_planner_too(served):
    """The client and the server of the chat form agree, whole and in pieces."""
    with sl.Planner(f"{served[0]}/v1", "fake", timeout=5.0) as planner:
        said = planner.chat([{"role": "user", "content": "is there a star ?"}])
        assert said.text
        pieces = list(planner.stream([{"role": "user", "content": "is there a star ?"}]))
        assert "".join(piece.text for piece in pieces[:-1]) == pieces[-1].text == said.text
        with pytest.raises(sl.NotFoundError, match="no model"):
            sl.Planner(f"{served[0]}/v1", "other").chat(HELLO)
