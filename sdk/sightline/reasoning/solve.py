"""Solve: pursue a goal with a strategy on a branch of its own, under a hard budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sightline.errors import BudgetError, InputError
from sightline.reasoning.desk import Candidate, Desk
from sightline.reasoning.outcome import Goal, Outcome
from sightline.reasoning.strategies.data import strategy_data, strategy_of
from sightline.reasoning.strategies.plan_execute import PlanExecute
from sightline.reasoning.strategies.refine import Refine
from sightline.reasoning.strategies.strategy import Strategy
from sightline.tree.line import walk
from sightline.tree.steps import Step


def solve(
    desk: Desk, text: str, images: Sequence[object], strategy: Strategy, choices: Sequence[str]
) -> Outcome:
    """Pursue a goal at a desk whose branch is there; every step stands on it, whatever stops the run."""
    root = desk.executor.refs.head()[1]
    try:
        goal = Goal(text, tuple(desk.bring(image) for image in images), tuple(choices))
        found = strategy.pursue(goal, desk)
    except BudgetError as error:
        found = replace(desk.best or Candidate(), stopped="budget", why=error.message)
    return _outcome(desk, text, found, strategy, root)


def _outcome(desk: Desk, text: str, found: Candidate, strategy: Strategy, root: str | None) -> Outcome:
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
        stopped=found.stopped,
        why=found.why,
        strategy=strategy_data(strategy),
        plan=found.plan,
    )


def chosen(strategy: Strategy | Mapping[str, object] | None, kind: str) -> Strategy:
    """The strategy that is meant, as it is or as data; without one, what a goal of a kind is pursued with."""
    if strategy is None:
        return PlanExecute() if kind == "answer" else Refine()
    if isinstance(strategy, Mapping):
        return strategy_of(strategy)
    if isinstance(strategy, type) or not callable(getattr(strategy, "pursue", None)):
        raise InputError(f"{strategy!r} is no strategy", hint="give Direct(), Refine(), BestOf(4), …")
    return strategy
