"""What all trials share: tallies with intervals, a desk for each goal, the cost of a goal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sightline.reasoning.desk import Desk
from sightline.reasoning.outcome import Outcome
from sightline.reasoning.solve import solve
from sightline.reasoning.strategies.strategy import Strategy
from sightline.results import Picture
from sightline.session import Session
from sightline.toolset.budgets import Budget, Ledger
from sightline_runtime.evaluation.scores import Json

Step = Callable[[str, int, int], None]
"""Called with (part, done, total)."""


@dataclass
class Cost:
    """What goals took: pictures, seconds, and how many goals."""

    images: int = 0
    seconds: float = 0.0
    goals: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one goal."""
        self.images += outcome.spent.images
        self.seconds += outcome.spent.seconds
        self.goals += 1

    def to_json(self) -> Json:
        """Pictures and seconds of a goal."""
        goals = max(self.goals, 1)
        return {
            "images_per_goal": round(self.images / goals, 3),
            "seconds_per_goal": round(self.seconds / goals, 4),
        }


def pursued(
    session: Session, name: str, goal: str, strategy: Strategy, images: tuple[Picture, ...] = ()
) -> Outcome:
    """Pursue a goal on a branch from the session's root, so that no trial sees another."""
    return solve(desk(session, name), goal, images, strategy, ())


def desk(session: Session, name: str) -> Desk:
    """A desk on a new branch of a session."""
    executor = session._executor  # the rooms of reasoning work on it
    executor.refs.branch(name, executor.refs.head()[1])
    return Desk(executor.on(name), Ledger(Budget()))
