"""SelfConsistency: several chains, the answer that most of them reach (Wang et al. 2022)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from sightline.errors import BudgetError, InputError
from sightline.reasoning.desk import Candidate, Desk
from sightline.reasoning.outcome import Goal
from sightline.reasoning.strategies.direct import Direct
from sightline.reasoning.strategies.strategy import Strategy


@dataclass(frozen=True)
class SelfConsistency:
    """`n` chains with other seeds; the answer with the most confidence in sum, its share as the score.

    A goal that wants a picture has no answers to count: the best of the n is kept.
    """

    n: int = 3
    strategy: Strategy = field(default_factory=Direct)

    def __post_init__(self) -> None:
        if not 1 <= self.n <= 64:
            raise InputError(f"n is {self.n}", hint="use 1 to 64 chains")

    def pursue(self, goal: Goal, desk: Desk) -> Candidate:
        """Run the chains and count."""
        found: list[Candidate] = []
        vote: Candidate | None = None
        for number in range(self.n):
            tried = desk.varied(number).quiet()
            try:
                found.append(self.strategy.pursue(goal, tried))
            except BudgetError:
                if tried.best is not None and vote is None:
                    desk.offer(tried.best)
                raise
            vote = desk.offer(_voted(found), instead=vote)
        return _voted(found)


def _voted(found: list[Candidate]) -> Candidate:
    votes: dict[str, float] = defaultdict(float)
    for each in found:
        if each.answer is not None:
            votes[each.answer] += max(each.score, 1e-6)
    if not votes:
        return max(found, key=lambda candidate: candidate.score)
    answer = max(votes, key=lambda text: votes[text])
    share = votes[answer] / sum(votes.values())
    first = next(each for each in found if each.answer == answer)
    return replace(first, score=share, stopped="done", why=f"{len(found)} chains voted")
