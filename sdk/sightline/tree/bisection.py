"""Bisect: find the step that broke something with few checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from sightline.errors import InputError
from sightline.results import Result
from sightline.tree.execute import Executor
from sightline.tree.line import walk
from sightline.tree.steps import Step

Check = Callable[[Result], bool]
"""Whether the result of a step is still good."""


@dataclass(frozen=True)
class Checked:
    """One check: the step, whether it was good, and P(yes) where the model was asked."""

    step: Step
    good: bool
    p_yes: float | None = None

    def __str__(self) -> str:
        share = "" if self.p_yes is None else f"  P(yes)={self.p_yes:.2f}"
        return f"{self.step.short}  {'good' if self.good else 'bad '}{share}"


@dataclass(frozen=True)
class Bisection:
    """What bisecting found: the first bad step, the last good one, and the checks in order."""

    first_bad: Step
    last_good: Step
    checks: tuple[Checked, ...]

    def __repr__(self) -> str:
        bad = self.first_bad
        found = f"<Bisection: {bad.short} {bad.tool} {bad.summary()!r} is the first bad>"
        return "\n".join([found, *(f"  {one}" for one in self.checks)])


def bisect(executor: Executor, good: str | None, bad: str | None, check: Check | str) -> Bisection:
    """The first step from good to bad that fails a check.

    `check` tells of a result whether it is good, or is a question to the model, good if
    P(yes) is at least one half. Steps that made a picture count; where bad was made
    from good, only those it was made through. Each picture is checked once, so n steps
    take about log2(n) + 2 checks. Nothing moves; what the model answered is kept for
    the next time, on no branch.

    InputError if good does not come before bad on one line, or if the check contradicts
    either.
    """
    if not (callable(check) or (isinstance(check, str) and check.strip())):
        raise InputError(f"the check is {check!r:.60}", hint="give a function of a result, or a question")
    steps = _between(executor, good, bad)
    checks = _Checks(executor, check)
    if not checks(steps[0]):
        raise _contradiction("good", steps[0], check)
    if checks(steps[-1]):
        raise _contradiction("bad", steps[-1], check)
    low, high = 0, len(steps) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if checks(steps[middle]) else (low, middle)
    return Bisection(steps[high], steps[low], tuple(checks.made))


@dataclass
class _Checks:
    """Checks each picture once."""

    executor: Executor
    check: Check | str
    made: list[Checked] = field(default_factory=list)
    known: dict[tuple[str, ...], bool] = field(default_factory=dict)

    def __call__(self, step: Step) -> bool:
        pictures = tuple(step.images())
        if pictures not in self.known:
            done = self._done(step)
            self.made.append(done)
            self.known[pictures] = done.good
        return self.known[pictures]

    def _done(self, step: Step) -> Checked:
        if isinstance(self.check, str):
            share = _asked(self.executor, step, self.check)
            return Checked(step, share >= 0.5, share)
        said = self.check(self.executor.show(step.id))
        if not isinstance(said, bool | np.bool_):
            raise InputError(f"the check gave {said!r:.60}", hint="let it give True for good, False for bad")
        return Checked(step, bool(said))


def _asked(executor: Executor, step: Step, question: str) -> float:
    """P(yes) for the picture of a step; the answer is stored, on no branch, to be found again."""
    args = {"image": step, "question": question, "choices": ("yes", "no")}
    call = executor.prepare("understand", args)
    answer = executor.found(call)
    if answer is None:
        computed = executor.compute(call, executor.context(call))
        answer = replace(computed, parent=step.id, data_parents=(step.id,), id="")
        if not executor.store.database.read_only:
            executor.store.database.insert_step(answer.to_row())
    shares = answer.values()["probabilities"]
    return float(shares["yes"]) if isinstance(shares, dict) else 0.0


def _contradiction(side: str, step: Step, check: Check | str) -> InputError:
    asked = f"{check!r}" if isinstance(check, str) else "the check"
    said = "good" if side == "bad" else "bad"
    return InputError(
        f"{asked} says that the {side} step {step.short} is {said}",
        hint="yes and True stand for good: turn the check round, or give other steps",
    )


def _between(executor: Executor, good: str | None, bad: str | None) -> list[Step]:
    """The steps that count, oldest first, from the one that good stands for to the one of bad."""
    first, last = executor.step(good), executor.step(bad)
    line = [Step.from_row(row) for row in _until(executor, last.id, first.id)][::-1]
    drawn = [step for step in line if step.status == "done" and step.images()]
    lineage = _lineage(drawn)
    found = lineage if len(lineage) > 1 else drawn
    if not first.images() or not last.images():
        step = last if first.images() else first
        raise InputError(f"step {step.short} ({step.tool}) made no picture", hint="give steps that did")
    if len(found) < 2:
        raise InputError(f"good and bad are the same step {first.short}", hint="give two steps of one line")
    return found


def _until(executor: Executor, bad: str, good: str) -> Iterator[dict[str, object]]:
    """The rows from bad back to good; InputError if good is not among them."""
    for row in walk(executor.store, bad):
        yield row
        if row["id"] == good:
            return
    raise InputError(
        f"step {good[:8]} does not come before {bad[:8]} on one line",
        hint="give an earlier step of its branch",
    )


def _lineage(line: list[Step]) -> list[Step]:
    """Those steps of a line that its last was made through from its first; none if it was not."""
    wanted: set[str] = {line[-1].id} if line else set()
    back = []
    for step in reversed(line):
        if step.id in wanted:
            back.append(step)
            wanted |= set(step.data_parents)
    reached: set[str] = {line[0].id} if line else set()
    through = []
    for step in reversed(back):
        if step.id in reached or reached & set(step.data_parents):
            reached.add(step.id)
            through.append(step)
    return through if through and through[-1].id == line[-1].id and through[0].id == line[0].id else []
