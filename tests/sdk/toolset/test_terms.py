"""On what terms calls run: time, budget, approval, wraps, and toolsets made of toolsets."""

import json
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sdk.toolset.conftest import call_of

import sightline as sl
from sightline.toolset.budgets import Budget, Ledger, Spent
from sightline.toolset.outcomes import Fault, Outcome
from sightline.tree.cancelling import Cancellation
from sightline_tools.tool import Picture, ToolArgs, ToolResult
from sightline_tools.toolbox import Toolbox


class Nothing(ToolArgs):
    """Nothing."""


# --- time ------------------------------------------------------------------------------------


def test_a_call_that_takes_too_long_is_stopped_and_told(do):
    """The model's work is cancelled within its deadline, and no step is on the branch."""
    with sl.Session(runtime=sl.FakeRuntime(delay=60)) as s:
        started = time.monotonic()
        fault = do(s.toolset(timeout=0.2), "generate", prompt="a star", steps=100).fault
        assert time.monotonic() - started < 20
        assert (fault.code, fault.retryable) == ("deadline", True)
        assert "within 0.2 seconds" in fault.text
        assert s.head[1] is None


def test_a_tool_that_does_not_look_is_left_behind_and_commits_nothing(do):
    """Its thread goes on, the answer comes, and what it makes later is not put on the branch."""
    go, done = threading.Event(), threading.Event()

    @sl.tool(version="1")
    def hang(args: Nothing, ctx: sl.ToolContext) -> ToolResult:
        """Hang."""
        go.wait(20)
        done.set()
        return ToolResult()

    with sl.Session(runtime=sl.FakeRuntime(), toolbox=Toolbox(hang)) as s:
        ts = s.toolset(timeouts={"hang": 0.1})
        assert do(ts, "hang").fault.code == "deadline"
        go.set()
        assert done.wait(5)
        assert do(ts, "history").structured["steps"] == []


def test_each_tool_has_its_own_time(do):
    """A mapping by tool, whatever it is called here; None is no limit."""
    with sl.Session(runtime=sl.FakeRuntime(delay=0.4)) as s:
        ts = s.toolset(timeout=0.05, timeouts={"generate": None}, prefix="sl_")
        assert do(ts, "sl_generate", prompt="a star").fault is None
        assert (
            do(ts, "sl_understand", image="last", question="what color is the star ?").fault.code
            == "deadline"
        )


def test_a_call_is_cancelled_with_its_caller(do):
    """Whoever waits for it stops it; the call is answered all the same."""
    with sl.Session(runtime=sl.FakeRuntime(delay=60)) as s:
        stop = Cancellation()
        threading.Timer(0.2, stop.cancel).start()
        calls = [
            call_of("chat", "generate", {"prompt": name, "steps": 100}, name) for name in ("a star", "a ring")
        ]
        started = time.monotonic()
        answers = stop.run(lambda: s.toolset().handle_all({"tool_calls": calls}))
        assert time.monotonic() - started < 20
        assert [answer["tool_call_id"] for answer in answers] == ["a star", "a ring"]
        assert {answer.outcome.fault.code for answer in answers} == {"cancelled"}
        assert s.head[1] is None


# --- budgets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(images=2), "1 of 2 images are taken, and this call may need 2"),
        (Budget(steps=1), "1 of 1 steps are taken"),
        (Budget(tokens=150), "tokens are taken"),
        (Budget(seconds=0), "its 0 seconds are over"),
    ],
)
def test_an_exhausted_budget_is_a_clear_message(session, do, budget, said):
    """Nothing is computed, the model is told to answer with what there is."""
    ts = session.toolset(budget=budget)
    do(ts, "generate", prompt="a star")
    session.runtime.calls.clear()
    fault = do(ts, "generate", prompt="a ring", n=2).fault
    assert fault.code == "over_budget"
    assert said in fault.text
    assert "answer with what there is" in fault.text
    assert session.runtime.calls == []


def test_wrong_calls_are_counted_so_that_every_loop_ends(session, do):
    """A model that only errs comes to the end of its steps."""
    ts = session.toolset(budget=Budget(steps=5))
    wrong = [
        ("crob", {}),
        ("crop", {}),
        ("crop", {"image": "x"}),
        ("generate", {"n": "a"}),
        ("undo", {"n": 9}),
    ]
    codes = [do(ts, name, **arguments).fault.code for name, arguments in wrong]
    assert "over_budget" not in codes
    assert do(ts, "pictures").fault.code == "over_budget"
    assert ts.spent.steps >= 5


def test_what_a_call_took_is_settled(session, do):
    """Reserved are bounds; spent is what was read, written and made."""
    ts = session.toolset(budget=Budget(steps=10, images=10, tokens=10_000, seconds=60))
    do(ts, "generate", prompt="a star", n=3)
    do(ts, "generate", prompt="", n=3)
    do(ts, "understand", image="last", question="what color is the star ?")
    assert (ts.spent.steps, ts.spent.images, ts.spent.tokens) == (3, 3, 2 + 6 + 1 + 64)
    assert 0 < ts.spent.seconds < 60


def test_seconds_stop_a_running_call(do):
    """The deadline of a call is what is left of the budget."""
    with sl.Session(runtime=sl.FakeRuntime(delay=60)) as s:
        ts = s.toolset(budget=Budget(seconds=0.3))
        fault = do(ts, "generate", prompt="a star", steps=100).fault
        assert fault.code == "over_budget"
        assert do(ts, "pictures").fault.code == "over_budget"


def test_parallel_calls_cannot_overspend(session):
    """Of eight calls at once for one picture each, three fit into a budget of three."""
    ts = session.toolset(budget=Budget(images=3), parallel=8)
    calls = [call_of("chat", "generate", {"prompt": f"{n} stars"}, str(n)) for n in range(8)]
    answers = ts.handle_all({"tool_calls": calls})[:8]
    codes = [answer.outcome.fault and answer.outcome.fault.code for answer in answers]
    assert (codes.count(None), codes.count("over_budget")) == (3, 5)
    assert ts.spent.images == 3


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=40))
def test_reserved_and_spent_never_exceed_the_budget(calls):
    """In any order of reserving and settling, with calls that take no more than they reserved."""
    ledger, running = Ledger(Budget(images=10)), []
    for wanted, took, ends in calls:
        need = Spent(images=wanted)
        if ledger.reserve(need) is None:
            running.append((need, Spent(images=min(wanted, took))))
        if ends and running:
            ledger.settle(*running.pop(0))
        assert ledger.spent.images + sum(need.images for need, _ in running) <= 10


def test_seconds_count_while_any_call_runs():
    """Two calls at once take the time of one."""
    now = [0.0]
    ledger = Ledger(Budget(seconds=10), clock=lambda: now[0])
    one = Spent(steps=1)
    ledger.reserve(one)
    now[0] = 2
    ledger.reserve(one)
    now[0] = 3
    ledger.settle(one, one)
    now[0] = 4
    ledger.settle(one, one)
    now[0] = 9
    assert ledger.spent.seconds == 4
    assert ledger.seconds_left() == 6
    ledger.reserve(one)
    now[0] = 15
    assert ledger.reserve(one) == "its 10 seconds are over"


@pytest.mark.parametrize("options", [{"images": -1}, {"seconds": "1"}])
def test_a_budget_is_a_number(options):
    """Or None."""
    with pytest.raises(sl.InputError, match="budget of"):
        Budget(**options)


# --- approval --------------------------------------------------------------------------------


def test_a_declined_call_is_told_and_not_done(session, do):
    """False, or a reason; the hook sees what is asked and whether it only reads."""
    seen = []

    def decide(asked):
        seen.append((asked.name, dict(asked.arguments), asked.offer.read_only))
        return True if asked.offer.read_only else "no more pictures today"

    ts = session.toolset(approve=decide)
    fault = do(ts, "generate", prompt="a star").fault
    assert fault.code == "declined"
    assert "no more pictures today" in fault.text
    assert do(ts, "pictures").fault is None
    assert seen == [("generate", {"prompt": "a star"}, False), ("pictures", {}, True)]
    assert do(session.toolset(approve=lambda _: False), "pictures").fault.code == "declined"
    assert session.head[1] is None


def test_a_wrong_call_is_not_asked_about(session, do):
    """A person decides about calls that can be done."""
    ts = session.toolset(approve=lambda _: pytest.fail("asked"))
    assert do(ts, "generate", prompt="").fault.code == "bad_input"


def test_a_call_may_wait_for_approval_and_be_resumed_elsewhere(tmp_path, wire):
    """What is pending is plain data: another process does it, and answers the same id."""
    runtime = sl.FakeRuntime()
    with sl.Session(tmp_path / "s", runtime=runtime, seed=1) as s:
        ts = s.toolset(approve=lambda _: None)
        first = ts.handle(call_of(wire, "generate", {"prompt": "a star"}, "c7"))
        assert first.outcome.fault.code == "waiting"
        stored = json.dumps(first.pending)
        assert s.head[1] is None
    with sl.Session(tmp_path / "s", runtime=runtime) as s:
        ts = s.toolset(approve=lambda _: None)
        no = ts.resume(json.loads(stored), approved=False, reason="too dear")
        assert "too dear" in no.outcome.text
        done = ts.resume(json.loads(stored), approved=True)
        assert done.outcome.fault is None
        assert (done.call.id, done.call.wire, done.pending) == ("c7", wire, None)
        assert s.log()[0].tool == "generate"


@pytest.mark.parametrize(
    "pending", [{}, {"id": "a", "name": "crop", "wire": "fax"}, {"id": 1, "wire": "chat"}]
)
def test_only_what_was_pending_is_resumed(session, pending):
    """Anything else is an error of whoever calls, not of the model."""
    with pytest.raises(sl.InputError, match="no pending call"):
        session.toolset().resume(pending, approved=True)
    other = {"session": "other", "wire": "chat", "id": "a", "name": "crop", "arguments": {}}
    with pytest.raises(sl.InputError, match="another session"):
        session.toolset().resume(other, approved=True)


def test_a_hook_that_fails_declines(session, do):
    """Its error is a fault; the call is not done."""
    fault = do(session.toolset(approve=lambda _: 1 / 0), "generate", prompt="a star").fault
    assert fault.code == "engine_failed"
    assert session.head[1] is None


# --- toolsets of toolsets --------------------------------------------------------------------


def names(ts):
    """The names of a toolset."""
    return [offer.name for offer in ts.tools]


def test_tools_are_chosen_by_name_and_pattern(session):
    """Include, exclude, prefix; none of them changes the toolset it came from."""
    ts = session.toolset(include=["generate", "c*"], exclude=["compare"], prefix="sl_")
    assert names(ts) == ["sl_generate", "sl_crop", "sl_composite", "sl_checkout"]
    assert names(ts.only("sl_generate")) == ["sl_generate"]
    assert names(ts.without("sl_c*")) == ["sl_generate"]
    assert len(ts.tools) == 4
    assert names(session.toolset(include="c*", exclude="compare")) == ["crop", "composite", "checkout"]
    with pytest.raises(sl.NotFoundError, match="no tool 'crob'"):
        session.toolset(include=["crob"])


def test_a_renamed_tool_is_the_same_tool(session, do):
    """It is called by its new name, and recorded under its own: the memo knows it."""
    session.generate("a star")
    ts = session.toolset().renamed({"generate": "draw"})
    outcome = do(ts, "draw", prompt="a star")
    assert outcome.result.cache.status == "hit"
    assert "Did you mean: " not in do(ts, "draw", prompt="").text
    assert do(ts, "generate", prompt="a star").fault.code == "not_found"
    assert "draw" in {form["function"]["name"] for form in ts.openai()}


@pytest.mark.parametrize("given", [{"crop": "a b"}, {"crop": ""}, {"crop": "x" * 65}, {"crop": "resize"}])
def test_names_that_a_vendor_refuses_are_refused(session, given):
    """Letters, digits, _ and -, at most 64, each once."""
    with pytest.raises(sl.InputError, match="name"):
        session.toolset().renamed(given)


def test_a_wrap_stands_around_every_call(session, do):
    """It sees the call, may change it, and may answer itself; the newest is the outermost."""
    order = []

    def outer(invocation, go):
        order.append("outer")
        return go(replace(invocation, arguments={**invocation.arguments, "n": 2}))

    def inner(invocation, go):
        order.append("inner")
        return go(invocation)

    def never(invocation, go):
        return Outcome.failed(Fault("declined", "closed on Sundays"))

    ts = session.toolset().wrapped(inner).wrapped(outer)
    assert len(do(ts, "generate", prompt="a star").result.images) == 2
    assert order == ["outer", "inner"]
    assert do(ts.wrapped(never), "generate", prompt="a star").fault.message == "closed on Sundays"
    assert do(ts.wrapped(lambda invocation, go: 3), "pictures").fault.code == "engine_failed"


def test_toolsets_made_of_one_share_its_budget(session, do):
    """A filter is no way around a limit."""
    ts = session.toolset(budget=Budget(images=1))
    do(ts.only("generate"), "generate", prompt="a star")
    assert do(ts.prefixed("x_"), "x_generate", prompt="a ring").fault.code == "over_budget"


@pytest.mark.parametrize(
    "terms", [{"timeout": 0}, {"timeouts": {"crop": -1}}, {"parallel": 0}, {"previews": 513}]
)
def test_terms_that_cannot_be_are_refused(session, terms):
    """When the toolset is made."""
    with pytest.raises(sl.InputError):
        session.toolset(**terms)


def test_a_tool_of_the_name_of_a_verb_does_not_hide_it(do):
    """The session's own undo stays what it is; the tool is still the session's to call."""

    @sl.tool(version="1")
    def undo(args: Nothing, ctx: sl.ToolContext) -> Picture:
        """Not the session's."""
        raise AssertionError

    with sl.Session(runtime=sl.FakeRuntime(), toolbox=Toolbox(undo)) as s:
        assert names(s.toolset()).count("undo") == 1
        assert do(s.toolset(), "undo").fault.code == "bad_input"
