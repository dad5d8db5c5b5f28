"""Beam: keep several unfinished pictures, and go on from the best of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    verdicts on the way; equal pictures are one. A goal of one instruction is a plain best-of.
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
        parts = phrases.instructions(goal.text)
        kept = [Candidate(picture=goal.source if goal.kind == "edit" else None, score=1.0)]
        for number, instruction in enumerate(parts):
            grown = self._grown(desk.varied(number), kept, instruction, partial=number + 1 < len(parts))
            kept = sorted(grown, key=lambda candidate: -candidate.score)[: self.width]
        return kept[0]

    def _grown(
        self, desk: Desk, starts: list[Candidate], instruction: str, *, partial: bool
    ) -> list[Candidate]:
        """All next pictures, equal ones once, with the scores of the ways that led there."""
        grown: dict[str, Candidate] = {}
        for start in starts:
            for number in range(self.branching):
                made = _next(desk.varied(number), start.picture, instruction)
                if made.ref.pixels not in grown:
                    judged = desk.judged(made, instruction, before=start.picture, partial=partial)
                    so_far = replace(judged, score=start.score * judged.score)
                    grown[made.ref.pixels] = desk.offer(so_far, instead=judged)
        return list(grown.values())


def _next(desk: Desk, picture: Picture | None, instruction: str) -> Picture:
    made = desk.generate(instruction) if picture is None else desk.edit(picture, instruction)
    return made.image
