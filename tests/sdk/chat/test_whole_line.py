"""Lines that lean on the dialogue, made whole by rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.chat.whole_line import whole_line
from sightline_runtime.protocol import Message

DRAWN, COUNTED = "generate ( two green stars )", "understand ( how many stars are there ? )"
RED, COLOR = "edit ( make the star red )", "understand ( what color is the star ? )"
RING = "edit ( add a blue ring )"


def whole(line, *calls):
    """A line after some calls."""
    said = [Message("assistant", (call,)) for call in calls]
    return whole_line([*said, Message("user", (line,))])


@pytest.mark.parametrize(
    ("calls", "line", "meant"),
    [
        ([DRAWN, COUNTED, RED], "and now ?", "how many stars are there ?"),
        ([DRAWN, COUNTED, RED], "how many are there now ?", "how many stars are there ?"),
        ([DRAWN], "make one red", "make the green star red"),
        ([DRAWN], "make them red", "make the green stars red"),
        ([RED], "make it blue", "make the star blue"),
        ([RED], "no , blue", "make the star blue"),
        ([RED], "blue instead", "make the star blue"),
        ([RED], "and the ring too", "make the ring red"),
        ([RED], "do the same with the circle", "make the circle red"),
        ([RING], "what color is it ?", "what color is the blue ring ?"),
        ([RING], "please remove it", "remove the blue ring"),
        ([COLOR], "what about the ring ?", "what color is the ring ?"),
        ([COLOR], "and the background ?", "what color is the background ?"),
        ([COUNTED], "and rings ?", "how many rings are there ?"),
        ([COUNTED], "and blue ones ?", "how many blue stars are there ?"),
        ([DRAWN], "again on a black background", "draw two green stars on a black background"),
        ([DRAWN], "the same in red", "draw two red stars"),
        ([DRAWN], "draw it again", "draw two green stars"),
        ([RING], "add another one", "add a blue ring"),
        ([], "and now ?", "and now ?"),
        ([DRAWN], "draw a red circle", "draw a red circle"),
    ],
)
def test_what_is_left_open_is_filled_in(calls, line, meant):
    """From the last question, edit or prompt; a line that says all stays as it is."""
    assert whole(line, *calls) == meant


@given(st.text(max_size=60), st.lists(st.sampled_from([DRAWN, COUNTED, RED, COLOR, RING]), max_size=3))
def test_any_line_stays_a_line(line, calls):
    """Nothing is raised, and a line that says something is never emptied."""
    assert whole(line, *calls).strip() or not line.strip()
