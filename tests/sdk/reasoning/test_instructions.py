"""Instructions as checks: true after the edit, not before; and how far an edit reaches."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import InputError
from sightline.reasoning import instructions
from sightline.reasoning.instructions import Reach
from sightline_runtime.world import judge, language, reader
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import SceneSampler

WORDS = (
    "make",
    "remove",
    "add",
    "replace",
    "move",
    "the",
    "a",
    "star",
    "ring",
    "red",
    "large",
    "with",
    "to",
    "into",
    "background",
    "please",
    "12",
    "not",
    "no",
    "left of",
)


def said(instruction, *, shapes=False):
    """The checks of an instruction as text."""
    return [str(check) for check in instructions.outcome(instruction, shapes=shapes)]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(language.EDIT_KINDS))
def test_checks_hold_after_an_edit_and_one_fails_before(seed, kind):
    """Every kind of edit; adding what is there already leaves its name ambiguous."""
    change = language.edit(SceneSampler(seed, held_out=False), kind)
    before, after = (judge.read(paint(scene)) for scene in (change.source, change.target))
    if not (judge.shows(before, change.source) and judge.shows(after, change.target)):
        return  # things that touch cannot be read
    checks = instructions.outcome(change.instruction, shapes=True)
    names = [(thing.shape, thing.color) for thing in change.target.things]
    if kind != "add" or len(set(names)) == len(names):
        assert all(reader.answer(after, check.question) in check.expected for check in checks)
    assert not all(reader.answer(before, check.question) in check.expected for check in checks)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(language.EDIT_KINDS))
def test_the_reach_of_an_edit_is_what_it_changes(seed, kind):
    """The number of things, and the places that differ; a background reaches everywhere."""
    change = language.edit(SceneSampler(seed, held_out=False), kind)
    reach = instructions.reach(change.instruction)
    before, after = ({thing.cell: thing for thing in one.things} for one in (change.source, change.target))
    assert reach.count == len(after) - len(before)
    if kind == "background":
        assert reach.places is None
        assert instructions.touches_background(change.instruction)
    else:
        assert reach.places == sum(before.get(cell) != after.get(cell) for cell in range(9))


@pytest.mark.parametrize(
    ("text", "checks"),
    [
        ("make the red star blue", ["is there a blue star? → yes", "is there a red star? → no"]),
        ("make the old car red", ["is there a red car? → yes"]),
        ("make the star bigger", ["how big is the star? → large"]),
        (
            "change the color of the star to red",
            ["is there a red star? → yes", "what color is the star? → red"],
        ),
        ("please remove the small star", ["is there a small star? → no"]),
        ("add two stars", ["is there a star? → yes"]),
        (
            "add a star left of the ring",
            ["is there a star? → yes", "is there a ring? → yes", "is the star left of the ring? → yes"],
        ),
        ("turn the red dog into a cat", ["is there a red cat? → yes", "is there a red dog? → no"]),
        ("put the star at the top left", ["where is the star? → at the top left"]),
        ("make it a black background", ["what color is the background? → black"]),
    ],
)
def test_what_an_instruction_should_have_done(text, checks):
    """One idea each."""
    assert said(text) == checks


@pytest.mark.parametrize(
    "text", ["do not remove the star", "make the star not red", "make nothing red", "fix it", "make it pop"]
)
def test_what_rules_cannot_read_is_one_question_in_its_own_words(text):
    """A denied instruction is never its opposite."""
    assert said(text) == [f"was this done: {text}? → yes"]
    assert instructions.reach(text) == Reach()


@pytest.mark.parametrize(
    ("text", "reach"),
    [("add two stars", Reach(2, 2)), ("remove the stars", Reach()), ("make the stars red", Reach(0, None))],
)
def test_the_reach_of_several(text, reach):
    """Unknown where the number is not said."""
    assert instructions.reach(text) == reach


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300) | st.lists(st.sampled_from(WORDS)).map(" ".join), st.booleans())
def test_any_text_gives_checks_or_an_input_error(text, shapes):
    """Nothing else is raised."""
    with contextlib.suppress(InputError):
        assert instructions.outcome(text, shapes=shapes)
    instructions.reach(text)
    instructions.touches_background(text)


@pytest.mark.parametrize("piece", ["make a ", "replace the ", "please ", "move the to the ", "add a, "])
def test_long_instructions_take_no_long_time(piece):
    """Ten kilobytes become a question."""
    started = time.perf_counter()
    assert len(instructions.outcome(piece * (10_000 // len(piece)))) == 1
    assert time.perf_counter() - started < 5
