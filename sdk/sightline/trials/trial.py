"""What all trials share: tallies with intervals, a desk for each goal, the cost of a goal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sightline.reasoning.desk import Desk
from sightline.reasoning.outcome import Outcome
from sightline.reasoning.solve import solve
from sightline.reasoning.strategies.strategy import Strategy
from sightline.results import Picture
from sightline.session import Session
from sightline.toolset.budgets import Budget, Ledger
from sightline_runtime.evaluation.scores import Json, Tally

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


@dataclass
class Kept:
    """Tallies by name."""

    by_name: dict[str, Tally] = field(default_factory=dict)

    def add(self, name: str, good: bool) -> None:
        """Count one under a name."""
        self.by_name.setdefault(name, Tally()).add(good)

    @property
    def score(self) -> float:
        """The mean over the names."""
        shares = [tally.right / tally.asked for tally in self.by_name.values() if tally.asked]
        return sum(shares) / len(shares) if shares else 0.0

    def to_json(self) -> Json:
        """The mean and each."""
        return {
            "mean": round(self.score, 4),
            "kinds": {name: tally.to_json() for name, tally in self.by_name.items()},
        }


def pursued(
    session: Session, name: str, goal: str, strategy: Strategy, images: tuple[Picture, ...] = ()
) -> Outcome:
    """Pursue a goal on a branch from the session's root, so that no trial sees another."""
    with desk(session, name) as own:
        return solve(own, goal, images, strategy, ())


@contextmanager
def desk(session: Session, name: str) -> Iterator[Desk]:
    """A desk on a new branch of a session."""
    executor = session._executor  # the rooms of reasoning work on it
    executor.refs.branch(name, executor.refs.head()[1])
    yield Desk(executor.on(name), Ledger(Budget()))


def now() -> float:
    """Seconds on a clock that only goes forward."""
    return time.perf_counter()
