"""Planners: plans written by rules, by the session's own model, or by one elsewhere; never run unchecked."""

import json

import pytest
from tests.sdk.reasoning.doubles import Held, Speaker

import sightline as sl
from sightline.errors import DeadlineError, InputError
from sightline.reasoning.desk import Desk
from sightline.reasoning.outcome import Goal
from sightline.reasoning.plans.plan import Plan
from sightline.reasoning.plans.plan_pattern import plan_pattern
from sightline.toolset.budgets import Budget, Ledger
from sightline_runtime.automaton import Automaton
from sightline_tools.toolbox import default_toolbox

ASKED = "how many objects would be left if the ring were removed ?"
GOOD = {
    "steps": [
        {"id": "s1", "tool": "edit", "args": {"image": "$photo", "instruction": "remove the ring"}},
        {
            "id": "s2",
            "tool": "understand",
            "args": {"image": "$s1.image", "question": "how many objects are there?"},
        },
    ],
    "answer": "$s2.text",
}
BOX = default_toolbox()
TOOLS = {name: BOX.get(name) for name in ("understand", "edit", "generate", "isolate", "zoom")}


@pytest.fixture
def photo(session):
    """Two red stars and a blue ring."""
    return session.generate("two red stars and a blue ring")


def planned(speaker, **options):
    """A strategy whose plans a speaker writes."""
    return sl.PlanExecute(sl.Written(sl.Elsewhere(speaker), **options))


def test_a_model_elsewhere_writes_a_plan(session, photo):
    """It is told the goal, the tools and two examples, and its plan is run; words around it do not matter."""
    speaker = Speaker(f"Here you are:\n```json\n{json.dumps(GOOD)}\n```")
    found = session.solve(ASKED, [photo], strategy=planned(speaker))
    assert (found.answer, found.stopped, found.spent.steps) == ("two", "done", 2)
    assert found.plan["steps"] == GOOD["steps"]
    prompt = speaker.heard[0][0]["content"]
    assert ASKED in prompt
    assert '"instruction"' in prompt
    assert prompt.count("Example.") == 2
    assert found.spent.tokens >= 7


def test_faults_are_told_and_mended(session, photo):
    """What check finds is what the model reads; the mended plan is run."""
    wrong = json.loads(json.dumps(GOOD).replace("$s1.image", "$s9.image"))
    speaker = Speaker(wrong, GOOD)
    found = session.solve(ASKED, [photo], strategy=planned(speaker))
    assert found.answer == "two"
    assert "$s9 is given by no step before" in speaker.heard[1][-1]["content"]


@pytest.mark.parametrize(
    "script",
    [("I cannot do that.",), ("",), ("{}",), ("{" * 500,), ({"steps": []},), ({**GOOD, "answer": None},),
     ({"steps": [{"id": "x", "tool": "rm", "args": {}}]}, "what?", "no", "never"),
     ({**GOOD, "steps": GOOD["steps"] * 5},)],
)  # fmt: skip
def test_nonsense_ends_in_the_other_way(session, photo, script):
    """After so many repairs, or the same again, the goal is pursued as if there were no planner."""
    speaker = Speaker(*script)
    found = session.solve(ASKED, [photo], strategy=planned(speaker, repairs=2))
    assert len(speaker.heard) <= 3
    assert found.plan is None
    assert session.log(1, branch=found.branch)[0].tool == "understand"
    assert found.spent.steps == 1


def test_who_says_the_same_again_is_not_asked_more(session, photo):
    """Two times are enough."""
    speaker = Speaker("no")
    session.solve(ASKED, [photo], strategy=planned(speaker, repairs=9))
    assert len(speaker.heard) == 2


def test_a_plan_may_call_the_tools_of_its_planner_only(session, photo):
    """Others are unknown to it."""
    speaker = Speaker(GOOD)
    session.solve(ASKED, [photo], strategy=planned(speaker, tools=("understand",)))
    assert "there is no tool 'edit'" in speaker.heard[1][-1]["content"]


def test_tokens_of_planning_are_in_the_budget(session, photo):
    """Without tokens for it nobody is asked; the run ends by its budget."""
    speaker = Speaker(GOOD)
    found = session.solve(ASKED, [photo], strategy=planned(speaker), budget=sl.Budget(tokens=0))
    assert (found.stopped, speaker.heard) == ("budget", [])


def test_pictures_can_be_planned(session):
    """A goal that wants a picture gets a plan that ends with one."""
    steps = [{"id": "s1", "tool": "generate", "args": {"prompt": "a red circle"}}]
    speaker = Speaker({"steps": steps, "answer": None}, {"steps": steps, "image": "$s1.image"})
    found = session.solve("a red circle", strategy=planned(speaker))
    assert session.understand(found.image, "what color is the circle ?").text == "red"
    assert 'such as "$s2.image"' in speaker.heard[1][-1]["content"]


def test_the_own_model_can_write_nothing_but_a_plan():
    """Its decoding is held to the pattern of plans of these tools; what passes no check is mended."""
    look = {"id": "s1", "tool": "understand", "args": {"image": "$photo", "question": "x"}}
    blind = json.dumps({**GOOD, "steps": [look, GOOD["steps"][1]]})
    runtime = Held(blind, json.dumps(GOOD))
    with sl.Session(runtime=runtime, seed=7) as session:
        photo = session.generate("two red stars and a blue ring")
        found = session.solve(ASKED, [photo], strategy=sl.PlanExecute(sl.Written()))
    assert (found.answer, found.spent.steps) == ("two", 2)
    assert "$s1 has no 'image'" in runtime.requests[1].messages[-1].text


def test_the_embedded_model_has_no_words_for_plans(embedded):
    """So there is no plan, and the question is asked at once."""
    with sl.Session(runtime=embedded, seed=1) as session:
        star = session.generate("a red star")
        found = session.solve("what color is the star ?", [star], strategy=sl.PlanExecute(sl.Written()))
    assert (found.answer, found.plan) == ("red", None)


def test_the_pattern_is_that_of_plans_that_can_run():
    """Good plans match; what check would refuse, unknown tools and other names, cannot be written."""
    automaton = Automaton(plan_pattern(TOOLS, ("photo",), 8, answers=True))
    assert automaton.matches(json.dumps(GOOD))
    shortest = Plan.read(automaton.shortest_match()).model_copy(update={"inputs": ("photo",)})
    assert shortest.check(BOX) == []
    for wrong in ("$s9.image", "$s2.image", "/etc/passwd"):
        assert not automaton.matches(json.dumps(GOOD).replace("$s1.image", wrong))
    assert not automaton.matches(json.dumps(GOOD).replace('"edit"', '"rm"'))
    assert not automaton.matches(json.dumps({**GOOD, "answer": "$s1.text"}))


def test_the_pattern_of_a_picture_begins_with_drawing():
    """Without a picture only what draws can be first; without any such tool there is no plan."""
    automaton = Automaton(plan_pattern(TOOLS, (), 3, answers=False))
    assert automaton.matches(
        '{"steps": [{"id": "s1", "tool": "generate", "args": {"prompt": "x"}}], "image": "$s1.image"}'
    )
    with pytest.raises(InputError, match="no tool can begin"):
        plan_pattern({"edit": TOOLS["edit"]}, (), 3, answers=False)


def test_a_planner_that_is_too_late_ends_by_the_budget(session, photo):
    """Seconds count while somebody elsewhere thinks."""
    import time

    class Slow:
        def chat(self, messages, tools=()):
            time.sleep(1.5)
            raise DeadlineError("never seen")

    found = session.solve(ASKED, [photo], strategy=planned(Slow()), budget=sl.Budget(seconds=0.2))
    assert found.stopped == "budget"


def test_rules_plan_questions_of_several_steps(session, photo):
    """What one look answers needs no plan."""
    desk = Desk(session._executor, Ledger(Budget()))
    assert sl.Rules().plan(Goal("what color is the ring ?", (photo.image,)), desk) is None
    assert sl.Rules().plan(Goal(ASKED, (photo.image,)), desk).check(BOX) == []
