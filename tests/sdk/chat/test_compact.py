"""The dialect of the embedded model: its four acts as calls of the caller's tools."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.chat.compact import Compact
from sightline.chat.turns import Offer, ToolCall, Turn
from sightline_runtime.protocol import ImageSlot, Message, TextRequest

COMPACT = Compact()


def offer(name, required=(), **properties):
    """A tool with arguments by their schemas."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Offer(name, "", schema)


TEXT = {"type": "string"}
EDIT = offer("edit", ["image", "instruction"], image=TEXT, instruction=TEXT)
STRICT = offer(
    "sightline_edit",
    ["image", "instruction", "n", "region"],
    image=TEXT,
    instruction=TEXT,
    n={"type": ["integer", "null"]},
    region={"anyOf": [{"type": "object"}, {"type": "null"}]},
)


def test_a_line_asks_for_a_call():
    """With tools the mark that a call is wanted comes first, and calls are told in the model's own form."""
    calls = (ToolCall("sightline_edit", {"image": "img1", "instruction": "make it red"}, "a"),)
    turns = [
        Turn("system", ("Be brief.",)),
        Turn("user", ("make it red",)),
        Turn("assistant", calls=calls),
        Turn("tool", ("done",), answers="a"),
        Turn("user", ("undo that",)),
    ]
    assert COMPACT.messages(turns, [EDIT]) == (
        Message("system", ("tools",)),
        Message("user", ("make it red",)),
        Message("assistant", ("edit ( make it red )",)),
        Message("user", ("undo that",)),
    )
    assert all(message.role != "system" for message in COMPACT.messages(turns, ()))


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("edit ( make the star red )", EDIT, {"image": "last", "instruction": "make the star red"}),
        (
            "edit ( picture two , make the star red )",
            EDIT,
            {"image": "img2", "instruction": "make the star red"},
        ),
        (
            "edit ( make the star red )",
            STRICT,
            {"image": "last", "instruction": "make the star red", "n": None, "region": None},
        ),
        ("generate ( a star )", offer("app.generate", ["what"], what=TEXT), {"what": "a star"}),
        ("undo ( )", offer("undo"), {}),
        ("undo ( )", offer("undo", ["n"], n={"anyOf": [{"type": "integer"}, {"type": "null"}]}), {"n": None}),
    ],
)
def test_an_act_becomes_a_call_of_the_tool_that_means_it(text, tool, arguments):
    """Text, picture and what is left open are filled in by the tool's own schema."""
    reply = COMPACT.reply(text, [tool])
    assert reply.calls == (ToolCall(tool.name, arguments),)
    assert reply.text == ""


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        ("a red star", [EDIT]),
        ("edit ( )", [EDIT]),
        ("edit ( make the star red )", [offer("credit", ["instruction"], instruction=TEXT)]),
        ("edit ( make the star red )", [offer("edit", ["strength"], strength={"type": "number"})]),
        ("edit ( make the star red )", [offer("edit", ["a", "b"], a=TEXT, b=TEXT)]),
        ("edit ( make the star red )", [offer("edit")]),
        ("edit ( make the star red )", [Offer("edit", "", {"properties": 3, "required": 4})]),
    ],
)
def test_what_no_tool_stands_for_stays_text(text, tools):
    """Text that is no act, and acts that no offered tool can take, are text."""
    reply = COMPACT.reply(text, tools)
    assert reply.calls == ()
    assert reply.text == text


def test_a_question_without_a_tool_is_asked_anew():
    """A call to understand that nobody offered tells the question, so that it can be answered."""
    assert COMPACT.reply("understand ( what color is it ? )", [EDIT]).asks == "what color is it ?"


def test_what_the_tools_said_is_the_answer():
    """After a tool's message, and the picture that it made, the model has nothing to add."""
    turns = [
        Turn("user", ("go",)),
        Turn("assistant", calls=(ToolCall("edit", {}, "a"),)),
        Turn("tool", ("img2 64x64",), answers="a"),
    ]
    assert COMPACT.settled(turns) == "img2 64x64"
    assert COMPACT.settled([*turns, Turn("user", ("img2", ImageSlot(0)))]) == "img2 64x64"
    assert COMPACT.settled([*turns, Turn("user", ("and now ?",))]) is None


@given(
    st.text(),
    st.recursive(
        st.none() | st.text() | st.integers(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    ),
)
def test_no_text_and_no_schema_breaks_it(text, schema):
    """Whatever the model writes and the caller's schema is, there is a reply."""
    for said in (text, f"edit ( {text} )", "undo ( )"):
        COMPACT.reply(
            said, [Offer("edit", "", {"properties": {"a": schema}, "required": ["a"]}), Offer("undo")]
        )


def test_the_embedded_model_calls(embedded):
    """Lines that the model was trained on become calls."""
    for line, name in (
        ("make the star red", "edit"),
        ("draw two green stars", "generate"),
        ("undo that", "undo"),
    ):
        tools = [EDIT, offer("generate", ["prompt"], prompt=TEXT), offer("undo")]
        request = TextRequest(COMPACT.messages([Turn("user", (line,))], tools))
        reply = COMPACT.reply(embedded.generate_text(request).result(60).text, tools)
        assert [call.name for call in reply.calls] == [name]
