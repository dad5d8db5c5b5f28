"""From what a model thinks to what is true: a model's calibration, measured and kept as data.

A checked claim gives one score, the product of its checks' probabilities. Platt's
logistic curve (Platt 1999) over the logit of that score, fitted on pictures whose truth
is known, turns it into a probability. A model without a file is used as it is, and a
verdict says so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field

_EPSILON = 1e-6


class Calibration(BaseModel):
    """How to read the scores of one model.

    `slope` and `shift` are Platt's; a probability nearer to one half than `margin` is
    unknown. `exact` says that claims are about everything in the picture, as in the world
    of shapes. `ece` is the expected calibration error (10 bins) and `auroc` the area under
    the curve, on `n` pictures that the fit has not seen; None where nothing was measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str = ""
    exact: bool = False
    slope: float = 1.0
    shift: float = 0.0
    margin: float = Field(default=0.2, ge=0, lt=0.5)
    ece: float | None = None
    auroc: float | None = None
    n: int = 0

    @property
    def measured(self) -> bool:
        """Whether somebody measured this model."""
        return self.n > 0

    def probability(self, score: float) -> float:
        """The probability (0 … 1) that a claim of this score (0 … 1) is true."""
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, self.slope * logit(score) + self.shift))))

    def passed(self, probability: float) -> bool | None:
        """True or False where the probability is far enough from one half, else None."""
        return None if abs(probability - 0.5) < self.margin else probability > 0.5


def logit(p: float) -> float:
    """The log-odds of a probability, kept finite."""
    inside = min(max(p, _EPSILON), 1 - _EPSILON)
    return math.log(inside / (1 - inside))


def of_model(family: str, fingerprint: str) -> Calibration:
    """The calibration of a model: that of its weights, or of its family without numbers, or none."""
    for known in _shipped():
        if known.fingerprint == fingerprint:
            return known
    return Calibration(exact=family in ("embedded", "fake"))


@cache
def _shipped() -> tuple[Calibration, ...]:
    text = resources.files("sightline.reasoning").joinpath("calibrations.json").read_text()
    return tuple(Calibration.model_validate(entry) for entry in json.loads(text))


def fit(scores: Sequence[float], truths: Sequence[bool], *, rounds: int = 100) -> tuple[float, float]:
    """Platt's slope and shift by Newton's method, on the smoothed targets of his paper."""
    good = sum(truths)
    high, low = (good + 1) / (good + 2), 1 / (len(truths) - good + 2)
    xs, ys = [logit(score) for score in scores], [high if true else low for true in truths]
    a, b = 1.0, 0.0
    for _ in range(rounds):
        ps = [1 / (1 + math.exp(-max(-60.0, min(60.0, a * x + b)))) for x in xs]
        ga = sum((p - y) * x for p, y, x in zip(ps, ys, xs, strict=True)) + 1e-3 * (a - 1)
        gb = sum(p - y for p, y in zip(ps, ys, strict=True))
        weights = [max(p * (1 - p), 1e-9) for p in ps]
        haa = sum(w * x * x for w, x in zip(weights, xs, strict=True)) + 1e-3
        hab = sum(w * x for w, x in zip(weights, xs, strict=True))
        hbb = sum(weights) + 1e-6
        determinant = haa * hbb - hab * hab
        da, db = (hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant
        a, b = a - da, b - db
        if abs(da) + abs(db) < 1e-9:
            break
    return a, b


def auroc(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """The chance that a true one scores above a false one, ties counted half."""
    ranked = sorted(zip(scores, truths, strict=True))
    good, wins, seen_false, index = sum(truths), 0.0, 0, 0
    while index < len(ranked):
        same = [truth for score, truth in ranked[index:] if score == ranked[index][0]]
        falses = len(same) - sum(same)
        wins += sum(same) * (seen_false + falses / 2)
        seen_false += falses
        index += len(same)
    return wins / (good * (len(ranked) - good))


def calibration_error(probabilities: Sequence[float], truths: Sequence[bool], *, bins: int = 10) -> float:
    """The expected calibration error: how far mean probability and truth are apart, over equal bins."""
    total = 0.0
    for k in range(bins):
        inside = [
            (p, true)
            for p, true in zip(probabilities, truths, strict=True)
            if k == min(int(p * bins), bins - 1)
        ]
        total += abs(sum(p for p, _ in inside) - sum(true for _, true in inside))
    return total / len(probabilities)
