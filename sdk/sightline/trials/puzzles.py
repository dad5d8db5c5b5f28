"""Multi-step questions: one look at the whole question, and the chain of pictures that answers it."""

from __future__ import annotations

from sightline.reasoning.solve import solve
from sightline.reasoning.strategies.direct import Direct
from sightline.reasoning.strategies.plan_execute import PlanExecute
from sightline.session import Session
from sightline.trials.trial import Cost, Step, desk
from sightline_runtime.evaluation.scores import Json, Scores
from sightline_runtime.protocol import Runtime
from sightline_runtime.world.puzzles import PUZZLE_KINDS, puzzle
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import SceneSampler


def puzzles(runtime: Runtime, seed: int, n: int, step: Step) -> Json:
    """Both ways on the same questions, n of each kind; the direct way is told what may be answered."""
    world = SceneSampler(seed * 1_000_003 + 52, held_out=False)
    direct, chain, costs = Scores(), Scores(), {"direct": Cost(), "chain": Cost()}
    total, done = n * len(PUZZLE_KINDS), 0
    with Session(runtime=runtime, seed=seed) as session:
        for kind in PUZZLE_KINDS:
            for _ in range(n):
                asked = puzzle(world, kind)
                picture = session.add(paint(asked.scene)).image
                for name, strategy, kept in (("direct", Direct(), direct), ("chain", PlanExecute(), chain)):
                    own = desk(session, f"{name}-{done}")
                    found = solve(own, asked.question, (picture,), strategy, asked.choices)
                    kept.add(kind, found.answer == asked.answer)
                    costs[name].add(found)
                done += 1
                step("puzzles", done, total)
    left = (1 - direct.mean()) / max(1 - chain.mean(), 1e-9)
    return {
        "direct": direct.to_json() | costs["direct"].to_json(),
        "chain": chain.to_json() | costs["chain"].to_json(),
        "times_closer": round(left, 2),
    }
