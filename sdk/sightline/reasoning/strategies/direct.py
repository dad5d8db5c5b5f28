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
        if goal.kind == "edit":
            made = desk.edit(goal.source, goal.text).image
        else:
            made = desk.generate(goal.text).image
        if not self.check:
            return desk.offer(Candidate(picture=made, score=0.5))
        before = goal.source if goal.kind == "edit" else None
        verdict = desk.verify(made, goal.text, before=before)
        return desk.offer(Candidate(picture=made, score=verdict.probability, verdict=verdict))
