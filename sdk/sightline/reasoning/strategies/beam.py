"""Beam: keep several unfinished pictures, and go on from the best of them."""

from __future__ import annotations

from dataclasses import dataclass

from sightline.errors import InputError
from sightline.reasoning import phrases
from sightline.reasoning.desk import Candidate, Desk
from sightline.reasoning.outcome import Goal
from sightline.reasoning.strategies.direct import Direct
from sightline.results import Picture


@dataclass(frozen=True)
class Beam:
    """The instructions of a goal one after the other, `branching` tries of each, the best `width` kept.

    Instructions are parted by "then", ";" or a full stop. A score is the product of the
    verdicts on the way. A goal of one instruction, or none, is a plain best-of.
    """

    width: int = 2
    branching: int = 2

    def __post_init__(self) -> None:
        if not (1 <= self.width <= 16 and 1 <= self.branching <= 16):
            raise InputError(f"a beam of {self.width} by {self.branching}", hint="use 1 to 16 of each")

    def pursue(self, goal: Goal, desk: Desk) -> Candidate:
        """Go through the instructions."""
        if goal.kind == "answer":
            return Direct().pursue(goal, desk)
        first, *rest = phrases.instructions(goal.text)
        edited = goal.kind == "edit"
        kept = self._grown(desk, [(goal.source, 1.0)] if edited else [(None, 1.0)], first, last=not rest)
        for number, instruction in enumerate(rest, 1):
            starts = [(each.picture, each.score) for each in kept]
            kept = self._grown(desk, starts, instruction, last=number == len(rest))
        return desk.offer(kept[0])

    def _grown(
        self, desk: Desk, starts: list[tuple[Picture | None, float]], instruction: str, *, last: bool
    ) -> list[Candidate]:
        """The best of all next pictures; only those of the last instruction are candidates."""
        grown = []
        for picture, so_far in starts:
            for number in range(self.branching):
                tried = desk.varied(number)
                made = (
                    tried.generate(instruction).image
                    if picture is None
                    else tried.edit(picture, instruction).image
                )
                verdict = tried.verify(made, instruction, before=picture)
                grown.append(Candidate(None, made, so_far * verdict.probability, verdict))
                if last:
                    desk.offer(grown[-1])
        grown.sort(key=lambda candidate: -candidate.score)
        return grown[: self.width]
