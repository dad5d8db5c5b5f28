"""Direct: draw, edit, or ask once."""

from __future__ import annotations

from dataclasses import dataclass

from sightline.reasoning.desk import Candidate, Desk
from sightline.reasoning.outcome import Goal


@dataclass(frozen=True)
class Direct:
    """One call; nothing is checked, so a picture's score is one half. With `check` it is verified."""

    check: bool = False

    def pursue(self, goal: Goal, desk: Desk) -> Candidate:
        """Do what the goal says, once."""
        if goal.kind == "answer":
            said = desk.ask(goal.source, goal.text, goal.choices, why="look")
            return desk.offer(Candidate(answer=said.text, score=said.confidence))
        before = goal.source if goal.kind == "edit" else None
        made = desk.generate(goal.text) if before is None else desk.edit(before, goal.text)
        if self.check:
            return desk.judged(made.image, goal.text, before=before)
        return desk.offer(Candidate(picture=made.image, score=0.5))
