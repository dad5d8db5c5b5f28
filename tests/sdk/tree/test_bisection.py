"""Finding the step that broke something."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sightline as sl


def darker(session, count):
    """A chain of added pictures, each a level darker than the one before."""
    return [session.add(np.full((4, 4, 3), 250 - number, np.uint8)) for number in range(count)]


def brighter_than(level):
    """A check that counts its calls."""

    def check(result):
        check.calls += 1
        return bool(result.image.numpy()[0, 0, 0] > level)

    check.calls = 0
    return check


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1))))
def test_the_first_bad_step_is_found_with_few_checks(case):
    """Whichever step breaks it, about log2 of the steps are checked, and the ends."""
    count, broken = case
    with sl.Session(runtime=sl.FakeRuntime()) as s:
        made = darker(s, count)
        check = brighter_than(250 - broken)
        found = s.bisect(made[0], made[-1], check)
        assert found.first_bad.id == made[broken].step.id
        assert found.last_good.id == made[broken - 1].step.id
        assert check.calls == len(found.checks) <= math.ceil(math.log2(count)) + 2
        assert found.first_bad.short in repr(found)


def test_the_model_answers_and_remembers(session, fake):
    """A question decides by P(yes); asked again, nothing is computed; nothing moves."""
    at = session.generate("a red star")
    for change in ("make the background black", "make the star blue", "make the background white"):
        at = session.edit(at, change)
    head = session.head
    found = session.bisect("img1", "HEAD", "is there a red star ?")
    assert found.first_bad.args["instruction"] == "make the star blue"
    assert all(0 <= one.p_yes <= 1 and one.good == (one.p_yes >= 0.5) for one in found.checks)
    assert "P(yes)=" in repr(found)
    calls = len(fake.calls)
    assert session.bisect("img1", "HEAD", "is there a red star ?") == found
    assert (len(fake.calls), session.head) == (calls, head)
    assert session.verify_store().problems == ()


def test_unrelated_pictures_between_are_not_checked(session):
    """Where bad was made from good, only the steps between that it was made through count."""
    star = session.generate("a red star")
    blue = session.edit(star, "make the star blue")
    session.generate("a green ring")
    session.understand(blue, "what color is the star ?")
    last = session.edit(blue, "make the background black")
    seen = []

    def check(result):
        seen.append(result.step.id)
        return result.step.id == star.step.id

    assert session.bisect(star, last, check).first_bad.id == blue.step.id
    assert set(seen) == {star.step.id, blue.step.id, last.step.id}


def test_a_picture_is_checked_once(session):
    """Steps that show the same picture share a verdict."""
    first = session.add(np.full((4, 4, 3), 250, np.uint8))
    for _ in range(6):
        session.add(np.full((4, 4, 3), 249, np.uint8))
    check = brighter_than(249)
    found = session.bisect(first, "HEAD", check)
    assert (check.calls, len(found.checks)) == (2, 2)
    assert found.first_bad.id == session.at("HEAD~5").id


def test_ends_that_the_check_contradicts_are_named(session):
    """A bad good and a good bad are InputErrors that say what to turn round."""
    made = darker(session, 4)
    for check, side in ((lambda r: False, "good"), (lambda r: True, "bad"), (lambda r: np.True_, "bad")):
        with pytest.raises(sl.InputError, match=f"the {side} step") as caught:
            session.bisect(made[0], made[-1], check)
        assert "turn the check round" in caught.value.hint
    with pytest.raises(sl.InputError, match="is there a star"):
        session.bisect(made[0], made[-1], "is there a star ?")


def test_steps_that_cannot_be_bisected_are_refused(session):
    """Two branches, the wrong order, one step, no picture: told before anything is checked."""
    made = darker(session, 3)
    session.branch("alt", at=made[0])
    asked = session.understand(made[-1], "what is it ?")
    session.checkout("alt")
    other = session.generate("a star")
    for good, bad, said in (
        (made[-1], made[0], "does not come before"),
        (other, made[-1], "does not come before"),
        (made[1], made[1], "same step"),
        (made[0], asked, "no picture"),
    ):
        with pytest.raises(sl.InputError, match=said):
            session.bisect(good, bad, lambda result: pytest.fail("checked"))


@pytest.mark.parametrize("given", [0.7, None, "yes", 1])
def test_a_check_that_is_no_truth_value_is_refused(session, given):
    """A number or a text is not taken for good."""
    made = darker(session, 2)
    with pytest.raises(sl.InputError, match="the check gave"):
        session.bisect(made[0], made[1], lambda result: given)


@pytest.mark.parametrize("check", [" ", 5, None])
def test_what_is_no_check_is_refused(session, check):
    """A question has words, and anything else is a function."""
    made = darker(session, 2)
    with pytest.raises(sl.InputError):
        session.bisect(made[0], made[1], check)


def test_an_error_of_the_check_is_the_callers_own(session):
    """What a function raises comes through, and the session stays good."""
    made = darker(session, 2)
    with pytest.raises(ZeroDivisionError):
        session.bisect(made[0], made[1], lambda result: 1 / 0)
    assert session.head[1] == made[1].step.id
