"""Trimming a dialogue is a view: whole exchanges go, instructions and the last line stay."""

from hypothesis import given
from hypothesis import strategies as st

from sightline.chat.trim import Trim, newest_shown
from sightline.chat.turns import ToolCall, Turn, check
from sightline_runtime.protocol import ImageSlot, Message


def exchange(number, calls):
    """A line, and calls with their answers."""
    made = tuple(ToolCall("crop", {"box": "x" * 40}, f"{number}-{place}") for place in range(calls))
    answers = [Turn("tool", ("done",), answers=call.id) for call in made]
    said = [Turn("assistant", calls=made), *answers] if made else []
    return [Turn("user", (f"line {number}",)), *said, Turn("assistant", ("so it is",))]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(1, 9), st.integers(1, 120))
def test_what_is_left_is_a_dialogue(calls, turns, tokens):
    """No call is left without its answer, and the last line is always there."""
    whole = [Turn("system", ("be brief",))]
    for number, count in enumerate(calls):
        whole += exchange(number, count)
    whole.append(Turn("user", ("and now ?",)))
    kept = Trim(turns=turns, tokens=tokens).apply(whole, 4096)
    check(kept)
    assert kept[0].role == "system"
    assert kept[-1].text == "and now ?"
    assert sum(turn.role == "user" for turn in kept) <= turns


def test_a_model_that_cuts_by_itself_gets_all():
    """Without a bound on tokens only the number of lines counts."""
    whole = [turn for number in range(20) for turn in exchange(number, 1)]
    assert Trim().apply(whole, None) == whole
    assert len(Trim().apply(whole, 256)) < len(whole)


def test_only_the_newest_pictures_are_shown():
    """Older ones are left out of their messages; a message that only showed one is gone."""
    said = [Message("user", (ImageSlot(place), *([] if place == 1 else ["look"]))) for place in range(4)]
    shown = newest_shown(said, 2)
    assert [message.content for message in shown] == [
        ("look",),
        (ImageSlot(2), "look"),
        (ImageSlot(3), "look"),
    ]
