"""The trials run on any runtime, count what they say they count, and refuse what they cannot do."""

import pytest

from sightline.errors import InputError
from sightline.trials import suite
from sightline_runtime.testing import FakeRuntime


@pytest.fixture(scope="module")
def told():
    """All trials on the rule-based runtime, which draws and answers by rules."""
    seen = []
    scores = suite.reasoning(FakeRuntime(), 1, 2, lambda *step: seen.append(step))
    return scores, seen


def test_every_trial_tells_its_scores(told):
    """Each part is there, with its scores between nothing and all."""
    scores, seen = told
    assert set(suite.TRIALS) <= set(scores)
    assert 0 <= scores["generation"]["direct"]["mean"] <= 1
    assert {part for part, _, _ in seen} >= {"puzzles", "calls", "screening", "direct"}


def test_the_chain_beats_the_direct_way_where_answers_are_true(told):
    """A runtime that sees the truth answers chains right that it cannot answer in one look."""
    puzzles = told[0]["puzzles"]
    assert puzzles["chain"]["mean"] > puzzles["direct"]["mean"]
    assert puzzles["direct"]["kinds"]["zoom"]["n"] == 2


def test_verdicts_of_a_truthful_model_are_nearly_always_right(told):
    """The area under the curve is near one where answers follow from pixels."""
    assert told[0]["verification"]["held_out"]["auroc"] > 0.9


def test_features_are_judged_as_pictures_where_they_are_the_same(told):
    """The rule-based features are the picture: both judgements rank alike."""
    assert told[0]["screening"]["rank_correlation"] == pytest.approx(1.0)


def test_an_unknown_part_is_refused():
    """The error names the parts that there are."""
    with pytest.raises(InputError) as caught:
        suite.reasoning(FakeRuntime(), 1, 1, lambda *_: None, ["nonsense"])
    assert "puzzles" in caught.value.hint


def test_no_constrained_call_is_invalid(embedded):
    """Whatever the line, what the shipped model writes under the pattern is a call that can run."""
    told = suite.reasoning(embedded, 2, 6, lambda *_: None, ["calls"])
    assert told["calls"]["constrained"]["mean"] == 1.0
