"""Solve: pursue a goal with a strategy on a branch of its own, under a hard budget."""

from __future__ import annotations

from collections.abc import Sequence

from sightline.errors import InputError
from sightline.reasoning.desk import BudgetError, Candidate, Desk
from sightline.reasoning.outcome import Goal, Outcome, Stop
from sightline.reasoning.strategies.plan_execute import PlanExecute
from sightline.reasoning.strategies.refine import Refine
from sightline.reasoning.strategies.strategy import Strategy
from sightline.tree.line import walk
from sightline.tree.steps import Step


def solve(
    desk: Desk, text: str, images: Sequence[object], strategy: Strategy, choices: Sequence[str]
) -> Outcome:
    """Pursue a goal at a desk whose branch is there; every step stands on it, whatever stops the run."""
    if not callable(getattr(strategy, "pursue", None)):
        raise InputError(f"{strategy!r} is no strategy", hint="give Direct(), Refine(), BestOf(4), …")
    root = desk.executor.refs.head()[1]
    stopped: Stop = "done"
    why = "the strategy ended"
    found: Candidate | None = None
    try:
        goal = Goal(text, tuple(desk.bring(image) for image in images), tuple(choices))
        found = strategy.pursue(goal, desk)
    except BudgetError as error:
        stopped, why, found = "budget", error.message, desk.best
    return _outcome(desk, text, found or Candidate(), stopped, why, root)


def _outcome(desk: Desk, text: str, found: Candidate, stopped: Stop, why: str, root: str | None) -> Outcome:
    branch, tip = desk.executor.refs.head()
    taken = []
    for row in walk(desk.executor.store, tip):
        step = Step.from_row(row)
        if step.id == root:
            break
        taken.append(step.id)
    return Outcome(
        goal=text,
        answer=found.answer,
        image=found.picture,
        confidence=found.score,
        verdict=found.verdict,
        thoughts=tuple(desk.thoughts),
        branch=branch,
        steps=tuple(reversed(taken)),
        spent=desk.ledger.spent,
        stopped=stopped,
        why=why,
    )


def default_strategy(kind: str) -> Strategy:
    """What a goal of a kind is pursued with unless told otherwise."""
    return PlanExecute() if kind == "answer" else Refine()
