"""Promote: the pictures of a draft, decoded from the same features at full quality.

The call of the draft is made again without `draft`, with the draft's seeds. The first
stage does not depend on how its features are decoded, so they are found where they
were kept with the draft. Where they are gone they are drawn again, and must give the
draft's pictures to the bit before they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sightline.errors import InputError, ModelError
from sightline.results import Picture, Result
from sightline.tree.execute import Executor
from sightline.tree.feature_rows import kept_row, notes_of
from sightline.tree.naming import names_picture
from sightline.tree.steps import Step


def promote(executor: Executor, draft: object) -> Result:
    """Decode a draft, or one picture of one, at full quality: a step made from the draft.

    InputError for what is no draft, ModelError if another model drew it or if its
    features are gone and do not come out as they were.
    """
    executor.store.database.check_writable()
    step, places = _drafted(executor, draft)
    seeds = tuple(step.seeds[place] for place in places)
    args = executor.recorded(step) | {"n": len(seeds)}
    full = executor.prepare(step.tool, args | {"draft": False}, seeds=seeds)
    if full.fingerprint != step.fingerprint:
        raise ModelError(
            f"the draft {step.short} was drawn by the model {step.fingerprint[:8]}, this is "
            f"{full.fingerprint[:8]}, to which its features mean nothing",
            hint="open the session with the model of the draft, or draft it again",
        )
    context = executor.remembering(full)
    if not _kept(executor, step, seeds) and executor.found(full) is None:
        rough = executor.prepare(step.tool, args, seeds=seeds)
        again = executor.compute(rough, replace(executor.context(rough), runtime=context.runtime))
        _check_same(step, [step.images()[place] for place in places], again)
    return executor.finish(full, context=context, origin=step.id)


def _drafted(executor: Executor, draft: object) -> tuple[Step, Sequence[int]]:
    """The step of a draft, and which of its pictures are meant."""
    if isinstance(draft, Picture) or (isinstance(draft, str) and names_picture(draft)):
        source = executor.pictures.source(draft)
        if source.origin is None:
            raise InputError("no step made this picture", hint="give one that was drawn with draft=True")
        step = _checked(executor.step(source.origin))
        return step, [step.images().index(source.ref.pixels)]
    step = _checked(executor.step(executor.locate(draft)))
    return step, range(len(step.seeds))


def _checked(step: Step) -> Step:
    if step.args.get("draft") is not True or step.status != "done":
        raise InputError(
            f"step {step.short} ({step.tool}) is no draft", hint="promote what was drawn with draft=True"
        )
    return step


def _kept(executor: Executor, step: Step, seeds: Sequence[int]) -> bool:
    """Whether the features of all these pictures can be read."""
    notes = notes_of(executor.store, step.id)
    return all(seed in notes and kept_row(executor.store, notes[seed][0]) is not None for seed in seeds)


def _check_same(step: Step, pictures: Sequence[str], again: Step) -> None:
    if again.images() != list(pictures):
        raise ModelError(
            f"the features of the draft {step.short} are gone, and drawing it again gives other pictures",
            hint="draft it again",
        )
