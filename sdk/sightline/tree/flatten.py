"""Flatten: a chain of edits redone from its first picture, with nothing else between and at full quality.

Edits are redone one by one unless they are asked for in one call. On the embedded model
chains of two (three) edits of the world of shapes were all fulfilled in 99 of 100 (57
of 60) cases one by one, and in 16 of 100 (2 of 60) when joined in one instruction: it
learnt to follow one at a time. Models that follow several at once drift less in one call.
"""

from __future__ import annotations

from dataclasses import dataclass

from sightline.errors import InputError
from sightline.results import Picture, Result
from sightline.tree.branching import failing_at
from sightline.tree.changes import Args, Changes
from sightline.tree.execute import Executor
from sightline.tree.program import Node, Slot, program, slots_in
from sightline.tree.rerun import Running
from sightline.tree.steps import Step

_QUICK: Args = {"steps": None, "draft": False}
"""What makes a call quicker at the cost of quality, and its value at full quality."""

JOINT = ", then "
"""Between instructions in one call: the best of four on the embedded model, by a little."""


@dataclass(frozen=True, repr=False)
class Flattened:
    """A chain of edits on a branch of its own: its `instructions` in order, the first picture, the result."""

    branch: str
    head: str
    instructions: tuple[str, ...]
    original: Picture
    result: Result

    def __repr__(self) -> str:
        return f"<Flattened onto {self.branch!r} at {self.head[:8]}: {', '.join(self.instructions)}>"


def flatten(executor: Executor, tip: str | None, branch: str, *, one_call: bool = False) -> Flattened:
    """Redo the edits that led to a step's picture, on a branch that starts at their first picture.

    InputError for a step that is no edit, and for edits of regions in one call. A failure
    midway leaves the branch with what was done.
    """
    executor.store.database.check_writable()
    edits = _edits(executor, executor.step(tip))
    if one_call and any(node.args.get("region") for node in edits):
        raise InputError("edits of regions cannot be one call", hint="leave one_call out")
    source = _source(edits[0])
    original = executor.pictures.bound(executor.pictures.reference(source.pixels), source.step)
    running = _prepared(executor, edits, branch)
    try:
        if one_call:
            _joined(running.executor, edits, original)
        else:
            running.run("flattening", edits, [node.id for node in edits])
    finally:
        executor.refs.branches()
    head = running.executor.step(running.executor.refs.head()[1]).id
    return Flattened(branch, head, _instructions(edits), original, executor.show(head))


def _prepared(executor: Executor, edits: list[Node], branch: str) -> Running:
    """A new branch where the first picture was made, and who runs the edits on it."""
    wishes = {
        node.step: {name: full for name, full in _QUICK.items() if node.args.get(name, full) != full}
        for node in edits
    }
    asked = Changes(executor, edits, {step: change for step, change in wishes.items() if change})
    executor.refs.branch(branch, _source(edits[0]).step)
    return Running(executor.on(branch), asked, ())


def _edits(executor: Executor, last: Step) -> list[Node]:
    """The edits that led to a step, oldest first."""
    if last.tool != "edit":
        raise InputError(
            f"step {last.short} is {last.tool}, not an edit", hint="give the last edit of a chain"
        )
    nodes = {node.id: node for node in program(executor, last.id)}
    found = [nodes[last.id]]
    while (maker := nodes.get(_source(found[-1]).step or "")) is not None and maker.step.tool == "edit":
        found.append(maker)
    return found[::-1]


def _source(edit: Node) -> Slot:
    """The picture that an edit changed."""
    return next(slots_in(edit.args["image"]))


def _instructions(edits: list[Node]) -> tuple[str, ...]:
    return tuple(str(node.args["instruction"]) for node in edits)


def _joined(executor: Executor, edits: list[Node], original: Picture) -> None:
    """All instructions as one edit, with the options of the last."""
    last = {name: value for name, value in edits[-1].args.items() if name not in _QUICK}
    args = {**last, "image": original, "instruction": JOINT.join(_instructions(edits))}
    with failing_at(
        "flattening stopped", f"the branch {executor.refs.head()[0]!r} stands at the first picture"
    ):
        executor.run("edit", args)
