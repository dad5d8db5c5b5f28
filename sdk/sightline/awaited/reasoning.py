"""The verbs that take several steps, awaited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sightline.awaited.base import AsyncVerbs, awaited
from sightline.reasoning.attribution import Attribution
from sightline.reasoning.changes import Change
from sightline.reasoning.claims import Check
from sightline.reasoning.outcome import Outcome
from sightline.reasoning.plans.estimate import Estimate
from sightline.reasoning.plans.plan import Plan
from sightline.reasoning.plans.running import PlanRun
from sightline.reasoning.strategies.strategy import Strategy
from sightline.reasoning.verify import Judge, Verdict
from sightline.results import Answered
from sightline.toolset.budgets import Budget
from sightline.toolset.toolset import Toolset
from sightline.verbs.kinds import ImageLike


class AsyncReasoning(AsyncVerbs):
    """See `verbs.reasoning`."""

    async def verify(
        self,
        image: ImageLike,
        claim: str | Sequence[Check],
        *,
        before: ImageLike | None = None,
        judge: Judge | None = None,
    ) -> Verdict:
        """Check whether a picture shows a claim: `passed` is True, False, or None where it cannot be told.

        The claim is split into questions whose answers have probabilities; give your own
        `Check`s to ask something else. In the world of shapes "a red star" is about the whole picture, so
        anything more fails it; "the star is red" and "there is a red star" are about a part.
        With `before` the claim is the instruction of an edit, and what it does not name must have stayed.
        A second `judge` can only make it less sure.
        """
        return await awaited(self._session.verify, image, claim, before=before, judge=judge)

    async def solve(
        self,
        goal: str,
        images: Sequence[ImageLike] | ImageLike = (),
        *,
        strategy: Strategy | Mapping[str, object] | None = None,
        budget: Budget | None = None,
        choices: Sequence[str] = (),
        judge: Judge | None = None,
        branch: str | None = None,
    ) -> Outcome:
        """Pursue a goal: a question about pictures, a change of one, or a new one, on a branch of its own.

        By default a question is answered by a plan of intermediate pictures where it needs
        one, and a picture is checked and refined. A `budget` is hard: a run that it ends keeps
        its steps and gives the best it has; `stopped` and `why` say so. The `strategy` of an
        outcome, which is data, pursues another goal in the same way.
        """
        return await awaited(
            self._session.solve,
            goal,
            images,
            strategy=strategy,
            budget=budget,
            choices=choices,
            judge=judge,
            branch=branch,
        )

    async def run(
        self,
        plan: Plan | Mapping[str, object] | str | Path,
        inputs: Mapping[str, ImageLike] | None = None,
        *,
        budget: Budget | None = None,
        toolset: Toolset | None = None,
        branch: str | None = None,
    ) -> PlanRun:
        """Run a plan (also as data, JSON or YAML, or a Path to a file of one) on a branch of its own.

        It is checked first: InputError names every fault, and nothing has run. A `toolset`
        limits the tools that it may call; the toolset's own budget and approval are for chatbots.
        """
        return await awaited(self._session.run, plan, inputs, budget=budget, toolset=toolset, branch=branch)

    async def estimate(
        self,
        plan: Plan | Mapping[str, object] | str | Path,
        inputs: Mapping[str, ImageLike] | None = None,
    ) -> Estimate:
        """Say what a run of a plan may take: steps, pictures, seconds and memory, expected and at worst.

        Runs and records nothing. With the plan's pictures as `inputs`, steps that were made
        before are found and followed. The pace is that of this store's steps on this model;
        without any, a few small calls measure it.
        """
        return await awaited(self._session.estimate, plan, inputs)

    async def why(self, answer: Answered, *, parts: int = 6) -> Attribution:
        """Find what an answer depends on: overlapping parts of its picture are covered and asked again.

        Records nothing. InputError for what is no answer about a picture.
        """
        return await awaited(self._session.why, answer, parts=parts)

    async def describe_change(self, before: ImageLike, after: ImageLike) -> Change:
        """Say in words what differs between two pictures."""
        return await awaited(self._session.describe_change, before, after)
