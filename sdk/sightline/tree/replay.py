"""Replay: compute steps again and compare with what is stored; moves nothing, stores nothing.

*show* reads, *replay* checks, *rerun* computes with changes onto a new branch:
three verbs that are never confused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from sightline.errors import CancelledError, SightlineError
from sightline.tree import cancelling
from sightline.tree.blame import Noting, Stage, blamed
from sightline.tree.context import Context
from sightline.tree.execute import Executor
from sightline.tree.line import chain
from sightline.tree.past import past_of
from sightline.tree.steps import Step
from sightline_tools.likeness import ssim

Verdict = Literal["same", "differs", "failed", "other model", "skipped"]

_FINE = ("same", "skipped")


@dataclass(frozen=True)
class Replayed:
    """What replaying one step showed.

    "same" is bitwise; "failed" could not be computed again; "other model" was not, as
    other weights are loaded; "skipped" cannot be compared (brought in, or stateful).
    `max_abs` is the largest difference of a channel, 0 … 255, and `ssim` the lowest
    structural similarity of its pictures; None without pictures to compare. `blamed` is
    the first stage that gave something else, where that is known.
    """

    step: Step
    verdict: Verdict
    detail: str = ""
    max_abs: int | None = None
    ssim: float | None = None
    blamed: Stage | None = None

    @property
    def bitwise(self) -> bool:
        """Whether it was computed again and everything it gave is equal to the bit."""
        return self.verdict == "same"

    def __str__(self) -> str:
        apart = "" if self.ssim is None or self.bitwise else f"max {self.max_abs}, SSIM {self.ssim:.3f}"
        blame = f"blamed: {self.blamed}" if self.blamed else ""
        told = ", ".join(filter(None, (self.detail, apart, blame)))
        return f"{self.step.short} {self.step.tool:<11} {self.verdict}  {told}".rstrip()


@dataclass(frozen=True, repr=False)
class Replay:
    """What replaying steps showed, in the order they ran."""

    steps: tuple[Replayed, ...]

    @property
    def ok(self) -> bool:
        """Whether every step that can be compared gave the same to the bit."""
        return all(replayed.verdict in _FINE for replayed in self.steps)

    @property
    def first_difference(self) -> Replayed | None:
        """The first step that did not."""
        return next((replayed for replayed in self.steps if replayed.verdict not in _FINE), None)

    def __repr__(self) -> str:
        same = sum(replayed.bitwise for replayed in self.steps)
        head = f"<Replay {'ok' if self.ok else 'differs'}: {same} of {len(self.steps)} steps the same>"
        return "\n".join([head, *map(str, self.steps)])


def replay(executor: Executor, ref: object, *, verify: bool = True) -> Replay:
    """Compute again the steps of a branch, or one step if the name is that of a step.

    `verify` measures how far apart pictures are, and says which stage is to blame.
    """
    return Replay(tuple(_one(executor, step, verify) for step in _named(executor, ref)))


def _named(executor: Executor, ref: object) -> Sequence[Step]:
    at = executor.locate(ref)
    if ref is None or ref == "HEAD" or (isinstance(ref, str) and ref in executor.refs.branches()):
        return chain(executor.store, at)[::-1]
    return [executor.step(at)]


def _one(executor: Executor, step: Step, verify: bool) -> Replayed:
    if step.tool == "add" or step.status != "done":
        return Replayed(step, "skipped", "brought in from outside" if step.tool == "add" else step.status)
    cancelling.current().check()
    try:
        return _compared(executor, step, verify)
    except CancelledError:
        raise
    except SightlineError as error:
        return Replayed(step, "failed", str(error))


def _compared(executor: Executor, step: Step, verify: bool) -> Replayed:
    call = executor.prepare(step.tool, executor.recorded(step), seeds=step.seeds, dialogue=step.context)
    if call.tool.stateful:
        return Replayed(step, "skipped", "the tool is stateful")
    if call.tool.version != step.version:
        was, now = step.version, call.tool.version
        return Replayed(step, "differs", f"the tool was version {was}, is {now}", blamed="tool")
    if call.fingerprint != step.fingerprint:
        return Replayed(step, "other model", f"was {step.fingerprint[:8]}, is {call.fingerprint[:8]}")
    context = executor.context(call)
    context.past = partial(past_of, executor.store, executor.pictures, executor.toolbox, step.parent)
    noting = Noting(context.runtime)
    context.runtime = noting
    again = executor.compute(call, context)
    differing = [name for name in step.outputs if again.outputs.get(name) != step.outputs[name]]
    if not differing:
        pictures = bool(step.images())
        return Replayed(step, "same", "", 0 if pictures else None, 1.0 if pictures else None)
    told = ", ".join(differing)
    if not verify:
        return Replayed(step, "differs", told)
    largest, alike = _apart(executor, step, again, context)
    stage = blamed(executor.store, call.tool, step, again, noting.rows())
    return Replayed(step, "differs", told, largest, alike, stage)


def _apart(
    executor: Executor, step: Step, again: Step, context: Context
) -> tuple[int, float] | tuple[None, None]:
    """The largest difference and the lowest similarity of pictures that can be compared."""
    measured = []
    for old, new in zip(step.images(), again.images(), strict=False):
        held = context.new.get(new)
        a = executor.pictures.load(executor.pictures.reference(old))
        b = context.load(held[0] if held else executor.pictures.reference(new))
        if a.shape == b.shape:
            measured.append((int(np.abs(a.astype(np.int16) - b).max()), ssim(a, b)))
    if not measured:
        return None, None
    return max(largest for largest, _ in measured), min(alike for _, alike in measured)
