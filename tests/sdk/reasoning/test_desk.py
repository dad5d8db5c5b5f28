"""The desk of a strategy: its verbs are steps, its budget is hard, what is offered stays."""

import pytest

import sightline as sl
from sightline.errors import BudgetError, DeadlineError, InputError
from sightline.reasoning.desk import UNCHECKED, Candidate, Desk
from sightline.toolset.budgets import Budget, Ledger
from sightline_runtime.protocol import Message, TextRequest


@pytest.fixture
def desk(session):
    """A desk without limits on the session's branch."""
    return Desk(session._executor, Ledger(Budget()))


def limited(session, **limits):
    """A desk with a budget."""
    return Desk(session._executor, Ledger(Budget(**limits)))


def test_verbs_are_steps_and_thoughts(session, desk):
    """What is drawn, changed and asked aloud stands on the branch and in the chain."""
    made = desk.generate("a red star")
    changed = desk.edit(made.image, "make the star blue")
    said = desk.ask(changed.image, "what color is the star ?", why="look")
    desk.ask(changed.image, "is there a star ?", ("yes", "no"))
    assert [step.tool for step in session.log()] == ["understand", "understand", "edit", "generate"]
    assert [thought.step for thought in desk.thoughts] == [made.step.id, changed.step.id, said.step.id]
    assert str(desk.thoughts[-1]) == "look: what color is the star ? → blue"


def test_a_call_that_does_not_fit_is_not_made(session, fake):
    """The budget refuses before anything is computed, and what was spent stays right."""
    desk = limited(session, steps=2, images=1)
    made = desk.generate("a red star")
    before = list(fake.calls)
    with pytest.raises(BudgetError, match="1 of 1 images are taken"):
        desk.generate("a ring")
    desk.ask(made.image, "what color is the star ?")
    with pytest.raises(BudgetError, match="2 of 2 steps"):
        desk.ask(made.image, "is there a ring ?")
    assert fake.calls == [*before, "generate_text"]
    assert (desk.ledger.spent.steps, desk.ledger.spent.images) == (2, 1)


def test_seconds_end_a_call():
    """What takes too long is stopped, and the error is the budget's."""
    with sl.Session(runtime=sl.FakeRuntime(delay=0.6)) as session:
        desk = limited(session, seconds=0.1)
        with pytest.raises(BudgetError, match="seconds are over"):
            desk.generate("a red star")


def test_deadlines_of_others_are_theirs(session):
    """A DeadlineError that the budget did not cause stays one."""
    late = sl.FaultyRuntime(session._executor.runtime, {"generate_features": 1}, DeadlineError("late"))
    with sl.Session(runtime=late) as other, pytest.raises(DeadlineError, match="late"):
        Desk(other._executor, Ledger(Budget(seconds=60))).generate("a ring")


def test_the_first_try_has_the_seeds_of_the_session_and_others_their_own(session, desk):
    """No two tries inside one another share seeds, and each has the same when it is made again."""
    plain = session._executor.prepare("generate", {"prompt": "a ring"}).seeds
    paths = [(0,), (1,), (2,), (0, 1), (1, 0), (1, 1)]
    seeds = {}
    for path in paths:
        tried = desk
        for number in path:
            tried = tried.varied(number)
        seeds[path] = tried.generate("a ring").seeds
        assert tried.generate("a ring").seeds == seeds[path]
    assert seeds[0,] == plain
    assert len(set(seeds.values())) == len(paths)


def test_the_best_is_finished_work_first(desk):
    """A partial candidate counts only where there is no other; of equals the first."""
    assert desk.best is None
    draft = desk.offer(Candidate("draft", score=0.9, partial=True))
    assert desk.best is draft
    done = desk.offer(Candidate("done", score=0.1))
    desk.offer(Candidate("too", score=0.1))
    assert desk.best is done
    desk.quiet().offer(Candidate("between", score=1.0))
    assert desk.best is done


def test_a_picture_is_there_before_its_verdict(session):
    """A budget that ends during the checks leaves the picture; a verdict takes the place of the guess."""
    desk = limited(session, steps=2)
    made = desk.generate("a red star left of a blue ring").image
    with pytest.raises(BudgetError):
        desk.judged(made, "a red star left of a blue ring")
    assert desk.best == Candidate(picture=made, score=UNCHECKED)
    free = Desk(session._executor, Ledger(Budget()))
    judged = free.judged(made, "a red star left of a blue ring")
    assert free.offered == [judged]
    assert judged.verdict.passed is not False


def test_texts_that_are_no_steps_are_booked(session):
    """Writing takes tokens, not steps; one that may not fit is not begun."""
    request = TextRequest((Message("user", ("write a plan",)),), pattern="yes|no", max_tokens=8)
    desk = limited(session, steps=0, tokens=100)
    assert desk.write(request).text == "no"
    assert desk.ledger.spent.tokens > 0
    assert session.log() == []
    with pytest.raises(BudgetError):
        limited(session, tokens=3).write(request)


def test_who_is_asked_elsewhere_is_booked_after(session):
    """Tokens are known when the answer is there; without any left nobody is asked."""
    desk = limited(session, tokens=10)
    assert desk.consult(lambda: "word", len) == "word"
    assert desk.consult(lambda: "a long sentence", len) == "a long sentence"
    with pytest.raises(BudgetError):
        desk.consult(lambda: "more", len)
    assert desk.ledger.spent.tokens == 19


def test_new_pictures_are_brought_in_as_steps(session, desk):
    """A picture of the session stays the one that it is."""
    from sightline_runtime.testing import colored

    new = desk.bring(colored("red"))
    assert [step.tool for step in session.log()] == ["add"]
    assert desk.bring(new) == new
    assert desk.ledger.spent.steps == 1


def test_a_seed_that_is_none_is_refused(desk):
    """Before anything runs."""
    with pytest.raises(InputError, match="seed is 'x'"):
        desk.generate("a ring", seed="x")
