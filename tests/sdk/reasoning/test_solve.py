"""Goals are pursued on branches of their own, and an outcome tells all that came of it."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

import sightline as sl
from sightline.errors import CancelledError, EngineError, InputError, NotFoundError

PROMPT = "two red stars and a blue ring"
QUESTION = "would there be more red than blue objects if the stars were removed ?"


def test_a_question_is_answered_by_a_chain_of_pictures(session):
    """The chain removes, looks and compares; every step of it stands on the branch."""
    picture = session.generate(PROMPT)
    found = session.solve(QUESTION, [picture])
    assert (found.answer, found.stopped) == ("no", "done")
    assert len(found.evidence) == 2
    assert found.branch == "main-solve"
    taken = [step.id for step in session.log(branch=found.branch)][: len(found.steps)]
    assert taken == list(reversed(found.steps))
    assert len(found.steps) == found.spent.steps
    assert session.log()[0].tool == "generate"
    assert "remove the red star [img2]" in str(found)


def test_a_picture_is_drawn_checked_and_refined(session):
    """Without a picture a goal that is no question is drawn."""
    found = session.solve("a red star left of a blue ring")
    assert found.image is not None
    assert found.answer is None
    assert found.verdict is not None
    assert session.understand(found.image, "is there a red star ?").text == "yes"


def test_an_edit_is_of_the_last_picture(session):
    """With pictures a goal that is no question changes the last one."""
    ring, star = session.generate("a blue ring"), session.generate("a red star")
    found = session.solve("make the star green", [ring, star], strategy=sl.Direct())
    assert session.understand(found.image, "what color is the star ?").text == "green"


def test_what_is_wrong_is_said_before_a_branch_is_made(session):
    """An empty goal, a question about no picture, and what is no strategy."""
    for goal, images, strategy in (
        (" ", (), None),
        ("what color is it ?", (), None),
        (3, (), None),
        ("a ring", (), 3),
        ("a ring", (), sl.Direct),
        ("a ring", (), {"is": "Nonsense"}),
        ("a ring", (), {"is": "Rules"}),
        ("a ring", (), {"is": "BestOf", "m": 1}),
        ("a ring", (), {"is": "BestOf", "n": "4"}),
        ("a ring", (), {"is": "BestOf", "n": 1000}),
        ("a ring", (), {"is": "BestOf", "strategy": 3}),
        ("a ring", (), {"is": "PlanExecute", "planner": {"is": "Written", "writer": {"is": "x.Client"}}}),
    ):
        with pytest.raises(InputError):
            session.solve(goal, images, strategy=strategy)
    for picture in ("nowhere.png", 5):
        with pytest.raises((InputError, NotFoundError)):
            session.solve("make it red", [picture])
    assert list(session.branches) == ["main"]


def test_goals_are_pursued_side_by_side(session):
    """Each thread has a branch of its own, and HEAD stays."""
    session.generate("a red star")
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(session.solve, "a ring", strategy=sl.Direct()) for _ in range(24)]
        found = [job.result(timeout=30) for job in jobs]
    assert len({outcome.branch for outcome in found}) == 24
    assert all(len(outcome.steps) == 1 for outcome in found)
    assert len(session.log()) == 1


def test_a_budget_is_hard_and_keeps_what_is_there(session):
    """The picture is there although its checks did not fit; the reason says what ran out."""
    found = session.solve(
        "a red star left of a blue ring", budget=sl.Budget(steps=2), strategy=sl.Direct(check=True)
    )
    assert found.stopped == "budget"
    assert "2 of 2 steps" in found.why
    assert found.image is not None
    assert found.confidence == 0.25
    assert len(found.steps) == found.spent.steps == 2
    nothing = session.solve("a ring", budget=sl.Budget(images=0))
    assert (nothing.image, nothing.stopped, nothing.steps) == (None, "budget", ())


def test_an_outcome_is_data_and_can_be_pursued_again(session):
    """Its strategy, as data, gives the same steps in another session of the same seed."""
    strategy = sl.BestOf(2, sl.Refine(1), early=False)
    first = session.solve("a red star left of a blue ring", strategy=strategy)
    told = json.loads(json.dumps(first.to_json()))
    assert told["strategy"]["strategy"]["is"] == "Refine"
    assert told["image"] == f"sha256:{first.image.ref.pixels}"
    assert told["steps"] == list(first.steps)
    with sl.Session(runtime=sl.FakeRuntime(), seed=7) as other:
        again = other.solve("a red star left of a blue ring", strategy=told["strategy"])
        assert again.image.ref == first.image.ref
        assert [step.recipe for step in other.log(branch=again.branch)] == [
            step.recipe for step in session.log(branch=first.branch)
        ]


def test_the_plan_of_an_outcome_runs_again(session):
    """It is data that `run` takes."""
    picture = session.generate(PROMPT)
    found = session.solve(QUESTION, [picture])
    again = session.run(found.plan, {"photo": picture})
    assert again.answer == found.answer
    assert again.spent.images == 0


@pytest.mark.parametrize("stage", ["generate_text", "generate_features", "decode_features"])
@pytest.mark.parametrize("when", [0, 1, 2])
def test_a_fault_in_a_stage_leaves_the_steps_before_it(stage, when, fake):
    """The error is of the tree, the branch holds what was done, and the session goes on."""
    faulty = _LateFault(fake, stage, when)
    with sl.Session(runtime=faulty, seed=7) as session:
        picture = session.add(_star(session))
        for goal, strategy in ((QUESTION, sl.PlanExecute()), ("make the star green", sl.Refine(2))):
            faulty.left, before = when, set(session.branches)
            with suppress(EngineError):
                session.solve(goal, [picture], strategy=strategy)
            made = set(session.branches) - before  # none where the first step of all failed
            assert len(made) == 1 or (when == 0 and not made)
            steps = [step for branch in made for step in session.log(branch=branch)]
            assert {step.tool for step in steps} <= {"add", "understand", "edit", "generate"}
            assert all(step.status == "done" for step in steps)
        faulty.left = 1000
        assert session.solve(QUESTION, [picture]).answer in ("yes", "no")


class _LateFault(sl.FaultyRuntime):
    """Fails a stage once, after so many calls that went well."""

    def __init__(self, inner, stage, left):
        super().__init__(inner, {})
        self._stage, self.left = stage, left

    def _fails(self, stage):
        if stage != self._stage:
            return False
        self.left -= 1
        return self.left == -1


def _star(session):
    from sightline_runtime.world.render import paint
    from sightline_runtime.world.scenes import Scene, Thing

    return paint(Scene("white", (Thing("star", "red", "large", 0), Thing("ring", "blue", "large", 8))))


def test_a_cancelled_goal_ends_as_cancelled(fake):
    """What is cancelled is no outcome."""
    faulty = sl.FaultyRuntime(fake, {"generate_features": 1}, CancelledError("cancelled"))
    with sl.Session(runtime=faulty) as session, pytest.raises(CancelledError):
        session.solve("a ring")


def test_a_judge_is_heard_through_all_strategies(session):
    """A second judge that doubts everything lowers every verdict, however deep it is asked."""

    class Doubter:
        name = "doubter"
        asked = 0

        def probability(self, pixels, claim):
            self.asked += 1
            return 0.0

    for strategy in (sl.Direct(check=True), sl.Refine(1, strategy=sl.BestOf(2)), sl.Beam()):
        judge = Doubter()
        found = session.solve("a red star; make the star blue", strategy=strategy, judge=judge)
        assert judge.asked
        assert found.verdict.passed is not True
        assert "doubter" in found.verdict.judge


async def _awaited():
    async with sl.AsyncSession(runtime=sl.FakeRuntime(), seed=7) as session:
        picture = await session.generate(PROMPT)
        return await session.solve(QUESTION, [picture])


def test_the_async_twin_gives_the_same():
    """Awaited, on any loop."""
    import asyncio

    assert asyncio.run(_awaited()).answer == "no"
