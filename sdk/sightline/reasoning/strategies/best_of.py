"""BestOf: several tries, the judge's favourite."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sightline.errors import InputError
from sightline.reasoning import claims
from sightline.reasoning.calibration import of_model
from sightline.reasoning.desk import Candidate, Desk
from sightline.reasoning.outcome import Goal
from sightline.reasoning.strategies.direct import Direct
from sightline.reasoning.strategies.strategy import Strategy
from sightline_tools.screening import MOST_CHECKS, READS


@dataclass(frozen=True)
class BestOf:
    """At most `n` tries with other seeds; stops at the first that is surely right (`enough`).

    `early=False` always makes all n. With `screen` only the best is painted in full: of
    "draft" pictures, or of "features", which are judged before there is any pixel (a model
    that cannot look at features, and an edit, are screened by drafts). What that saves is
    the decoder's work: most of a picture of the released models, little of the embedded one.
    """

    n: int = 4
    strategy: Strategy = field(default_factory=lambda: Direct(check=True))
    enough: float = 0.9
    early: bool = True
    screen: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.n <= 64:
            raise InputError(f"n is {self.n}", hint="use 1 to 64 tries")
        if self.screen not in (None, "draft", "features"):
            raise InputError(f"screen is {self.screen!r}", hint="use draft, features, or leave it out")

    def pursue(self, goal: Goal, desk: Desk) -> Candidate:
        """Try, and keep the best."""
        looks = READS in desk.executor.runtime.info.capabilities
        if self.screen == "features" and goal.kind == "draw" and looks:
            return self._painted(goal, desk)
        if self.screen is not None and goal.kind != "answer":
            return self._screened(goal, desk)
        found: list[Candidate] = []
        for number in range(self.n):
            found.append(self.strategy.pursue(goal, desk.varied(number)))
            if self.early and found[-1].score >= self.enough:
                break
        return max(found, key=lambda candidate: candidate.score)

    def _painted(self, goal: Goal, desk: Desk) -> Candidate:
        """Judge the features of n drawings, paint the best, and judge that."""
        info = desk.executor.runtime.info
        split = claims.split(goal.text, exact=of_model(info.family, info.fingerprint).exact)
        checks = [check.model_dump(exclude={"kind"}) for check in split if check.choices][:MOST_CHECKS]
        asked = {"prompt": goal.text, "n": self.n, "checks": checks}
        made = desk.seeded("draw_best", asked, f"paint the best of {self.n}: {goal.text}")
        return desk.judged(made.image, goal.text)

    def _screened(self, goal: Goal, desk: Desk) -> Candidate:
        """Judge drafts of n pictures drawn at once; finish the best."""
        before = goal.source if goal.kind == "edit" else None
        if before is None:
            drafts = desk.generate(goal.text, n=self.n, draft=True)
        else:
            drafts = desk.edit(before, goal.text, n=self.n, draft=True)
        for picture in drafts.images:  # all are there, whatever the budget leaves of the checks
            desk.offer(Candidate(picture=picture, partial=True))
        judged = [desk.judged(picture, goal.text, before=before, partial=True) for picture in drafts.images]
        best = max(judged, key=lambda candidate: candidate.score)
        if best.picture is None or best.picture.origin != drafts.step.id:
            return desk.offer(replace(best, partial=False))  # the edit found nothing to change
        finished = desk.promote(best.picture).image
        return desk.offer(replace(best, picture=finished, partial=False))
