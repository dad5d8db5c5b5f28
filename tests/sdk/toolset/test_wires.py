"""The four forms of calls and answers, against the vendors' own types."""

import base64
import io
import json

import pytest
from PIL import Image as PILImage
from pydantic import TypeAdapter
from tests.sdk.toolset.conftest import call_of

STAR = {"prompt": "a blue star"}


def checked(kind, value):
    """A value that the vendor's type takes, all of it: what their types call iterable is read late."""
    adapter = TypeAdapter(kind)  # what is read late needs it
    waiting = [adapter.validate_python(value)]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += item.values()
        elif not isinstance(item, str | int | None):
            waiting += list(item)
    return value


def test_chat_completions(ts):
    """The library's own tool call in, its own tool message out; the preview follows as a user message."""
    from openai.types.chat import (
        ChatCompletionMessageFunctionToolCall,
        ChatCompletionToolMessageParam,
        ChatCompletionUserMessageParam,
    )

    call = ChatCompletionMessageFunctionToolCall.model_validate(call_of("chat", "generate", STAR))
    answer = checked(ChatCompletionToolMessageParam, ts.handle(call))
    assert answer.keys() == {"role", "tool_call_id", "content"}
    assert answer["tool_call_id"] == "call_1"
    assert answer["content"].startswith("img2 (64x64, sha256:")
    assert "a blue star" in answer["content"]
    shown = checked(ChatCompletionUserMessageParam, ts.follow_up([answer]))
    assert "img2, which is 64x64" in shown["content"][0]["text"]
    url = shown["content"][1]["image_url"]["url"]
    assert opened(url.removeprefix("data:image/png;base64,")).size == (256, 256)
    assert ts.follow_up([{"role": "tool"}]) is None


def test_responses(ts):
    """A function call item in, its output with a picture out; without one a plain text."""
    from openai.types.responses import ResponseFunctionToolCall
    from openai.types.responses.response_input_item_param import FunctionCallOutput

    call = ResponseFunctionToolCall.model_validate(call_of("responses", "generate", STAR))
    answer = checked(FunctionCallOutput, ts.handle(call))
    text, picture = answer["output"]
    assert (answer["call_id"], text["type"], picture["type"]) == ("call_1", "input_text", "input_image")
    assert "[preview at 256x256: img2, which is 64x64]" in text["text"]
    asked = call_of("responses", "understand", {"image": "img2", "question": "what color is the star ?"})
    assert checked(FunctionCallOutput, ts.handle(asked))["output"].startswith("text: blue")


def test_anthropic(ts):
    """A tool_use block in, a tool_result with text and picture out; an error says that it is one."""
    from anthropic.types import ToolResultBlockParam, ToolUseBlock

    call = ToolUseBlock.model_validate(call_of("anthropic", "generate", STAR))
    answer = checked(ToolResultBlockParam, ts.handle(call))
    assert [block["type"] for block in answer["content"]] == ["text", "image"]
    assert (answer["tool_use_id"], answer["is_error"]) == ("call_1", False)
    assert opened(answer["content"][1]["source"]["data"]).size == (256, 256)
    wrong = checked(ToolResultBlockParam, ts.handle(call_of("anthropic", "crop", {})))
    assert wrong["is_error"] is True
    assert [block["type"] for block in wrong["content"]] == ["text"]


def test_plain(ts):
    """A name and arguments in; text, structured content and previews out."""
    answer = ts.handle({"name": "generate", "arguments": STAR})
    assert answer.keys() == {"id", "name", "text", "structured", "previews", "is_error"}
    [picture] = answer["structured"]["images"]
    assert (picture["alias"], picture["width"], picture["height"]) == ("img2", 64, 64)
    assert picture["uri"] == f"sightline://main/images/{picture['digest'].removeprefix('sha256:')}"
    assert json.loads(json.dumps(answer)) == answer


def opened(data):
    """A picture of a message."""
    return PILImage.open(io.BytesIO(base64.b64decode(data)))


def test_all_calls_of_a_chat_completion_are_answered_in_order(ts):
    """The whole answer of the client's method is taken; the previews come last, in one message."""
    from openai.types.chat import ChatCompletion

    calls = [
        call_of("chat", "generate", {"prompt": f"a {color} star"}, color)
        for color in ("red", "blue", "green")
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    whole = {"id": "1", "created": 1, "model": "m", "object": "chat.completion", "choices": [choice]}
    answers = ts.handle_all(ChatCompletion.model_validate(whole))
    assert [answer.get("tool_call_id") for answer in answers] == ["red", "blue", "green", None]
    assert len(answers[-1]["content"]) == 4
    assert [answer["content"].splitlines()[0].rsplit(": ")[-1] for answer in answers[:3]] == [
        "a red star",
        "a blue star",
        "a green star",
    ]


def test_all_calls_of_an_anthropic_message_are_answered_in_one(ts):
    """Its results come in a single user message; text and thoughts between the calls are no calls."""
    from anthropic.types import Message, MessageParam

    content = [
        {"type": "text", "text": "I draw.", "citations": None},
        call_of("anthropic", "generate", {"prompt": "a ring"}, "a"),
        call_of("anthropic", "crop", {"image": "img1", "box": [0, 0, 0.5, 0.5]}, "b"),
    ]
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = Message.model_validate(
        {
            **{"id": "m", "type": "message", "role": "assistant", "model": "c", "content": content},
            **{"stop_reason": "tool_use", "stop_sequence": None, "usage": usage},
        }
    )
    [answer] = ts.handle_all(message)
    checked(MessageParam, answer)
    assert [block["tool_use_id"] for block in answer["content"]] == ["a", "b"]
    assert all(len(block["content"]) == 2 for block in answer["content"])
    assert answer["content"][0].outcome.structured["images"][0]["alias"]


def test_all_calls_of_a_response_are_answered(ts):
    """Its output holds other items too."""
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage

    text = ResponseOutputMessage.model_validate(
        {"id": "t", "type": "message", "role": "assistant", "status": "completed", "content": []}
    )
    calls = [
        ResponseFunctionToolCall.model_validate(call_of("responses", "pictures", {}, name)) for name in "ab"
    ]
    answers = ts.handle_all([text, *calls])
    assert [(answer["type"], answer["call_id"]) for answer in answers] == [
        ("function_call_output", "a"),
        ("function_call_output", "b"),
    ]
    assert ts.handle_all(text) == []


@pytest.mark.parametrize(
    "message",
    [None, 3, "text", [], {}, {"content": "done"}, {"tool_calls": None}, {"choices": []}, [None, 3, "x", {}]],
)
def test_a_message_without_calls_needs_no_answer(ts, message):
    """Texts and nonsense."""
    assert ts.handle_all(message) == []


def test_an_id_is_answered_once(ts, session):
    """Of two calls with one id the first is done."""
    before = len(session.log())
    calls = [call_of("chat", "generate", {"prompt": name}, "same") for name in ("a star", "a ring")]
    answers = ts.handle_all({"tool_calls": calls})
    assert [answer["role"] for answer in answers] == ["tool", "user"]
    assert len(session.log()) == before + 1


def test_what_is_no_call_is_answered_too(ts, wire):
    """No name, an empty name, a custom tool: an answer in the same form."""
    for call in (call_of(wire, None, {}), call_of(wire, "", {}), {**call_of(wire, "crop", {}), "id": None}):
        assert ts.handle(call).outcome.fault is not None
    custom = ts.handle({"id": "c", "type": "custom", "custom": {"name": "shell", "input": "rm -rf /"}})
    assert custom["tool_call_id"] == "c"
    assert "no tool 'shell'" in custom["content"]


def test_the_same_call_is_the_same_step_in_every_form(ts, session, wire):
    """Every door builds the same recipe as the session's own verb."""
    drawn = session.generate("two green stars", n=2, seed=2**62)
    asked = {"prompt": "two green stars", "n": 2, "seed": str(2**62), "steps": None, "draft": None}
    answer = ts.handle(call_of(wire, "generate", asked))
    result = answer.outcome.result
    assert (result.step.recipe, result.cache.status) == (drawn.step.recipe, "hit")
    assert "made before" in answer.outcome.text
    assert answer.outcome.structured["step"]["seeds"] == [str(seed) for seed in drawn.seeds]
