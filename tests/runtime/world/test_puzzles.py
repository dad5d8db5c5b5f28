"""Puzzles: questions of several steps whose answer is known, balanced, and not the same without the steps."""

from collections import Counter

import pytest

from sightline_runtime.world.puzzles import PUZZLE_KINDS, puzzle
from sightline_runtime.world.scenes import SceneSampler


@pytest.mark.parametrize("kind", PUZZLE_KINDS)
def test_the_answer_is_one_of_the_choices(kind):
    """And the puzzle counts its steps: two to four things, at least two steps."""
    world = SceneSampler(6, held_out=False)
    for _ in range(80):
        made = puzzle(world, kind)
        assert made.kind == kind
        assert made.answer in made.choices
        assert len(set(made.choices)) == len(made.choices)
        assert 2 <= len(made.scene.things) <= 4
        assert 2 <= made.steps <= 7
        assert made.question.endswith(" ?")


@pytest.mark.parametrize("kind", ["counterfactual", "zoom"])
def test_yes_and_no_are_equally_likely(kind):
    """So that guessing is worth one half."""
    world = SceneSampler(7, held_out=False)
    answers = Counter(made.answer for made in (puzzle(world, kind) for _ in range(400)))
    assert 0.4 < answers["yes"] / (answers["yes"] + answers["no"]) < 0.6


def test_the_same_seed_makes_the_same_puzzles():
    """As all of the world."""
    first, second = (
        [puzzle(SceneSampler(3, held_out=False), kind) for kind in PUZZLE_KINDS] for _ in range(2)
    )
    assert first == second


def test_a_removal_leaves_something():
    """Rules that read an empty picture are not asked."""
    world = SceneSampler(9, held_out=False)
    for _ in range(100):
        made = puzzle(world, "counterfactual")
        gone = made.question.split(" if the ")[1].split()[0]
        assert any(thing.shape not in gone for thing in made.scene.things)
