"""Run a checked plan: its calls are steps of branches of their own, lines of it side by side."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from sightline.errors import BudgetError, InputError, SightlineError
from sightline.reasoning import telling
from sightline.reasoning.desk import Desk, Stop, Thought
from sightline.reasoning.plans.nodes import Action, Let, Node, Parallel, Repeat, Test
from sightline.reasoning.plans.plan import Plan
from sightline.reasoning.plans.values import Value, holds, number, resolved
from sightline.results import Answered, Picture, Result
from sightline.toolset.budgets import Spent
from sightline.toolset.deadlines import within
from sightline.tree.plans import is_seeded

_AT_ONCE = 8
_GRACE = 5.0
"""Seconds that lines which were stopped get to end."""


@dataclass(frozen=True)
class PlanRun:
    """What a plan came to.

    `values` are what the names stand for at the end; `answer` and `image` are the plan's;
    `stopped` says whether it was done, and `why` not: "budget", or "refused" where what a
    step gave is nothing that the next one takes. `branch` holds its steps, those of its
    lines are on `branch-1`, `branch-2`, …
    """

    plan: Plan
    values: Mapping[str, Value]
    answer: str | None
    image: Picture | None
    confidence: float
    thoughts: tuple[Thought, ...]
    branch: str
    spent: Spent
    stopped: Stop
    why: str

    def raise_if_stopped(self) -> None:
        """Raise BudgetError if the budget ended the run, for work that this run was part of."""
        if self.stopped == "budget":
            raise BudgetError(self.why, hint="give it more, or ask for less")

    def __str__(self) -> str:
        return telling.text(self._goal, self.thoughts, self._found, self.stopped, self.why)

    def _repr_html_(self) -> str:
        return telling.html(self._goal, self.thoughts, self._found, self.image, self.stopped, self.why)

    @property
    def _goal(self) -> str:
        return self.plan.goal or "a plan"

    @property
    def _found(self) -> str:
        return f"{telling.named(self.answer, self.image)} ({self.stopped})"


class _Run:
    """One run: the names so far, and the desk of its line."""

    def __init__(self, desk: Desk, names: dict[str, Value]) -> None:
        self.desk, self.names, self.confidence = desk, names, 1.0
        self.failed_at = ""

    def steps(self, nodes: tuple[Node, ...], place: str) -> None:
        for index, node in enumerate(nodes):
            try:
                self._node(node, f"{place}.{index}")
            except SightlineError:
                self.failed_at = self.failed_at or f"{place}.{index}"
                raise

    def _node(self, node: Node, place: str) -> None:
        if isinstance(node, Action):
            self._action(node)
        elif isinstance(node, Let):
            self.names[node.id] = _plain(resolved(node.let, self.names))
        elif isinstance(node, Test):
            self.names[node.id] = "yes" if holds(node.test, self.names) else "no"
        elif isinstance(node, Repeat):
            self._repeat(node, place)
        else:
            self._parallel(node, place)

    def _action(self, node: Action) -> None:
        if node.when is not None and not holds(node.when, self.names):
            return
        args = {name: resolved(value, self.names) for name, value in node.args.items()}
        seed = args.pop("seed", None)
        if seed is None and is_seeded(self.desk.executor.toolbox.get(node.tool)):
            seed = self.desk.seed()
        if seed is not None and not isinstance(seed, int):
            raise InputError(f"seed is {seed!r}", hint="give a whole number")
        made = self.desk.call(node.tool, args, seed)
        self.desk.think(_told(node, args, made), made)
        self.names[node.id] = made
        if isinstance(made, Answered):
            self.confidence = min(self.confidence, made.confidence)

    def _repeat(self, node: Repeat, place: str) -> None:
        for _ in range(node.most):
            if not holds(node.as_long_as, self.names):
                return
            self.steps(node.repeat, f"{place}.repeat")

    def _parallel(self, node: Parallel, place: str) -> None:
        """Run the lines in threads, each on a branch that starts here."""
        branch, tip = self.desk.executor.refs.head()
        lines = []
        for index in range(1, len(node.parallel) + 1):
            name = _free(self.desk, f"{branch}-{index}")
            self.desk.executor.refs.branch(name, tip)
            desk = replace(self.desk, executor=self.desk.executor.on(name), thoughts=[])
            lines.append(_Run(desk, dict(self.names)))
        errors = within(None, partial(_side_by_side, lines, node.parallel, place), grace=_GRACE)
        for line in lines:
            self.desk.thoughts.extend(line.desk.thoughts)
            self.names.update({n: v for n, v in line.names.items() if self.names.get(n) is not v})
            self.confidence = min(self.confidence, line.confidence)
        if errors:
            self.failed_at = next(line.failed_at for line in lines if line.failed_at)
            raise errors[0]


def run(desk: Desk, plan: Plan, inputs: Mapping[str, object]) -> PlanRun:
    """Run a plan at a desk; what was done is kept when the budget or a step ends it.

    InputError, before anything runs, for inputs that are missing or too many.
    """
    if set(inputs) != set(plan.inputs):
        wanted = ", ".join(plan.inputs) or "none"
        raise InputError(f"the plan was given {sorted(inputs)}", hint=f"it takes these pictures: {wanted}")
    stopped: Stop = "done"
    why = "the plan ended"
    work = _Run(desk, {})
    try:
        work.names.update({name: desk.bring(value) for name, value in inputs.items()})
        _done(work, plan)
    except BudgetError as error:
        stopped, why = "budget", error.message
    except _RefusedError as error:
        stopped, why = "refused", str(error)
    return _ended(work, plan, stopped, why)


class _RefusedError(Exception):
    """What a step gave is nothing that a later one takes."""


def _done(work: _Run, plan: Plan) -> None:
    try:
        work.steps(plan.steps, "steps")
    except InputError as error:
        raise _RefusedError(f"{work.failed_at}: {error.message}") from error


def _ended(work: _Run, plan: Plan, stopped: Stop, why: str) -> PlanRun:
    answer, image = _value(plan.answer, work), _value(plan.image, work)
    return PlanRun(
        plan=plan,
        values=dict(work.names),
        answer=None if answer is None else _text(answer),
        image=image if isinstance(image, Picture) else image.image if isinstance(image, Result) else None,
        confidence=work.confidence,
        thoughts=tuple(work.desk.thoughts),
        branch=work.desk.executor.refs.head()[0],
        spent=work.desk.ledger.spent,
        stopped=stopped,
        why=why,
    )


def _value(reference: str | None, work: _Run) -> object:
    try:
        return None if reference is None else resolved(reference, work.names)
    except InputError:  # the step that gives it did not run
        return None


def _side_by_side(lines: list[_Run], steps: tuple[tuple[Node, ...], ...], place: str) -> list[SightlineError]:
    """Run every line to its end; their errors, in the order of the lines."""
    with ThreadPoolExecutor(min(len(lines), _AT_ONCE), thread_name_prefix="sightline-plan") as pool:
        running = [
            pool.submit(contextvars.copy_context().run, line.steps, nodes, f"{place}.parallel.{index}")
            for index, (line, nodes) in enumerate(zip(lines, steps, strict=True))
        ]
        errors = [each.exception() for each in running]
    for error in errors:
        if error is not None and not isinstance(error, SightlineError):
            raise error
    return [error for error in errors if isinstance(error, SightlineError)]


def _free(desk: Desk, stem: str) -> str:
    taken = desk.executor.refs.branches()
    return next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name not in taken)


def _plain(value: object) -> Value:
    if isinstance(value, Result | Picture | str | int | float | bool | list | dict) or value is None:
        return value
    raise InputError(f"{type(value).__name__} is no value of a plan", hint="use text, numbers, pictures")


def _text(value: object) -> str:
    told = number(value) if isinstance(value, float) else value
    return f"{told:g}" if isinstance(told, float) else str(getattr(value, "text", told))


def _told(node: Action, args: Mapping[str, object], made: Result) -> str:
    said = next((f": {value}" for value in args.values() if isinstance(value, str)), "")
    answer = f" → {made.text}" if isinstance(made, Answered) else ""
    return (node.why or node.tool + said) + answer
