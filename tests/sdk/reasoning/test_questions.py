"""Questions of several steps as plans: taken apart by rules, and right on puzzles with known answers."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import InputError
from sightline.reasoning import questions
from sightline.reasoning.questions import Asked
from sightline_runtime.world.puzzles import PUZZLE_KINDS, puzzle
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import SceneSampler
from sightline_tools.toolbox import default_toolbox

BOX = default_toolbox()

_TEXT = """
if the stars were removed would there be more red than blue objects how many are in the top row ,
then after and ? painted a ring what color is"""
WORDS = _TEXT.split()


@pytest.mark.parametrize("kind", PUZZLE_KINDS)
def test_a_plan_answers_puzzles_where_every_look_is_true(session, kind):
    """On a runtime that answers truthfully from pixels, whatever is missed is the plan's fault."""
    world = SceneSampler(41, held_out=False)
    asked = [puzzle(world, kind) for _ in range(6)]
    found = [session.solve(one.question, [paint(one.scene)], choices=one.choices) for one in asked]
    assert [outcome.answer for outcome in found] == [one.answer for one in asked]


@pytest.mark.parametrize(
    ("text", "instructions", "question"),
    [
        (
            "how many stars would there be if the red ring were removed ?",
            ("remove the red ring",),
            "how many stars are there",
        ),
        (
            "if the star were painted blue , what color is the star ?",
            ("make the star blue",),
            "what color is the star",
        ),
        (
            "after removing the ring , how many objects are left ?",
            ("remove the ring",),
            "how many objects are there",
        ),
        (
            "remove the star , then make the ring red . what color is the ring ?",
            ("remove the star", "make the ring red"),
            "what color is the ring",
        ),
        (
            "would there be a star if the ring were replaced with a star ?",
            ("replace the ring with a star",),
            "is there a star",
        ),
        ("what color is the star ?", (), "what color is the star"),
    ],
)
def test_a_question_is_taken_apart(text, instructions, question):
    """What is to be changed first, and what is asked then."""
    assert questions.taken_apart(text) == Asked(instructions, question)


@pytest.mark.parametrize("text", ["what color is the star ?", "is there a ring ?", "how many stars ?"])
def test_what_one_look_answers_needs_no_plan(text):
    """None, so that the model is asked directly."""
    assert questions.plan_of(text) is None


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
def test_any_text_gives_a_plan_that_can_run_or_none(text):
    """Every plan that rules write passes the check of plans."""
    try:
        plan = questions.plan_of(text)
    except InputError:
        return
    if plan is not None:
        assert plan.check(BOX) == []


@pytest.mark.parametrize(
    "piece",
    [
        "if the ",
        "and the star were removed ",
        "would ",
        "after removing ",
        "then ",
        ", what ",
        "in the top row ",
    ],
)
def test_long_questions_take_no_long_time(piece):
    """Ten kilobytes are one question, and what rules still read is read in time."""
    started = time.perf_counter()
    assert questions.plan_of(piece * (10_000 // len(piece))) is None
    questions.plan_of(piece * (900 // len(piece)))
    assert time.perf_counter() - started < 5
