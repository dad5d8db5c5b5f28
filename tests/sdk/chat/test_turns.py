"""Dialogues that can be followed, and those that cannot."""

import pytest

from sightline.chat.dialect import dialect_of
from sightline.chat.turns import ToolCall, Turn, Written, check, instructions
from sightline.errors import InputError
from sightline_runtime.protocol import Message

ASKED = Turn("user", ("go",))
CALLED = Turn("assistant", calls=(ToolCall("edit", {}, "a"), ToolCall("edit", {}, "b")))


def answer(call):
    """The answer to a call."""
    return Turn("tool", ("done",), answers=call)


def test_answers_come_in_any_order():
    """Every call needs one answer before anything else."""
    check([ASKED, CALLED, answer("b"), answer("a")])
    check([ASKED, CALLED, answer("a"), answer("b"), ASKED])


@pytest.mark.parametrize(
    ("turns", "fault"),
    [
        ([Turn("system", ("x",))], "no user"),
        ([ASKED, Turn("assistant", ("x",))], "last message"),
        ([ASKED, CALLED], "last message"),
        ([ASKED, CALLED, ASKED], "has no answer"),
        ([ASKED, CALLED, answer("a")], "has no answer"),
        ([ASKED, CALLED, answer("a"), answer("a")], "waits for an answer"),
        ([ASKED, answer("a")], "waits for an answer"),
        ([ASKED, Turn("assistant", calls=CALLED.calls[:1] * 2), answer("a")], "same id"),
    ],
)
def test_what_cannot_be_followed_is_refused(turns, fault):
    """Orphans of both kinds, and dialogues that end with nothing to answer."""
    with pytest.raises(InputError, match=fault):
        check(turns)


def test_instructions_are_one_text():
    """Several system messages are read as one."""
    assert instructions([Turn("system", ("a", "b")), ASKED, Turn("system", ("c",))]) == "a\nb\n\nc"


def test_an_unknown_family_calls_no_tools():
    """Its dialogue is plain: answers of tools are said by the user."""
    plain = dialect_of("fake")
    turns = [Turn("system", ("x",)), ASKED, CALLED, answer("a"), answer("b")]
    assert [message.role for message in plain.messages(turns, ())] == ["system", "user", "user", "user"]
    assert plain.messages([ASKED], ()) == (Message("user", ("go",)),)
    assert plain.reply(" edit ( x ) ", ()) == Written("edit ( x )")
    assert not plain.calls_tools
    assert plain.settled(turns) is None
