"""What a strategy is: something that pursues a goal at a desk and gives the best it found."""

from __future__ import annotations

from typing import Protocol

from sightline.reasoning.desk import Candidate, Desk
from sightline.reasoning.outcome import Goal


class Strategy(Protocol):
    """A way to pursue a goal.

    It works through the desk alone, offers each candidate to it as soon as it is there, and
    returns the one it settles on. It ends by itself; where the budget ends first, the desk's
    BudgetError goes through it. A strategy is a frozen dataclass of plain values and other
    strategies, so that it is data and can be put into another.
    """

    def pursue(self, goal: Goal, desk: Desk) -> Candidate:
        """Pursue a goal."""
