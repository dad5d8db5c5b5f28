"""The wider language says true things about the same scenes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_runtime.world import dialogue, judge, language, phrasing, reader, render
from sightline_runtime.world.scenes import HELD_OUT_PAIRS, SceneSampler

SEEDS = st.integers(0, 2**31)


@settings(max_examples=80, deadline=None)
@given(SEEDS)
def test_loose_answers_are_true_by_rules_that_read_pixels(seed):
    """Existence, counts and relations agree with what rules read off the painted picture."""
    world = SceneSampler(seed, held_out=False)
    scene = world.scene()
    asked = phrasing.question(world, scene)
    reading = judge.read(render.paint(scene))
    plain = asked.kind in ("loose_existence", "loose_count") and not (
        "large" in asked.text or "small" in asked.text
    )
    if plain and "any" not in asked.text and judge.shows(reading, scene, reach=1.0):
        assert reader.answer(reading, asked.text) == asked.answer


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_name_fits_one_thing_only(seed):
    """No two things of a scene share a name that is given to one of them."""
    scene = SceneSampler(seed, held_out=False).scene(2, 4)
    given_names = [set(phrasing.names(scene, thing)) for thing in scene.things]
    for index, mine in enumerate(given_names):
        for others in given_names[index + 1 :]:
            assert not mine & others


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_loose_edits_change_one_thing(seed):
    """A loosely said edit changes at most one thing, never shows a held-out pair, and has a plan."""
    change = phrasing.instruction(SceneSampler(seed))
    before, after = set(change.source.things), set(change.target.things)
    assert len(before - after) <= 1
    assert len(after - before) <= 1
    assert change.source != change.target
    assert language.edit_plan(change) != "nothing"
    assert all((thing.shape, thing.color) not in HELD_OUT_PAIRS for thing in after)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_impossible_edits_plan_nothing(seed):
    """What names nothing that is there, or what is so already, leaves the scene as it is."""
    world = SceneSampler(seed)
    change = phrasing.impossible(world, world.scene())
    assert change.source == change.target
    assert language.edit_plan(change) == "nothing"


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_unanswerable_questions_name_something_absent(seed):
    """The asked-about shape and colour do not stand in the scene."""
    world = SceneSampler(seed)
    scene = world.scene()
    text = phrasing.unanswerable(world, scene).text
    named = [thing for thing in scene.things if f"{thing.color} {thing.shape}" in text]
    assert not named or text.startswith("is the")


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_calls_hold_a_part_of_their_line(seed):
    """The text of a call is said in the line; politeness stays outside."""
    line, call = dialogue.tool_call(SceneSampler(seed))
    name, _, rest = call.partition(" ( ")
    assert name in ("generate", "edit", "understand", "undo")
    assert rest.removesuffix(" )").removesuffix(")").strip() in line
    assert "please" not in call


@pytest.mark.parametrize("groups", ["two red stars", "a ring and two small hearts"])
def test_groups_are_read_back_by_rules(groups):
    """The reader of the test doubles understands counted groups too."""
    scene = reader.scene_of(groups, 1)
    assert scene is not None
    assert len(scene.things) == (2 if groups.startswith("two") else 3)
