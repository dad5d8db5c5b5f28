"""Replay: compute steps again and compare with what is stored; moves nothing, stores nothing.

*show* reads, *replay* checks, *rerun* computes with changes onto a new branch:
three verbs that are never confused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sightline.errors import CancelledError, SightlineError
from sightline.tree import cancelling
from sightline.tree.execute import Executor
from sightline.tree.recipe import plain
from sightline.tree.steps import Step

Verdict = Literal["same", "differs", "other model", "skipped"]


@dataclass(frozen=True)
class Replayed:
    """What replaying one step showed."""

    step: Step
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True)
class Replay:
    """What replaying steps showed, in the order they ran."""

    steps: tuple[Replayed, ...]

    @property
    def same(self) -> bool:
        """Whether every step that could be computed again gave the same result."""
        return all(replayed.verdict in ("same", "skipped") for replayed in self.steps)

    @property
    def first_difference(self) -> Replayed | None:
        """The first step that gave something else."""
        return next(
            (replayed for replayed in self.steps if replayed.verdict not in ("same", "skipped")), None
        )

    def __repr__(self) -> str:
        lines = [f"{r.step.short} {r.step.tool:<11} {r.verdict} {r.detail}".rstrip() for r in self.steps]
        return "\n".join(["<Replay same>" if self.same else "<Replay differs>", *lines])


def replay(executor: Executor, steps: Sequence[Step]) -> Replay:
    """Compute each step again from its stored inputs."""
    return Replay(tuple(_one(executor, step) for step in steps))


def _restored(executor: Executor, value: object) -> object:
    """Stored arguments as arguments again: pictures by their digests."""
    if isinstance(value, dict):
        if set(value) == {"$image"}:
            return executor.pictures.reference(value["$image"])
        return {key: _restored(executor, item) for key, item in value.items()}
    return [_restored(executor, item) for item in value] if isinstance(value, list) else value


def _one(executor: Executor, step: Step) -> Replayed:
    if step.tool == "add" or step.status != "done":
        return Replayed(step, "skipped", "brought in from outside" if step.tool == "add" else step.status)
    cancelling.current().check()
    try:
        return _compared(executor, step)
    except CancelledError:
        raise
    except SightlineError as error:
        return Replayed(step, "differs", str(error))


def _compared(executor: Executor, step: Step) -> Replayed:
    args = {name: _restored(executor, plain(value)) for name, value in step.args.items()}
    call = executor.prepare(step.tool, args, step.seeds[0] if step.seeds else None)
    if call.tool.version != step.version:
        return Replayed(step, "differs", f"the tool is now version {call.tool.version}")
    if call.fingerprint != step.fingerprint:
        return Replayed(step, "other model", f"was {step.fingerprint[:8]}, is {call.fingerprint[:8]}")
    call = replace(call, seeds=step.seeds)
    again = executor.compute(call, executor.context(call))
    differing = [name for name in step.outputs if again.outputs.get(name) != step.outputs[name]]
    return Replayed(step, "differs", ", ".join(differing)) if differing else Replayed(step, "same")
