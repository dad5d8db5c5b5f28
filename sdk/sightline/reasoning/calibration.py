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
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from sightline.errors import InputError

Floats = npt.NDArray[np.float64]

_EPSILON = 1e-6
_PULL = 1e-3


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
    return _read(resources.files("sightline.reasoning").joinpath("calibrations.json").read_text())


def fit(scores: Sequence[float], truths: Sequence[bool], *, rounds: int = 100) -> tuple[float, float]:
    """Platt's slope and shift, on the smoothed targets of his paper.

    Newton's method with halved steps (Lin, Lin and Weng 2007), so that scores which part
    true from false without a fault give a steep curve and not an endless one.
    InputError unless both truths occur.
    """
    good, bad = _both(scores, truths)
    high, low = (good + 1) / (good + 2), 1 / (bad + 2)
    x = np.array([logit(score) for score in scores])
    y = np.where(np.array(truths, bool), high, low)
    curve, loss = np.array([1.0, 0.0]), _loss(np.array([1.0, 0.0]), x, y)
    for _ in range(rounds):
        step = _newton(curve, x, y)
        size = 1.0
        while size > 1e-6 and _loss(curve + size * step, x, y) > loss - 1e-12:
            size /= 2
        if size <= 1e-6:
            break
        curve = curve + size * step
        loss = _loss(curve, x, y)
    return float(curve[0]), float(curve[1])


def _loss(curve: Floats, x: Floats, y: Floats) -> float:
    """Cross entropy, and a pull of the slope towards one that counts as little as a thousandth of a claim."""
    z = curve[0] * x + curve[1]
    return float(np.sum(np.logaddexp(0, z) - y * z)) + _PULL / 2 * float(curve[0] - 1) ** 2


def _newton(curve: Floats, x: Floats, y: Floats) -> Floats:
    z = np.clip(curve[0] * x + curve[1], -60, 60)
    p = 1 / (1 + np.exp(-z))
    w = p * (1 - p)
    slopes = np.array([((p - y) * x).sum() + _PULL * (curve[0] - 1), (p - y).sum()])
    bends = np.array([[(w * x * x).sum() + _PULL, (w * x).sum()], [(w * x).sum(), w.sum() + 1e-9]])
    return np.asarray(np.linalg.solve(bends, -slopes))


def auroc(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """The chance that a true one scores above a false one, ties counted half; InputError without both."""
    good, bad = _both(scores, truths)
    _, places, sizes = np.unique(np.asarray(scores, float), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[places]  # those of one score share their mean rank
    return float((ranks[np.array(truths, bool)].sum() - good * (good + 1) / 2) / (good * bad))


def calibration_error(probabilities: Sequence[float], truths: Sequence[bool], *, bins: int = 10) -> float:
    """The expected calibration error (0 … 1): how far probability and truth are apart, over equal bins."""
    if not probabilities or len(probabilities) != len(truths):
        raise InputError(f"{len(probabilities)} probabilities for {len(truths)} truths", hint="give one each")
    p, true = np.asarray(probabilities, float), np.asarray(truths, float)
    place = np.minimum((p * bins).astype(int), bins - 1)
    apart = np.bincount(place, p, bins) - np.bincount(place, true, bins)
    return float(np.abs(apart).sum() / len(p))


def _both(scores: Sequence[float], truths: Sequence[bool]) -> tuple[int, int]:
    """How many are true and how many false."""
    good = sum(map(bool, truths))
    if len(scores) != len(truths) or not 0 < good < len(truths):
        raise InputError(
            f"{len(scores)} scores for {good} true of {len(truths)} claims", hint="both truths must occur"
        )
    return good, len(truths) - good


def record(calibration: Calibration, file: Path) -> None:
    """Put a calibration into a file of calibrations, in the place of an older one of the same weights."""
    if not calibration.fingerprint or not calibration.measured:
        raise InputError("the calibration is of no model, or not measured", hint="measure it first")
    entries = _read(file.read_text()) if file.exists() else ()
    kept = [entry for entry in entries if entry.fingerprint != calibration.fingerprint]
    data = [entry.model_dump(mode="json") for entry in (*kept, calibration)]
    file.write_text(json.dumps(data, indent=2) + "\n")


def _read(text: str) -> tuple[Calibration, ...]:
    return tuple(Calibration.model_validate(entry) for entry in json.loads(text))
