"""A session on the branch that a request names."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from sightline.errors import NotFoundError
from sightline.server.standing import standing
from sightline.session import Session


def test_a_call_goes_on_the_branch_that_it_names(session):
    """HEAD stays, and the step lands on the named branch."""
    first = session.generate("a red star")
    session.branch("alt")
    with standing(session, "alt") as view:
        made = view.edit(first, "make the star blue")
    assert session.head == ("main", first.step.id)
    assert session.branches == {"main": first.step.id, "alt": made.step.id}


def test_the_default_is_where_head_is_now(session):
    """A checkout of one request is seen by the next."""
    session.generate("a red star")
    session.branch("alt")
    with standing(session) as view:
        view.checkout("alt")
    with standing(session) as view:
        made = view.generate("a blue ring")
    assert session.branches["alt"] == made.step.id


def test_a_step_begins_a_branch_that_is_dropped_if_unused(session):
    """What names a step makes a branch there, and only a call that adds something keeps it."""
    first = session.generate("a red star")
    session.generate("a blue ring")
    with standing(session, "main~1"):
        pass
    assert list(session.branches) == ["main"]
    with standing(session, "img1") as view:
        made = view.edit(first, "make the star blue")
    assert session.branches["main-try"] == made.step.id
    assert made.step.parent == first.step.id


def test_looking_at_a_step_makes_no_branch(session):
    """A reader stands at a step, and the reflog tells of no move."""
    first = session.generate("a red star")
    session.generate("a blue ring")
    moves = len(session.reflog())
    with standing(session, "main~1", adds=False) as view:
        assert [step.id for step in view.log()] == [first.step.id]
        with pytest.raises(NotFoundError):
            view.undo()
    assert len(session.reflog()) == moves


def test_a_name_of_nothing_is_refused(session):
    """The error names the branches that there are."""
    session.generate("a red star")
    with pytest.raises(NotFoundError, match="there are main"), standing(session, "nowhere"):
        pass


def test_parallel_calls_on_one_branch_are_not_stale(session):
    """Twenty calls of four threads on one branch leave twenty steps in a line."""

    def draw(number):
        with standing(session, "main") as view:
            return view.generate(f"{number} red stars").step.id

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(draw, range(20)))
    assert {step.id for step in session.log()} == set(made)


def test_a_move_of_another_process_is_seen(fake, tmp_path):
    """A branch that somebody else moved meanwhile is where he left it."""
    with Session(tmp_path / "s", runtime=fake) as ours, Session(tmp_path / "s", runtime=fake) as theirs:
        theirs.generate("a red star")
        with standing(ours, "main") as view:
            view.generate("a blue ring")
        assert len(ours.log()) == 2
