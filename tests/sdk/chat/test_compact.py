"""The dialect of the embedded model: its acts as calls of the caller's tools."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.chat.compact import Compact
from sightline.chat.turns import Offer, ToolCall, Turn
from sightline_runtime.protocol import ImageSlot, TextRequest

COMPACT = Compact()


def offer(name, required=(), **properties):
    """A tool with arguments by their schemas."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Offer(name, "", schema)


ASKED = Turn("user", ("go",))
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


def call(name, answers="a", **arguments):
    """An assistant's turn with one call."""
    return Turn("assistant", calls=(ToolCall(name, arguments, answers),))


def told(*turns):
    """The transcript of turns, as one text a message with the first letter of its role."""
    return [f"{message.role[0]}: {message.text}" for message in COMPACT.messages(turns, [EDIT])]


def test_a_dialogue_is_lines_calls_and_short_results():
    """Calls are told in the model's own form, pictures by number, and nothing that the system says."""
    assert told(
        Turn("system", ("Be brief.",)),
        Turn("user", ("draw two stars",)),
        call("generate", prompt="two stars"),
        Turn("tool", ("made img5 64x64",), answers="a"),
        Turn("user", ("img5", ImageSlot(0))),
        Turn("assistant", ("made img5",)),
        Turn("user", ("make one red",)),
        call("sightline_edit", image="last", instruction="make one star red"),
        Turn("tool", ("made img6 64x64",), answers="a"),
        Turn("assistant", ("made img6",)),
        Turn("user", ("how many in the first ?",)),
        call("understand", image="img5", question="how many stars are there ?"),
        Turn("tool", ("two",), answers="a"),
        Turn("user", ("undo that",)),
        call("undo"),
        Turn("tool", ("you are at step 8f3a",), answers="a"),
        Turn("user", ("and now ?",)),
    ) == [
        "s: tools",
        "u: draw two stars",
        "a: generate ( two stars )",
        "s: picture one",
        "u: make one red",
        "a: edit ( make one star red )",
        "s: picture two",
        "u: how many in the first ?",
        "a: understand ( picture one , how many stars are there ? )",
        "s: two",
        "u: undo that",
        "a: undo ( )",
        "s: picture one",
        "u: and now ?",
    ]


def test_a_picture_from_outside_has_a_number():
    """It is told before the line that it comes with; an answer without a call is told as one."""
    turns = (
        Turn("user", (ImageSlot(0), "what is it ?")),
        Turn("assistant", ("a star",)),
        Turn("user", ("make it red",)),
    )
    assert told(*turns) == [
        "s: tools",
        "s: picture one",
        "u: what is it ?",
        "a: understand ( what is it ? )",
        "s: a star",
        "u: make it red",
    ]
    assert [message.role for message in COMPACT.messages(turns, ())] == ["user", "user"]


def test_a_tool_that_failed_made_no_picture():
    """What is looked at stays what it was."""
    lines = told(
        Turn("user", (ImageSlot(0), "make the ring red")),
        call("edit", instruction="make the ring red"),
        Turn("tool", ("Error (bad_input): there is no ring",), answers="a"),
        Turn("user", ("make the star red",)),
    )
    assert lines[-2:] == ["s: picture one", "u: make the star red"]


def test_a_picture_is_named_as_the_tools_named_it():
    """The second picture of the dialogue is the one whose name its tool's answer told."""
    turns = [
        Turn("user", (ImageSlot(0), "make it red")),
        call("edit", instruction="make the star red"),
        Turn("tool", ("made img9",), answers="a"),
        Turn("user", ("again",)),
    ]
    said = COMPACT.reply("edit ( picture two , make the star red )", [EDIT], turns)
    assert said.calls[0].arguments["image"] == "img9"
    assert COMPACT.reply("show ( picture one )", [offer("look", ["image"], image=TEXT)], turns).calls == (
        ToolCall("look", {"image": "img1"}),
    )


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
    looked = [
        ASKED,
        call("understand", question="x"),
        Turn("tool", ("text: red\nconfidence: 0.9",), answers="a"),
    ]
    assert COMPACT.settled(looked) == "red"
    assert told(*looked, ASKED)[3] == "s: red"


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
