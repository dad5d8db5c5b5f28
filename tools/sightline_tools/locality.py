"""Locality: did an edit change what was asked, and leave the rest alone?

A pixel counts as changed if one of its channels moved by more than `CHANGED` of 255;
what a decoder redraws without meaning it stays below that. What was asked is the
region of the edit where one is given. Where none is, it is taken from the picture:
the largest connected piece of changed pixels, every other piece at least a quarter as
large (a thing that moved leaves one piece and makes another), and a margin around
them of a 32nd of the shorter side. So `outside` counts the scattered rest. A picture
that was redrawn as a whole has a large `share`: little is left outside to be kept.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from pydantic import BaseModel, ConfigDict

Array = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

CHANGED = 24
"""A pixel counts as changed if a channel moved by more than this, of 255."""
_LESSER = 0.25
"""Pieces at least this large, beside the largest, belong to what was asked."""


class Locality(BaseModel):
    """Where an edit changed a picture, as the model drew it, before anything was kept.

    `asked` says what counts as inside: the "region" that was given, the "largest change"
    found, or "nothing" where no pixel changed. `share` is the inside's part of the
    picture; `inside` and `outside` are the changed parts of each, all 0 … 1;
    `outside_error` is the mean absolute difference outside, in levels of 0 … 255, which
    also counts what is too little to call changed. `box` is (left, top, right, bottom)
    of the inside, in pixels of the picture that the model drew.
    """

    model_config = ConfigDict(frozen=True)

    asked: Literal["region", "largest change", "nothing"]
    share: float
    inside: float
    outside: float
    outside_error: float
    box: tuple[int, int, int, int] | None

    def __str__(self) -> str:
        where = f"{self.asked}: {self.share:.0%} of the picture"
        return f"{where}; changed inside {self.inside:.1%}, outside {self.outside:.2%}"


def locality(before: Array, after: Array, region: Mask | None = None) -> Locality:
    """Measure an edit of one (h, w, 3) picture; `region` (h, w) says what was asked, of any size.

    `before` is brought to the size of `after`, as the model saw it.
    """
    height, width = after.shape[:2]
    apart = difference(resized(before, (width, height)), after)
    moved = apart > CHANGED
    asked = asked_in(moved) if region is None else _covered(region, (width, height))
    kind: Literal["region", "largest change", "nothing"] = "region"
    if region is None:
        kind = "largest change" if asked.any() else "nothing"
    return Locality(
        asked=kind,
        share=_mean(asked),
        inside=_mean(moved[asked]),
        outside=_mean(moved[~asked]),
        outside_error=_mean(apart[~asked]),
        box=_box(asked),
    )


def difference(a: Array, b: Array) -> npt.NDArray[np.int16]:
    """How far apart two pictures of one size are: the largest of the channels (h, w), 0 … 255."""
    apart = np.abs(a[..., :3].astype(np.int16) - b[..., :3])
    return np.asarray(apart.max(axis=2))


def resized(pixels: Array, size: tuple[int, int]) -> Array:
    """A picture at (width, height), as models see it; the same array if it has that size."""
    if pixels.shape[:2] == size[::-1]:
        return pixels
    return np.asarray(PILImage.fromarray(pixels).resize(size, PILImage.Resampling.BICUBIC))


def asked_in(moved: Mask) -> Mask:
    """What was asked, taken from what changed: the large pieces and a margin around them."""
    labels, sizes = pieces(moved)
    if not len(sizes):
        return np.zeros_like(moved)
    large = np.flatnonzero(sizes >= sizes.max() * _LESSER) + 1
    return _dilated(np.isin(labels, large), max(2, min(moved.shape) // 32))


def pieces(mask: Mask) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Connected pieces (corners connect too): labels (h, w) from 1, 0 outside; and their sizes."""
    rows, starts, ends = _runs(mask)
    roots = list(range(len(rows)))

    def root(run: int) -> int:
        while roots[run] != run:
            roots[run] = run = roots[roots[run]]
        return run

    above = 0
    for run in range(len(rows)):
        while above < run and (rows[above] < rows[run] - 1 or _left_of(above, run, rows, starts, ends)):
            above += 1
        touching = above
        while touching < run and rows[touching] == rows[run] - 1 and starts[touching] <= ends[run]:
            roots[root(run)] = root(touching)
            touching += 1
    names = {found: number for number, found in enumerate(sorted({root(r) for r in range(len(rows))}), 1)}
    labels = np.zeros(mask.shape, np.int64)
    for run, row in enumerate(rows):
        labels[row, starts[run] : ends[run]] = names[root(run)]
    return labels, np.bincount(labels.ravel(), minlength=len(names) + 1)[1:]


def _runs(mask: Mask) -> tuple[list[int], list[int], list[int]]:
    """Rows, starts and ends (one past) of the unbroken runs along rows."""
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    return rows.tolist(), starts.tolist(), np.nonzero(steps == -1)[1].tolist()


def _left_of(above: int, run: int, rows: list[int], starts: list[int], ends: list[int]) -> bool:
    """Whether a run of the row above ends before this one can touch it."""
    return rows[above] == rows[run] - 1 and ends[above] < starts[run]


def _dilated(mask: Mask, reach: int) -> Mask:
    """The mask grown by so many pixels on every side."""
    grown = mask
    for axis in (0, 1):
        wide = np.pad(grown, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)])
        sums = np.cumsum(np.moveaxis(wide, axis, 0), axis=0, dtype=np.int64)
        sums = np.concatenate([np.zeros_like(sums[:1]), sums])
        grown = np.moveaxis(sums[2 * reach + 1 :] - sums[: -2 * reach - 1] > 0, 0, axis)
    return np.asarray(grown)


def _covered(region: Mask, size: tuple[int, int]) -> Mask:
    """A region at another size: whatever it touches."""
    if region.shape == size[::-1]:
        return region
    picture = PILImage.fromarray(region.astype(np.uint8) * 255)
    return np.asarray(picture.resize(size, PILImage.Resampling.BOX)) > 0


def _mean(values: npt.NDArray[np.generic]) -> float:
    return round(float(values.mean()), 6) if values.size else 0.0  # short in a step's row


def _box(mask: Mask) -> tuple[int, int, int, int] | None:
    rows, columns = (np.nonzero(mask.any(axis=axis))[0] for axis in (1, 0))
    if not rows.size:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
