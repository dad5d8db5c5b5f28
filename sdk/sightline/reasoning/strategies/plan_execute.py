"""PlanExecute: write a plan, check it, run it."""

from __future__ import annotations

from dataclasses import dataclass, field

from sightline.reasoning.desk import Candidate, Desk
from sightline.reasoning.outcome import Goal
from sightline.reasoning.planners import Planner, Rules
from sightline.reasoning.plans.check import check, tools_of
from sightline.reasoning.plans.running import run
from sightline.reasoning.questions import PICTURE
from sightline.reasoning.strategies.direct import Direct
from sightline.reasoning.strategies.strategy import Strategy


@dataclass(frozen=True)
class PlanExecute:
    """Plan, then run; a goal without a plan, or whose plan cannot run or is refused, goes to `otherwise`."""

    planner: Planner = field(default_factory=Rules)
    otherwise: Strategy = field(default_factory=Direct)

    def pursue(self, goal: Goal, desk: Desk) -> Candidate:
        """Plan and run."""
        plan = self.planner.plan(goal, desk)
        if plan is None or check(plan, tools_of(desk.executor.toolbox)):
            return self.otherwise.pursue(goal, desk)
        made = run(desk, plan, {PICTURE: goal.source} if PICTURE in plan.inputs else {})
        found = Candidate(
            answer=made.answer,
            picture=made.image,
            score=made.confidence if goal.kind == "answer" else 0.5,
            partial=made.stopped != "done",
            plan=plan.data(),
        )
        wanted = made.answer if goal.kind == "answer" else made.image
        if wanted is not None:
            desk.offer(found)
        made.raise_if_stopped()
        if wanted is None or made.stopped != "done":
            return self.otherwise.pursue(goal, desk)
        return found
