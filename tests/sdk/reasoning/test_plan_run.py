"""Running plans: references, conditions, loops and lines; what ends a run keeps what was done."""

import threading

import pytest

import sightline as sl
from sightline.errors import CancelledError, EngineError, InputError
from sightline.reasoning.plans.plan import Condition, Plan
from sightline.reasoning.plans.values import holds, number, resolved
from sightline.tree.cancelling import Cancellation
from sightline_runtime.protocol import Job
from sightline_runtime.testing import FakeRuntime

COUNT = {"tool": "understand", "args": {"image": "$photo", "question": "how many stars are there ?"}}


@pytest.fixture
def photo(session):
    """Two red stars and a blue ring."""
    return session.generate("two red stars and a blue ring")


def test_a_line_of_calls_is_a_branch_of_steps(session, photo):
    """Each call reads what the ones before gave; the session's own branch stays where it is."""
    plan = {
        "goal": "what is left",
        "inputs": ["photo"],
        "steps": [
            {"id": "bare", "tool": "edit", "args": {"image": "$photo", "instruction": "remove the ring"}},
            {
                "id": "n",
                "tool": "understand",
                "args": {"image": "$bare.image", "question": "how many objects ?"},
            },
            {"id": "few", "test": {"value": "$n.number", "at_most": 2}},
        ],
        "answer": "$few.text",
        "image": "$bare.image",
    }
    made = session.run(plan, {"photo": photo})
    assert (made.answer, made.stopped, made.branch) == ("yes", "done", "main-plan")
    assert made.image.ref == made.values["bare"].image.ref
    assert [step.tool for step in session.log(branch="main-plan")][:2] == ["understand", "edit"]
    assert len(session.log()) == 1
    assert "→ yes (done)" in str(made)


def test_a_loop_runs_as_long_as_it_must(session, photo):
    """Two stars are removed in two rounds; a loop that never ends is ended by its bound."""
    loop = {
        "repeat": [
            {"id": "now", "tool": "edit", "args": {"image": "$now", "instruction": "remove the red star"}},
            {"id": "n", **COUNT, "args": {**COUNT["args"], "image": "$now"}},
        ],
        "as_long_as": {"value": "$n.number", "at_least": 1},
        "most": 5,
    }
    steps = [{"id": "now", "let": "$photo"}, {"id": "n", **COUNT}, loop]
    made = session.run({"inputs": ["photo"], "steps": steps, "answer": "$n.text"}, {"photo": photo})
    assert (made.answer, made.spent.steps) == ("zero", 5)
    endless = {**loop, "as_long_as": {"value": 1, "at_least": 1}}
    made = session.run({"inputs": ["photo"], "steps": [*steps[:2], endless]}, {"photo": photo})
    assert made.spent.steps == 11


def test_lines_run_on_branches_of_their_own(session, photo):
    """What they name is seen after them; each branch holds its own steps."""
    lines = [
        [{"id": color, "tool": "edit", "args": {"image": "$photo", "instruction": f"make the ring {color}"}}]
        for color in ("green", "yellow", "purple")
    ]
    grid = {
        "id": "all",
        "tool": "grid",
        "args": {"images": ["$green.image", "$yellow.image", "$purple.image"]},
    }
    made = session.run(
        {"inputs": ["photo"], "steps": [{"parallel": lines}, grid], "image": "$all.image"}, {"photo": photo}
    )
    assert [session.log(1, branch=f"main-plan-{n}")[0].tool for n in (1, 2, 3)] == ["edit"] * 3
    assert session.understand(made.values["green"], "what color is the ring ?").text == "green"
    assert len(made.thoughts) == 4


def test_a_condition_decides_whether_a_step_runs(session, photo):
    """What does not run leaves its name as it was."""
    look = {"id": "n", **COUNT}
    steps = [
        look,
        {"id": "x", "let": "nothing"},
        {
            "id": "y",
            "tool": "generate",
            "args": {"prompt": "a ring"},
            "when": {"value": "$n.number", "more_than": 2},
        },
    ]
    made = session.run({"inputs": ["photo"], "steps": steps, "image": "$y.image"}, {"photo": photo})
    assert made.image is None
    assert made.spent.images == 0


def test_a_budget_ends_a_run_and_keeps_it(session, photo):
    """The first edit is there, the second is not."""
    steps = [
        {"id": "a", "tool": "edit", "args": {"image": "$photo", "instruction": "remove the ring"}},
        {"id": "b", "tool": "edit", "args": {"image": "$a", "instruction": "remove the red star"}},
    ]
    made = session.run(
        {"inputs": ["photo"], "steps": steps, "image": "$a.image"},
        {"photo": photo},
        budget=sl.Budget(images=1),
    )
    assert (made.stopped, made.image is not None, set(made.values)) == ("budget", True, {"photo", "a"})


def test_an_answer_that_does_not_fit_is_refused_with_its_place(session, photo):
    """Who answers 'two' gives no box: the run ends, and what was done stands."""
    steps = [{"id": "n", **COUNT}, {"id": "x", "tool": "isolate", "args": {"image": "$photo", "box": "$box"}}]
    with pytest.raises(InputError, match=r"steps\.1"):
        session.run({"inputs": ["photo"], "steps": steps}, {"photo": photo})
    long = [{"id": "n", **COUNT}, {"id": "x", "let": "${n.text} " * 200}]
    long += [{"id": "y", "tool": "generate", "args": {"prompt": "$x"}}]
    made = session.run({"inputs": ["photo"], "steps": long, "answer": "$n.text"}, {"photo": photo})
    assert (made.stopped, made.answer) == ("refused", "two")
    assert made.why.startswith("steps.2: ")
    assert [step.tool for step in session.log(branch=made.branch)] == ["understand", "generate"]


def test_a_fault_in_a_line_is_raised_when_all_have_ended():
    """The other lines keep their steps, and the session goes on."""
    faulty = sl.FaultyRuntime(sl.FakeRuntime(), {})
    with sl.Session(runtime=faulty) as session:
        photo = session.generate("a red star")
        faulty._faults["generate_features"] = 1
        lines = [
            [{"id": "a", "tool": "edit", "args": {"image": "$photo", "instruction": "make the star blue"}}],
            [{"id": "b", **COUNT}],
        ]
        plan = {"inputs": ["photo"], "steps": [{"parallel": lines}]}
        with pytest.raises(EngineError, match="injected"):
            session.run(plan, {"photo": photo})
        assert session.log(1, branch="main-plan-2")[0].tool == "understand"
        assert session.run(plan, {"photo": photo}).stopped == "done"


def test_inputs_must_be_those_of_the_plan(session, photo):
    """Missing ones and others are told before anything runs."""
    plan = {"inputs": ["photo"], "steps": [{"id": "n", **COUNT}]}
    for inputs in ({}, {"photo": photo, "more": photo}, {"picture": photo}):
        with pytest.raises(InputError, match="was given"):
            session.run(plan, inputs)


def test_another_try_has_other_seeds(session):
    """A plan inside a strategy that tries again draws anew."""
    plan = Plan.read(
        {"steps": [{"id": "a", "tool": "generate", "args": {"prompt": "a ring"}}], "image": "$a.image"}
    )

    class Fixed:
        def plan(self, goal, desk):
            return plan

    found = session.solve("a ring", strategy=sl.BestOf(3, sl.PlanExecute(Fixed()), early=False))
    drawn = [step.seeds for step in session.log(branch=found.branch) if step.tool == "generate"]
    assert len(set(drawn)) == 3
    assert found.plan == plan.data()


def test_lines_stop_with_their_run():
    """A run that is stopped waits for no line, and no line goes on."""
    asked, stop = threading.Semaphore(0), Cancellation()

    class Slow(FakeRuntime):
        def generate_text(self, request):
            asked.release()
            return Job()

    def line(name):
        look = {"tool": "understand", "args": {"image": "$photo", "question": "how many stars ?"}}
        return [{"id": name, **look}, {"id": f"{name}_again", **look}]

    def stopped():
        for _ in range(2):
            assert asked.acquire(timeout=20)
        stop.cancel()

    plan = {"inputs": ["photo"], "steps": [{"parallel": [line("a"), line("b")]}]}
    with sl.Session(runtime=Slow()) as session:
        picture = session.generate("a red star")
        stopper = threading.Thread(target=stopped)
        stopper.start()
        with pytest.raises(CancelledError):
            stop.run(lambda: session.run(plan, {"photo": picture}))
        stopper.join(20)
        assert not asked.acquire(timeout=0.2)


def test_a_run_is_shown_and_says_why_it_stopped(session):
    """As text and, with its pictures, in a notebook."""
    steps = [{"id": "a", "tool": "generate", "args": {"prompt": "a ring"}}]
    plan = {"goal": "1 < 2", "steps": steps, "image": "$a.image"}
    assert str(session.run(plan)).splitlines()[-1].endswith("img1 (done)")
    stopped = session.run(plan, budget=sl.Budget(steps=0))
    assert "nothing (budget): the budget is used up: 0 of 0 steps" in str(stopped)
    shown = session.run(plan)._repr_html_()
    assert "1 &lt; 2" in shown
    assert shown.count("data:image/png") == 2


def test_a_run_that_fails_before_its_first_step_leaves_no_branch(session):
    """Inputs that are missing, or no pictures."""
    for inputs in ({}, {"photo": 5}, {"other": "img1"}):
        with pytest.raises(InputError):
            session.run({"inputs": ["photo"], "steps": [{"id": "n", "let": "$photo"}]}, inputs)
    assert list(session.branches) == ["main"]


@pytest.mark.parametrize(
    ("value", "meant"),
    [("3", 3), ("three", 3), ("there are three", 3), ("-1.5 or so", -1.5), ("many", None), (True, None),
     (None, None), (2, 2)],
)  # fmt: skip
def test_numbers_are_read_from_texts(value, meant):
    """Digits or words up to nine."""
    assert number(value) == meant


@pytest.mark.parametrize(
    ("condition", "true"),
    [({"equals": "TWO "}, True), ({"equals": 2}, True), ({"equals": "three"}, False),
     ({"one_of": ["one", "two"]}, True), ({"at_least": 2, "at_most": 2}, True), ({"more_than": 2}, False),
     ({"more_than": 2, "negate": True}, True), ({"at_least": "$n"}, True), ({"at_least": "many"}, False)],
)  # fmt: skip
def test_conditions(condition, true):
    """All that is said must hold; what is no number is never more."""
    assert holds(Condition(value="$n", **condition), {"n": "two"}) is true


def test_references_are_followed_everywhere():
    """In lists, in objects, and inside texts; what stands for nothing is an error."""
    assert resolved({"a": ["$x", "${x}s"]}, {"x": "star"}) == {"a": ["star", "stars"]}
    with pytest.raises(InputError, match="stands for nothing"):
        resolved("$y", {})
