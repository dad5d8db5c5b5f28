"""Reasoning: claims checked, goals pursued, plans run, answers explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from sightline.errors import InputError
from sightline.reasoning.attribution import Attribution, attribution
from sightline.reasoning.changes import Change, describe_change
from sightline.reasoning.claims import Check
from sightline.reasoning.desk import Desk
from sightline.reasoning.outcome import Goal, Outcome
from sightline.reasoning.plans.estimate import Estimate, estimate
from sightline.reasoning.plans.pace import from_past, pace_of
from sightline.reasoning.plans.plan import Plan
from sightline.reasoning.plans.running import PlanRun, run
from sightline.reasoning.solve import chosen, solve
from sightline.reasoning.strategies.strategy import Strategy
from sightline.reasoning.verify import Judge, Verdict, verify
from sightline.results import Answered, Picture
from sightline.toolset.budgets import Budget, Ledger
from sightline.toolset.toolset import Toolset
from sightline.tree.branching import own_branch
from sightline.verbs.base import Verbs
from sightline.verbs.kinds import ImageLike


class Reasoning(Verbs):
    """The verbs that take several steps to come to something."""

    def verify(
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
        desk = Desk(self._executor, Ledger(Budget()))
        picture = desk.bring(image)
        source = None if before is None else desk.bring(before)
        info = self._executor.runtime.info
        return verify(desk.ask, info, picture, claim, before=source, judge=judge)

    def solve(
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
        given = [images] if _is_one(images) else list(cast(Sequence[ImageLike], images))
        wanted = Goal(goal, (), tuple(choices))  # what is wrong is said before a branch is made
        if not (given or wanted.kind != "answer"):
            raise InputError(f"{goal!r} is about a picture", hint="give one with images=")
        way = chosen(strategy, wanted.kind)
        with self._desk(branch, "solve", budget, judge) as desk:
            return solve(desk, goal, given, way, choices)

    def run(
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
        read = self._checked(plan, toolset)
        with self._desk(branch, "plan", budget) as desk:
            return run(desk, read, inputs or {})

    def estimate(
        self,
        plan: Plan | Mapping[str, object] | str | Path,
        inputs: Mapping[str, ImageLike] | None = None,
    ) -> Estimate:
        """Say what a run of a plan may take: steps, pictures, seconds and memory, expected and at worst.

        Runs and records nothing. With the plan's pictures as `inputs`, steps that were made
        before are found and followed. The pace is that of this store's steps on this model;
        without any, a few small calls measure it.
        """
        read, executor = self._checked(plan, None), self._executor
        given = {}
        for name, value in (inputs or {}).items():
            source = executor.pictures.source(value)
            if source.png is None:  # a picture that is not in the session yet was not worked on either
                given[name] = executor.pictures.bound(source.ref, source.origin)
        pace = from_past(executor.store, executor.runtime.info) or pace_of(executor.runtime)
        return estimate(read, executor.runtime.info, pace, executor, given)

    def why(self, answer: Answered, *, parts: int = 6) -> Attribution:
        """Find what an answer depends on: overlapping parts of its picture are covered and asked again.

        Records nothing. InputError for what is no answer about a picture.
        """
        if not isinstance(answer, Answered):
            raise InputError(f"{type(answer).__name__} is no answer", hint="give what `understand` returned")
        args = self._executor.recorded(answer.step)
        picture, question = args.get("image"), args.get("question")
        if not isinstance(picture, Picture) or not isinstance(question, str):
            raise InputError("the answer is about no picture", hint="give what `understand` returned")
        return attribution(self._executor.runtime, picture, question, answer, parts=parts)

    def describe_change(self, before: ImageLike, after: ImageLike) -> Change:
        """Say in words what differs between two pictures."""
        desk = Desk(self._executor, Ledger(Budget()))
        family = self._executor.runtime.info.family
        return describe_change(desk.ask, desk.bring(before), desk.bring(after), family=family)

    def _checked(self, plan: Plan | Mapping[str, object] | str | Path, toolset: Toolset | None) -> Plan:
        """A plan that can run; InputError names every fault."""
        read = plan if isinstance(plan, Plan) else Plan.read(plan)
        faults = read.check(toolset or self._executor.toolbox)
        if faults:
            raise InputError(f"the plan cannot run: {'; '.join(map(str, faults))}", hint="see Plan.check")
        return read

    @contextmanager
    def _desk(
        self, branch: str | None, what: str, budget: Budget | None, judge: Judge | None = None
    ) -> Iterator[Desk]:
        """A desk on a new branch that starts here."""
        with own_branch(self._executor, branch, what) as name:
            yield Desk(self._executor.on(name), Ledger(budget or Budget()), judge)


def _is_one(images: object) -> bool:
    """Whether one picture was given in the place of several."""
    return not isinstance(images, list | tuple)
