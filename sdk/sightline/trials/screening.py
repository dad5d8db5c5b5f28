"""Screening: is a drawing judged on its features as when it is painted, and what does that save?"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from sightline.reasoning.claims import Check, split
from sightline.trials.trial import Step
from sightline_runtime.evaluation.scores import Json
from sightline_runtime.protocol import (
    DecodeRequest,
    FeatureRequest,
    ImageSlot,
    Message,
    Runtime,
    TextRequest,
)
from sightline_runtime.world import language
from sightline_runtime.world.scenes import SceneSampler

_CANDIDATES = 4


def screening(runtime: Runtime, seed: int, n: int, step: Step) -> Json:
    """Spearman's rank correlation of both judgements over 4 n candidates, and the cost in pictures.

    Cost 1 is one picture drawn and painted. `kept` is how often the candidate that the
    features choose is one that the pictures rank first, ties counted as first.
    """
    world, kinds = (
        SceneSampler(seed * 1_000_003 + 56, held_out=False),
        ("two_objects", "position", "attribution"),
    )
    before, after, kept = list[float](), list[float](), 0
    seconds = {"draw": 0.0, "judge": 0.0, "paint": 0.0}
    for number in range(n):
        prompt, _ = language.prompt(world, kinds[number % len(kinds)])
        checks, seeds = split(prompt, exact=True), tuple(range(4 * number, 4 * number + _CANDIDATES))
        start = time.perf_counter()
        request = FeatureRequest((Message("user", (prompt,)),), seeds)
        drawn = runtime.generate_features(request).result().features
        seconds["draw"] += (then := time.perf_counter()) - start
        looked = [_score(runtime, checks, TextRequest(_asked(""), features=(each,))) for each in drawn]
        seconds["judge"] += (done := time.perf_counter()) - then
        painted = runtime.decode_features(DecodeRequest(drawn, seeds)).result().images
        seconds["paint"] += time.perf_counter() - done
        seen = [_score(runtime, checks, TextRequest(_asked(""), images=(each,))) for each in painted]
        kept += seen[looked.index(max(looked))] >= max(seen) - 0.01
        before, after = [*before, *looked], [*after, *seen]
        step("screening", number + 1, n)
    one = (seconds["draw"] + seconds["paint"]) / (_CANDIDATES * n)
    screened = (seconds["draw"] + seconds["judge"]) / n + seconds["paint"] / (_CANDIDATES * n)
    return {
        "rank_correlation": round(_spearman(before, after), 4),
        "kept": round(kept / n, 4),
        "n": len(before),
        "cost_of_best_of_4_screened": round(screened / one, 3),
        "cost_of_best_of_4_painted": round((_CANDIDATES * one + seconds["judge"] / n) / one, 3),
        "share_of_painting": round(seconds["paint"] / (seconds["draw"] + seconds["paint"]), 4),
    }


def _asked(question: str) -> tuple[Message, ...]:
    return (Message("user", (ImageSlot(0), question)),)


def _score(runtime: Runtime, checks: Sequence[Check], shown: TextRequest) -> float:
    asked = [
        TextRequest(_asked(check.question), shown.images, shown.features, check.choices) for check in checks
    ]
    said = [job.result().probabilities for job in [runtime.generate_text(request) for request in asked]]
    shares = (
        sum(answer.get(choice, 0.0) for choice in check.expected)
        for check, answer in zip(checks, said, strict=True)
    )
    return math.prod(shares)


def _spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """The correlation of ranks, equal values sharing theirs."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return [(ordered.index(value) + len(ordered) - 1 - ordered[::-1].index(value)) / 2 for value in values]
