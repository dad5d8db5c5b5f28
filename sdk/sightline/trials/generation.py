"""Verified generation: GenEval's six types, drawn directly, as the best of four, and refined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from sightline.reasoning.strategies.best_of import BestOf
from sightline.reasoning.strategies.direct import Direct
from sightline.reasoning.strategies.refine import Refine
from sightline.reasoning.strategies.strategy import Strategy
from sightline.session import Session
from sightline.trials.trial import Cost, Step, pursued
from sightline_runtime.evaluation.scores import Json, Scores
from sightline_runtime.evaluation.world import satisfies
from sightline_runtime.protocol import Runtime
from sightline_runtime.world import judge, language
from sightline_runtime.world.scenes import Scene, SceneSampler

STRATEGIES: Mapping[str, Strategy] = {
    "direct": Direct(),
    "best_of_4": BestOf(4),
    "best_of_4_all": BestOf(4, early=False),
    "best_of_4_drafts": BestOf(4, screen="draft"),
    "best_of_4_features": BestOf(4, screen="features"),
    "refine": Refine(3),
}


def generation(runtime: Runtime, seed: int, n: int, step: Step) -> Json:
    """The score and the cost of every strategy on the same prompts, n of each type."""
    world = SceneSampler(seed * 1_000_003 + 51, held_out=False)
    prompts = [(kind, *language.prompt(world, kind)) for kind in language.GENERATION_TYPES for _ in range(n)]
    found = {}
    for name, strategy in STRATEGIES.items():
        found[name] = _scored(runtime, seed, prompts, strategy, partial(step, name))
    direct = _mean(found["direct"])
    for told in found.values():
        left = 1 - direct
        told["error_removed"] = round((_mean(told) - direct) / left, 4) if left else None
    return dict(found)


def _scored(
    runtime: Runtime,
    seed: int,
    prompts: list[tuple[str, str, Scene]],
    strategy: Strategy,
    step: Callable[[int, int], None],
) -> Json:
    scores, cost = Scores(), Cost()
    with Session(runtime=runtime, seed=seed) as session:
        for index, (kind, prompt, scene) in enumerate(prompts):
            outcome = pursued(session, f"goal-{index}", prompt, strategy)
            cost.add(outcome)
            seen = judge.read(outcome.image.numpy()) if outcome.image else judge.Reading("white", ())
            scores.add(kind, satisfies(seen, kind, scene, prompt))
            step(index + 1, len(prompts))
    return scores.to_json() | cost.to_json()


def _mean(told: Json) -> float:
    return float(str(told["mean"]))
