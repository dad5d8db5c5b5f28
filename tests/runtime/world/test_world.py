"""Scenes, pixels, words and the judge agree with each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_runtime.errors import InputError
from sightline_runtime.evaluation import suite
from sightline_runtime.evaluation import world as evaluation
from sightline_runtime.evaluation.scores import Tally
from sightline_runtime.testing import FakeRuntime
from sightline_runtime.world import dialogue, judge, language, reader, render
from sightline_runtime.world.scenes import HELD_OUT_PAIRS, JITTER, SHAPES, Scene, SceneSampler, Thing

SEEDS = st.integers(0, 2**31)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_the_judge_reads_what_was_painted(seed):
    """Pixels alone give the scene back: background, shapes, colours, sizes, places."""
    scene = SceneSampler(seed, held_out=False).scene()
    apart = all(
        max(abs(a.center[0] - b.center[0]), abs(a.center[1] - b.center[1])) > 19
        for a in scene.things
        for b in scene.things
        if a != b
    )
    if apart:  # neighbours that nearly touch are one region by the judge's own rule
        assert judge.shows(judge.read(render.paint(scene)), scene, reach=1.0)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_same_seed_draws_the_same_scenes(seed):
    """A sampler is a function of its seed."""
    a, b = SceneSampler(seed), SceneSampler(seed)
    assert [a.scene() for _ in range(5)] == [b.scene() for _ in range(5)]


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_scenes_obey_the_specification(seed):
    """One to four things, one a cell, jitter within the size's limit, no held-out pair."""
    scene = SceneSampler(seed).scene()
    assert 1 <= len(scene.things) <= 4
    assert len({thing.cell for thing in scene.things}) == len(scene.things)
    for thing in scene.things:
        assert max(abs(thing.dx), abs(thing.dy)) <= JITTER[thing.size]
        assert (thing.shape, thing.color) not in HELD_OUT_PAIRS


@pytest.mark.parametrize("shape", SHAPES)
def test_a_sprite_covers_the_area_of_its_shape(shape):
    """Antialiased coverage sums to the shape's area, whatever the sub-pixel place."""
    areas = [render.coverage(shape, 9.0, 11 + part, 11, 22).sum() for part in (0.0, 0.25, 0.5)]
    assert np.ptp(areas) < 0.03 * areas[0]
    table = {
        "square": 1.68**2,
        "circle": np.pi * 0.95**2,
        "ring": np.pi * (1 - 0.55**2),
        "diamond": 1.05**2 / 1.25 * 2,
    }
    if shape in table:
        assert areas[0] == pytest.approx(81 * table[shape], rel=0.02)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(language.QUESTION_TYPES))
def test_answers_are_true_by_rules_that_read_pixels(seed, kind):
    """The language's answer equals what rules read off the painted picture."""
    world = SceneSampler(seed, held_out=False)
    scene = world.scene()
    asked = language.question(world, scene, kind)
    reading = judge.read(render.paint(scene))
    if asked and judge.shows(reading, scene, reach=1.0):
        assert reader.answer(reading, asked.text) == asked.answer


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(language.EDIT_KINDS))
def test_an_edit_changes_what_it_says_and_nothing_else(seed, kind):
    """Source and target differ in the named thing (or the background) only."""
    change = language.edit(SceneSampler(seed), kind)
    before, after = set(change.source.things), set(change.target.things)
    assert (change.source.background != change.target.background) == (kind == "background")
    assert len(before - after) == (0 if kind in ("add", "background") else 1)
    assert len(after - before) == (0 if kind in ("remove", "background") else 1)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_every_word_is_in_the_vocabulary(seed):
    """No sentence of the world needs a word that the tokenizer lacks."""
    world, known = SceneSampler(seed, held_out=False), set(language.vocabulary())
    change = language.edit(world, world.choice(language.EDIT_KINDS))
    line, call = dialogue.tool_call(world)
    prompt, scene = language.any_prompt(world)
    said = [prompt, language.plan(scene), change.instruction, language.edit_plan(change), line, call]
    assert {word for text in said for word in text.split()} <= known


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(language.GENERATION_TYPES))
def test_the_scene_of_a_prompt_satisfies_it(seed, kind):
    """What the generator pairs with a prompt is judged to show it."""
    prompt, scene = language.prompt(SceneSampler(seed), kind)
    reading = judge.read(render.paint(scene))
    if judge.shows(reading, scene, reach=1.0):
        assert evaluation.satisfies(reading, kind, scene, prompt)


def test_a_wrong_picture_is_not_accepted():
    """One thing more, another colour, another place: each is judged wrong."""
    scene = Scene("white", (Thing("star", "red", "large", 0),))
    for other in (
        Scene("white", (*scene.things, Thing("ring", "blue", "small", 8))),
        Scene("white", (Thing("star", "blue", "large", 0),)),
        Scene("white", (Thing("star", "red", "small", 0),)),
        Scene("white", (Thing("star", "red", "large", 4),)),
        Scene("black", scene.things),
    ):
        assert not judge.shows(judge.read(render.paint(other)), scene)


def test_the_rule_based_runtime_scores_full_marks():
    """The whole evaluation, on a runtime that does everything right, gives 1."""
    scores = suite.evaluate(FakeRuntime(), 3, 6, lambda *_: None, ["generation", "questions"])
    assert scores["generation"]["mean"] == 1.0
    assert scores["questions"]["mean"] == 1.0


def test_a_runtime_that_ignores_the_request_scores_near_nothing():
    """The evaluation can fail: drawing the same star for every prompt is found out."""

    class Stubborn(FakeRuntime):
        def _draw(self, text, source, seed):
            return render.paint(Scene("white", (Thing("star", "red", "large", 4),)))

    scores = suite.evaluate(Stubborn(), 3, 6, lambda *_: None, ["generation", "edits"])
    assert scores["generation"]["mean"] < 0.3
    assert scores["edits"]["mean"] < 0.2


def test_ceilings_and_wide_language_are_scored_too():
    """Every stage is measured by itself; rules draw right plans, and leave what they cannot do alone."""
    scores = suite.evaluate(FakeRuntime(), 3, 4, lambda *_: None, ["ceilings", "wide"])
    ceilings, wide = scores["ceilings"], scores["wide"]
    assert ceilings["drawing_from_true_plans"]["kinds"]["scene"]["score"] == 1.0
    assert ceilings["decoding_true_features"]["score"] == 1.0
    assert ceilings["prompt_plans"]["mean"] == 0.0  # rules write no plans
    assert wide["absent"]["possible_edits_left_alone"]["score"] < 0.5


def test_an_unknown_part_is_named():
    """A part that does not exist is an InputError that lists those that do."""
    with pytest.raises(InputError, match="no part") as caught:
        suite.evaluate(FakeRuntime(), 1, 1, lambda *_: None, ["speed"])
    assert "ceilings" in caught.value.hint


def test_intervals_hold_the_score():
    """A Wilson interval contains its share and stays in 0 … 1."""
    tally = Tally(7, 10)
    low, high = tally.to_json()["interval"]
    assert 0 <= low < 0.7 < high <= 1
    assert Tally().to_json() == {"score": None, "n": 0}


def test_thousands_of_scenes_a_second():
    """Painting is table look-ups: far more than the thousand that training needs fit in a moment."""
    world = SceneSampler(1)
    pixels = render.render([world.scene() for _ in range(500)])
    assert pixels.shape == (500, 64, 64, 3)
    assert pixels.dtype == np.uint8
