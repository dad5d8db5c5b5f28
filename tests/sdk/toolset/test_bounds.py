"""However large, odd or ill-timed a call is: the answer is small, in time, and for the right picture."""

import json
import time

import pytest
from tests.sdk.toolset.conftest import call_of

import sightline as sl
from sightline.toolset.deadlines import within
from sightline.toolset.outcomes import Fault, Outcome
from sightline.toolset.telling import MOST_TEXT, cut
from sightline.tree.cancelling import Cancellation

LONG = "x" * 100_000


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("y" * 10**6, {}, "there is no tool 'yyy"),
        ("branch", {"name": LONG}, "cannot name a branch"),
        ("checkout", {"name": LONG}, "no branch"),
        (
            "understand",
            {"image": "img1", "question": "q", "choices": [LONG[:60_000]] * 2},
            "give different choices",
        ),
        ("annotate", {"image": "img1", "marks": [{"box": [0, 0, 1, 1], "color": LONG}]}, "is not a colour"),
        ("annotate", {"image": "img1", "marks": [{"box": [0, 0, 1, 1], LONG: 1}]}, "no such argument"),
        ("annotate", {"image": "img1", "marks": [{}] * 20_000}, "the first 10 of 20,000"),
        ("grid", {"images": ["img1"] * 18_000}, "more than 256 pictures"),
        ("grid", {"images": ["img9"] * 200}, "no picture img9"),
    ],
)
def test_a_wrong_call_however_large_gets_a_short_answer_soon(ts, name, arguments, said):
    """What was wrong is told, not repeated: a few kilobytes, whatever was sent."""
    began = time.monotonic()
    answer = ts.handle(call_of("plain", name, arguments))
    assert time.monotonic() - began < 20
    assert answer.outcome.fault.code in ("bad_input", "not_found")
    assert said in answer.outcome.text
    assert len(json.dumps(answer)) < 20_000
    assert len(json.dumps(answer.outcome.structured)) < 20_000


@pytest.mark.parametrize("arguments", [{"n": 10**5000}, {"seed": 10**5000}, {"image": -(10**5000)}])
def test_numbers_that_nobody_can_write_are_refused(ts, arguments):
    """As data they may have more digits than Python prints."""
    call = {"type": "tool_use", "id": "t", "name": "generate", "input": arguments}
    assert "too long" in ts.handle(call).outcome.fault.message


def test_a_cut_text_says_how_long_it_was():
    """Whatever its letters take as JSON."""
    text = cut("é" * 2**20)
    assert text.endswith("é … (cut: it has 1,048,576 characters)")
    assert MOST_TEXT // 2 < len(json.dumps(text)) <= MOST_TEXT


def test_an_object_that_breaks_when_it_is_read_is_a_call_of_nothing(ts):
    """A vendor's object may be anything."""

    class Broken:
        """Raises."""

        def __getattr__(self, name):
            raise RuntimeError(name)

    assert ts.handle(Broken()).outcome.fault.code == "not_found"
    assert ts.handle_all(Broken()) == []


def test_the_author_of_a_message_is_no_tool(ts):
    """The name of who speaks stands where a plain call has that of its tool."""
    assert ts.handle_all({"role": "assistant", "content": "hello", "name": "ada"}) == []


def test_calls_without_ids_are_all_answered(ts):
    """Some servers leave the ids out."""
    calls = [call_of("chat", name, {}, "") for name in ("pictures", "history")]
    assert len(ts.handle_all({"tool_calls": calls})) == 2


def test_without_previews_there_are_none(session, do):
    """A look too is told in words only."""
    session.generate("a red star")
    assert do(session.toolset(previews=0), "look", image="img1").previews == ()


def test_what_was_approved_is_what_is_done(session, do):
    """`last` is the picture that it was when approval was asked for."""
    session.generate("a red star")
    asked = session.toolset(approve=lambda _: None)
    call = {"name": "edit", "arguments": {"image": "last", "instruction": "make the star green"}}
    pending = json.loads(json.dumps(asked.handle(call).pending))
    session.generate("a blue ring")
    done = asked.resume(pending, approved=True).outcome
    assert do(session.toolset(), "understand", image="last", question="what shape is it ?").fault is None
    assert done.result.step.args["image"] == {"$image": session.show("img1").image.ref.pixels}


def test_a_wrap_that_refuses_everything_comes_to_an_end(session, do):
    """Its answers count as steps, once each, whether it asked the tool or not."""
    ts = session.toolset(budget=sl.Budget(steps=2))
    refusing = ts.wrapped(lambda invocation, go: Outcome.failed(Fault("declined", "no")))
    assert do(refusing, "pictures").fault.code == "declined"
    assert do(ts.wrapped(lambda invocation, go: go(invocation) and 3), "pictures").fault is not None
    assert ts.spent.steps == 2
    assert do(refusing, "pictures").fault.code == "over_budget"


def test_what_was_stopped_before_it_began_is_not_done(session):
    """However little time it would take: a verb moves no branch after the cancel."""
    session.generate("a red star")
    stop = Cancellation()
    stop.cancel()
    answer = stop.run(lambda: session.toolset().handle({"name": "undo"}))
    assert answer.outcome.fault.code == "cancelled"
    assert len(session.log()) == 1


def test_an_interrupt_is_not_answered(monkeypatch):
    """Control-C ends the caller, even if the work had just ended."""

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sightline.toolset.deadlines._wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        within(5, lambda: 3)
