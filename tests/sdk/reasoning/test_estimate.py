"""What a plan may take is said before it runs, and holds."""

import time
from dataclasses import replace

import pytest

import sightline as sl
from sightline.reasoning.plans.estimate import estimate
from sightline.reasoning.plans.pace import Pace, pace_of
from sightline.reasoning.plans.plan import Plan

INFO = sl.FakeRuntime().info
PACE = Pace(look=1.0, start=2.0, step=0.5, decode_start=0.25, decode_step=0.125)
LOOK = {
    "id": "n",
    "tool": "understand",
    "args": {"image": "$photo", "question": "how many stars are there ?"},
}
EDIT = {"id": "e", "tool": "edit", "args": {"image": "$photo", "instruction": "remove the ring"}}


def told(*steps):
    """The estimate of steps at a known pace."""
    return estimate(Plan.read({"inputs": ["photo"], "steps": list(steps)}), INFO, PACE)


def test_calls_are_counted_in_looks_pictures_and_steps():
    """Of all pictures that are drawn, with the steps that are asked for or the runtime's own."""
    many = {**EDIT, "args": {**EDIT["args"], "n": 3, "steps": 10, "draft": True, "size": None}}
    found = told(LOOK, many, {"id": "z", "tool": "zoom", "args": {"image": "$photo", "box": [0, 0, 1, 1]}})
    work = found.expected
    assert (work.steps, work.looks, work.pictures, work.denoising, work.decoding) == (3, 1, 3, 30, 3)
    assert work == found.worst
    assert found.seconds == pytest.approx(1 + 3 * (2 + 5 + 0.25 + 0.125), abs=0.1)


def test_what_may_not_run_counts_half_and_a_loop_half_of_its_rounds():
    """At worst each runs in full."""
    maybe = {**LOOK, "id": "m", "when": {"value": "$n.number", "at_least": 1}}
    loop = {"repeat": [EDIT], "as_long_as": {"value": "$n.number", "at_least": 1}, "most": 5}
    found = told(LOOK, maybe, loop)
    assert (found.expected.looks, found.worst.looks) == (1.5, 2)
    assert (found.expected.pictures, found.worst.pictures) == (3, 5)


def test_what_is_known_is_followed():
    """Conditions of plain values are decided, loops of them counted."""
    never = {**LOOK, "id": "m", "when": {"value": 1, "equals": 2}}
    loop = {
        "repeat": [{"id": "k", "let": "no"}, EDIT],
        "as_long_as": {"value": "$k", "equals": "yes"},
        "most": 9,
    }
    found = told({"id": "k", "let": "yes"}, never, loop, {"parallel": [[LOOK], [{**LOOK, "id": "o"}]]})
    assert found.expected == found.worst
    assert (found.worst.pictures, found.worst.looks) == (1, 2)


def test_memory_is_that_of_the_largest_step():
    """Pictures and features of all that one call draws."""
    one, four = told(EDIT), told({**EDIT, "args": {**EDIT["args"], "n": 4}}, LOOK)
    features = INFO.feature_shape[0] * INFO.feature_shape[1] * 4
    assert one.memory == 2 * 64 * 64 * 3 + features
    assert four.memory == 64 * 64 * 3 + 4 * (64 * 64 * 3 + features)


@pytest.mark.parametrize("delay", [0.1, 0.2])
def test_an_estimate_holds_within_a_factor_of_three(delay):
    """Of what a run then takes, on a runtime of any pace."""
    runtime = sl.FakeRuntime(delay=delay)
    steps = [LOOK, EDIT, {**LOOK, "id": "o", "args": {**LOOK["args"], "image": "$e"}}, {**EDIT, "id": "f",
             "args": {"image": "$e", "instruction": "make the red star green", "n": 2}}]  # fmt: skip
    plan = Plan.read({"inputs": ["photo"], "steps": steps})
    with sl.Session(runtime=runtime, seed=5) as session:
        photo = session.add(_scene())
        session.edit(photo, "make the ring green")  # what is done the first time in a process takes longer
        before = plan.estimate(runtime).seconds
        began = time.perf_counter()
        session.run(plan, {"photo": photo})
        took = time.perf_counter() - began
    assert took / 3 < before < took * 3


def _scene():
    from sightline_runtime.world.render import paint
    from sightline_runtime.world.scenes import Scene, Thing

    return paint(Scene("white", (Thing("star", "red", "large", 0), Thing("ring", "blue", "large", 8))))


def test_the_pace_is_measured_once(fake):
    """A few calls the first time, none after; again for other weights."""
    pace_of(fake)
    calls = len(fake.calls)
    assert 0 < calls <= 8
    pace_of(fake)
    assert len(fake.calls) == calls

    class Changing(sl.FakeRuntime):
        info = INFO

    other = Changing()
    pace_of(other)
    other.info = replace(INFO, fingerprint="0" * 64)
    calls = len(other.calls)
    pace_of(other)
    assert len(other.calls) == 2 * calls


def test_what_a_runtime_cannot_do_takes_no_time():
    """It is not tried."""

    class Blind(sl.FakeRuntime):
        info = replace(INFO, capabilities=frozenset())

    runtime = Blind()
    assert pace_of(runtime) == Pace(0, 0, 0, 0, 0)
    assert runtime.calls == []


def test_a_session_knows_what_was_made_before(session, fake):
    """Steps that are there are followed: their answers decide, and they take no model."""
    photo = session.generate("two red stars and a blue ring")
    loop = {
        "repeat": [{**EDIT, "id": "photo2"}],
        "as_long_as": {"value": "$n.number", "at_least": 9},
        "most": 9,
    }
    plan = Plan.read({"inputs": ["photo"], "steps": [LOOK, loop]})
    first = session.estimate(plan, {"photo": photo})
    assert (first.memoised, first.worst.pictures) == ((), 9)
    session.run(plan, {"photo": photo})
    calls, steps = len(fake.calls), len(session.log())
    again = session.estimate(plan, {"photo": photo})
    assert again.memoised == ("steps.0",)
    assert (again.worst.pictures, again.worst.looks) == (0, 0)
    assert "already made: steps.0" in str(again)
    assert session.estimate(plan).memoised == ()
    assert (len(fake.calls), len(session.log())) == (calls, steps)


def test_a_session_takes_the_pace_of_its_own_steps():
    """What took long before is expected to take long again; nothing is measured."""
    runtime = sl.FakeRuntime(delay=0.2)
    with sl.Session(runtime=runtime) as session:
        session.understand(session.generate("a red star"), "what color is the star ?")
        calls = len(runtime.calls)
        found = session.estimate({"steps": [{"id": "a", "tool": "generate", "args": {"prompt": "a ring"}}]})
        assert len(runtime.calls) == calls
    assert 0.1 < found.seconds < 0.6
