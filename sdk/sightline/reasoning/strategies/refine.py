"""Refine: try, check, and let what failed say what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sightline.errors import InputError
from sightline.reasoning.corrections import correction
from sightline.reasoning.desk import Candidate, Desk
from sightline.reasoning.outcome import Goal
from sightline.reasoning.strategies.direct import Direct
from sightline.reasoning.strategies.strategy import Strategy


@dataclass(frozen=True)
class Refine:
    """At most `max_rounds` more tries, until the verdict reaches `stop`.

    A check that one instruction can mend is mended by an edit of the best picture so far;
    anything else is tried anew with another seed. The best of all is kept, so a round can
    do no harm.
    """

    max_rounds: int = 3
    stop: float = 0.9
    strategy: Strategy = field(default_factory=lambda: Direct(check=True))

    def __post_init__(self) -> None:
        if not 0 <= self.max_rounds <= 64:
            raise InputError(f"max_rounds is {self.max_rounds}", hint="use 0 to 64 rounds")

    def pursue(self, goal: Goal, desk: Desk) -> Candidate:
        """Try until it is good enough."""
        best = self.strategy.pursue(goal, desk.varied(0))
        for number in range(1, self.max_rounds + 1):
            if best.score >= self.stop:
                return best
            tried = desk.varied(number)
            found = self._mended(goal, tried, best) or self.strategy.pursue(goal, tried)
            best = max(best, found, key=lambda candidate: candidate.score)
        if best.score >= self.stop:
            return best
        return replace(best, stopped="rounds", why=f"p={best.score:.2f} after {self.max_rounds} more tries")

    def _mended(self, goal: Goal, desk: Desk, best: Candidate) -> Candidate | None:
        """The best picture with its most doubtful check mended by an edit, None if no edit would."""
        failed = best.verdict.failed if best.verdict is not None else ()
        instruction = correction(failed[0].check) if failed else None
        if instruction is None or best.picture is None:
            return None
        made = desk.edit(best.picture, instruction, why=f"mend “{failed[0].check.question}”: {instruction}")
        before = goal.source if goal.kind == "edit" else None
        return desk.judged(made.image, goal.text, before=before)
