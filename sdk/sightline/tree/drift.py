"""Drift: how far a chain of edits has come from its first picture where nothing was to change.

For every edit two distances are taken outside of what was asked (its region, or what
the picture shows to have been asked: see `sightline_tools.locality`): from the picture
before it, and, outside of all that was asked so far, from the first picture. Pictures
of several sizes are compared at the smallest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sightline.errors import InputError
from sightline.lineage import digests_in
from sightline.store.database import Store
from sightline.tree.line import walk
from sightline.tree.pictures import Pictures
from sightline.tree.recipe import plain
from sightline.tree.steps import Step
from sightline_tools.image import Image
from sightline_tools.likeness import ssim
from sightline_tools.locality import CHANGED, asked_in, difference, resized
from sightline_tools.region import Region, weights
from sightline_tools.vision import on_white

_HEADS = f"{'changed':>9}{'error':>7}{'SSIM':>8}"
Array = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Distance:
    """How far apart two pictures are outside of what was asked.

    `changed` is the share of pixels that moved by more than the noise of a decoder, `error`
    the mean difference in levels of 0 … 255, `ssim` the structural similarity, 1 for the
    same; `share` is how much of the picture lies outside. Where nothing does, it is 0 apart.
    """

    changed: float
    error: float
    ssim: float
    share: float


@dataclass(frozen=True)
class EditDrift:
    """One edit of a chain: its distance from the picture before it, and from the first one."""

    step: Step
    own: Distance
    total: Distance


@dataclass(frozen=True, repr=False)
class Drift:
    """The edits of a chain, oldest first, from the picture with the pixel digest `original` on."""

    original: str | None
    edits: tuple[EditDrift, ...]

    def __str__(self) -> str:
        if not self.edits:
            return "no edits: nothing has drifted"
        heads = [
            f"{'':<10}{'from the picture before':>24}   {'from the first picture':>24}",
            f"{'edit':<10}{_HEADS}   {_HEADS}   asked",
        ]
        lines = (
            f"{e.step.short:<10}{_cells(e.own)}   {_cells(e.total)}   {_words(e.step)}" for e in self.edits
        )
        return "\n".join([*heads, *lines])

    __repr__ = __str__


def drift(store: Store, tip: str | None) -> Drift:
    """Measure the chain of edits that ends with the newest edit at or before a step."""
    pictures = Pictures(store)
    chain = _chain(store, tip)
    if not chain:
        return Drift(None, ())
    refs = [pictures.reference(pixels) for pixels in _pixels(chain)]
    size = min(((ref.width, ref.height) for ref in refs), key=lambda edges: edges[0] * edges[1])
    first = before = _shown(pictures, refs[0], size)
    asked_so_far = np.zeros(first.shape[:2], bool)
    edits = []
    for step, ref in zip(chain, refs[1:], strict=True):
        after = _shown(pictures, ref, size)
        asked = _asked(pictures, step, before, after)
        asked_so_far |= asked
        edits.append(EditDrift(step, _apart(before, after, asked), _apart(first, after, asked_so_far)))
        before = after
    return Drift(refs[0].pixels, tuple(edits))


def _shown(pictures: Pictures, ref: Image, size: tuple[int, int]) -> Array:
    return resized(on_white(pictures.load(ref)), size)


def _chain(store: Store, tip: str | None) -> list[Step]:
    """The newest edit of a line, and the edits whose pictures it was made from; oldest first."""
    steps = (Step.from_row(row) for row in walk(store, tip))
    step = next((step for step in steps if step.tool == "edit" and step.status == "done"), None)
    found: list[Step] = []
    while step is not None:
        found.append(step)
        step = _edit_before(store, step)
    return found[::-1]


def _edit_before(store: Store, step: Step) -> Step | None:
    """The edit that made the picture a step edited, None if something else made it."""
    for parent in step.data_parents:
        before = Step.from_row(store.database.get_step(parent))
        if before.tool == "edit" and _source(step) in before.images():
            return before
    return None


def _source(step: Step) -> str:
    return next(iter(digests_in(step.args["image"])))


def _pixels(chain: list[Step]) -> list[str]:
    """The pictures of a chain, from the first source to the last result."""
    return [*(_source(step) for step in chain), chain[-1].images()[0]]


def _asked(pictures: Pictures, step: Step, before: Array, after: Array) -> Mask:
    """What an edit was to change, at the size of the pictures."""
    if step.args.get("region") is None:
        return asked_in(difference(before, after) > CHANGED)
    told = plain(step.args["region"])
    if not isinstance(told, dict):
        raise InputError(f"the region of step {step.short} cannot be read", hint="it is of an older form")
    source = pictures.reference(_source(step))
    mask = None
    if told.get("mask"):
        ref = pictures.reference(next(iter(digests_in(told["mask"]))))
        told, mask = {"mask": ref}, pictures.load(ref)
    inside = weights(Region.model_validate(told), mask, (source.width, source.height), 0) > 0
    grey = np.repeat(inside.astype(np.uint8)[..., None] * 255, 3, axis=2)
    return np.asarray(resized(grey, (before.shape[1], before.shape[0]))[..., 0] > 0)


def _apart(a: Array, b: Array, asked: Mask) -> Distance:
    outside = ~asked
    if not outside.any():
        return Distance(0.0, 0.0, 1.0, 0.0)
    apart = difference(a, b)[outside]
    kept = np.where(asked[..., None], a, b)  # what was asked counts as the same, and adds nothing
    alike = 1 - (1 - ssim(a, kept)) / outside.mean()
    told = ((apart > CHANGED).mean(), apart.mean(), alike, outside.mean())
    return Distance(*(round(float(number), 6) for number in told))


def _cells(told: Distance) -> str:
    return f"{told.changed:>9.2%}{told.error:>7.2f}{told.ssim:>8.3f}"


def _words(step: Step) -> str:
    where = "in a region: " if step.args.get("region") is not None else ""
    return f"{where}{step.summary()}"
