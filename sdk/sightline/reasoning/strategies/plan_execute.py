"""PlanExecute: write a plan, check it, run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sightline.reasoning.desk import Candidate, Desk
from sightline.reasoning.outcome import Goal
from sightline.reasoning.plans.check import check, schemas_of
from sightline.reasoning.plans.plan import Plan
from sightline.reasoning.plans.running import run
from sightline.reasoning.questions import PICTURE, plan_of
from sightline.reasoning.strategies.direct import Direct
from sightline.reasoning.strategies.strategy import Strategy


class Planner(Protocol):
    """Somebody who writes plans: rules, the model itself, or a text model elsewhere."""

    def plan(self, goal: Goal, schemas: Mapping[str, Mapping[str, object]]) -> Plan | None:
        """A plan for a goal with tools by name, None if one call is all it takes.

        The plan's input is `photo`, if the goal has a picture.
        """


@dataclass(frozen=True)
class Rules:
    """Plans by rules of plain English: see `reasoning.questions`. They need no model."""

    def plan(self, goal: Goal, schemas: Mapping[str, Mapping[str, object]]) -> Plan | None:
        """The plan that the rules see."""
        return plan_of(goal.text) if goal.kind == "answer" else None


@dataclass(frozen=True)
class PlanExecute:
    """Plan, then run; a goal for which there is no plan, or none that can run, goes to `otherwise`."""

    planner: Planner = field(default_factory=Rules)
    otherwise: Strategy = field(default_factory=Direct)

    def pursue(self, goal: Goal, desk: Desk) -> Candidate:
        """Plan and run."""
        schemas = schemas_of(desk.executor.toolbox)
        plan = self.planner.plan(goal, schemas)
        if plan is None or check(plan, schemas):
            return self.otherwise.pursue(goal, desk)
        made = run(desk, plan, {PICTURE: goal.source} if PICTURE in plan.inputs else {})
        found = desk.offer(Candidate(answer=made.answer, picture=made.image, score=made.confidence))
        made.raise_if_stopped()
        return found
