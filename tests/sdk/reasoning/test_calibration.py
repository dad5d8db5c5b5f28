"""Calibration: known curves are found again, AUROC and ECE agree with their definitions, files keep it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import InputError
from sightline.reasoning import calibration
from sightline.reasoning.calibration import Calibration

P = st.floats(0, 1)
JUDGED = st.lists(st.tuples(P, st.booleans()), min_size=2, max_size=60)


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, 1.5), (2.0, -1.0)])
def test_a_known_curve_is_found_again(slope, shift):
    """Twenty thousand claims drawn from it."""
    rng = np.random.default_rng(4)
    x = rng.normal(0, 2, 20_000)
    truths = rng.random(20_000) < 1 / (1 + np.exp(-(slope * x + shift)))
    scores = 1 / (1 + np.exp(-x))
    assert calibration.fit(scores.tolist(), truths.tolist()) == pytest.approx((slope, shift), abs=0.1)


@settings(deadline=None)
@given(JUDGED)
def test_a_fit_is_finite_and_never_worse_than_none(judged):
    """Also where the scores part true from false without a fault, or are all the same."""
    scores, truths = zip(*judged, strict=True)
    if len(set(truths)) < 2:
        with pytest.raises(InputError, match="true of"):
            calibration.fit(scores, truths)
        return
    slope, shift = calibration.fit(scores, truths)
    assert math.isfinite(slope)
    assert math.isfinite(shift)
    assert abs(slope) < 1000


def test_scores_without_a_fault_give_a_steep_curve_that_is_right():
    """What once made Newton's method run away."""
    scores, truths = [0.99, 0.98, 1.0, 0.01, 0.0, 0.02] * 5, [True, True, True, False, False, False] * 5
    slope, shift = calibration.fit(scores, truths)
    fitted = Calibration(slope=slope, shift=shift)
    assert [fitted.probability(score) > 0.5 for score in scores] == truths
    assert slope > 0.3


@given(JUDGED)
def test_auroc_is_the_share_of_pairs_in_order(judged):
    """Against the count over all pairs."""
    good = [score for score, truth in judged if truth]
    bad = [score for score, truth in judged if not truth]
    scores, truths = zip(*judged, strict=True)
    if not good or not bad:
        with pytest.raises(InputError):
            calibration.auroc(scores, truths)
        return
    wins = sum((a > b) + (a == b) / 2 for a in good for b in bad)
    assert calibration.auroc(scores, truths) == pytest.approx(wins / (len(good) * len(bad)))


@given(JUDGED, st.integers(1, 20))
def test_the_calibration_error_is_bounded(judged, bins):
    """0 … 1; at least what mean and truth differ in all, at most the mean distance of each."""
    p, truths = zip(*judged, strict=True)
    error = calibration.calibration_error(p, truths, bins=bins)
    assert abs(np.mean(p) - np.mean(truths)) - 1e-9 <= error
    assert error <= np.mean(np.abs(np.array(p) - np.array(truths))) + 1e-9 <= 1 + 1e-9


def test_nobody_is_calibrated_on_nothing():
    """No claims, no error."""
    with pytest.raises(InputError):
        calibration.calibration_error([], [])


@given(P, st.floats(0.01, 3), st.floats(-3, 3))
def test_a_higher_score_is_never_less_likely(score, slope, shift):
    """And every probability is one."""
    known = Calibration(slope=slope, shift=shift)
    assert 0 <= known.probability(0) <= known.probability(score) <= known.probability(1) <= 1


def test_what_is_near_one_half_is_unknown():
    """Within the margin neither passed nor failed."""
    known = Calibration(margin=0.2)
    assert [known.passed(p) for p in (0.1, 0.29, 0.31, 0.5, 0.69, 0.71)] == [
        *(False, False),
        *(None, None, None),
        True,
    ]


def test_a_calibration_is_recorded_in_the_place_of_the_older(tmp_path):
    """One entry for one fingerprint; the others stay."""
    file = tmp_path / "calibrations.json"
    for fingerprint, n in (("a", 5), ("b", 6), ("a", 7)):
        calibration.record(Calibration(fingerprint=fingerprint, n=n), file)
    assert [(entry["fingerprint"], entry["n"]) for entry in json.loads(file.read_text())] == [
        ("b", 6),
        ("a", 7),
    ]


def test_what_was_not_measured_is_not_recorded(tmp_path):
    """Nor what belongs to no model."""
    for entry in (Calibration(n=3), Calibration(fingerprint="a")):
        with pytest.raises(InputError, match="not measured"):
            calibration.record(entry, tmp_path / "calibrations.json")


def test_shipped_entries_keep_what_is_promised():
    """AUROC of at least 0.95 and ECE of at most 0.05 on claims that the fit has not seen."""
    known = calibration._shipped()
    assert len({entry.fingerprint for entry in known}) == len(known)
    for entry in known:
        assert entry.measured
        assert entry.auroc >= 0.95
        assert entry.ece <= 0.05


def test_a_model_without_an_entry_is_not_measured():
    """Its family still says whether claims are about everything."""
    assert calibration.of_model("embedded", "?") == Calibration(exact=True)
    assert calibration.of_model("blip3o", "?") == Calibration()
