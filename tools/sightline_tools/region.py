"""Region: the part of a picture that may change, and how a changed picture is laid into it.

A region is a box, a polygon, or a mask picture. It becomes weights (h, w), from 0
(never touched: the pixel stays exactly what it was) to 1 (all of the new picture).
The feather lies inside the region: the weights grow from its edge inwards, so a
wider feather changes less, never more. The edge of the picture is no edge of the region.
"""

import math
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sightline_runtime.errors import InputError
from sightline_tools.canvas import Box, pixel_box
from sightline_tools.image import Image

Point = tuple[float, float]
Array = npt.NDArray[np.uint8]
Weights = npt.NDArray[np.float64]

MAX_FEATHER = 512
_MAX_POINTS = 10_000
_BAND = 256
"""Rows mixed at a time: a picture of 40 million pixels then takes megabytes, not gigabytes."""
_KINDS = "give a box (left, top, right, bottom), a polygon [(x, y), …], or a mask picture"


class Region(BaseModel):
    """A part of a picture: exactly one of a box, a polygon and a mask.

    Coordinates are parts of the picture if all are ≤ 1, else pixels. A pixel belongs to
    a polygon if its centre does; where the polygon crosses itself, what an even number
    of windings covers is outside (a bow tie is its two wings). A mask has the picture's
    size; white is inside, black outside, grey and half-transparent change in part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    box: Box | None = Field(
        default=None, description="(left, top, right, bottom), parts from 0 to 1, or pixels"
    )
    polygon: tuple[Point, ...] | None = Field(
        default=None, description="three corners (x, y) or more, parts from 0 to 1, or pixels"
    )
    mask: Image | None = Field(default=None, description="a picture of the same size, white where to change")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        """Take a box, corners or a picture for the region that it means."""
        if isinstance(value, Image):
            return {"mask": value}
        if not isinstance(value, list | tuple):
            return value
        numbers = all(isinstance(item, int | float) for item in value)
        return {"box" if numbers else "polygon": value}

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [kind for kind in (self.box, self.polygon, self.mask) if kind is not None]
        if len(given) != 1:
            raise InputError(f"the region is given in {len(given)} ways", hint=_KINDS)
        if self.polygon is not None and not 3 <= len(self.polygon) <= _MAX_POINTS:
            raise InputError(
                f"the polygon has {len(self.polygon)} corners", hint=f"give 3 to {_MAX_POINTS:,} corners"
            )
        return self


def weights(region: Region, mask: Array | None, size: tuple[int, int], feather: int | None) -> Weights:
    """How much of the new picture each pixel takes: (h, w), 0 … 1, exactly 0 outside.

    `mask` are the pixels of the region's mask picture, `size` is (width, height),
    `feather` in pixels, None for a 32nd of the shorter side. InputError if the region
    does not lie in the picture, holds no pixel, or has a mask of another size.
    """
    width, height = size
    if mask is not None:
        inside = _of_mask(mask, width, height)
    elif region.polygon is not None:
        inside = _of_polygon(region.polygon, width, height)
    else:
        left, top, right, bottom = pixel_box(region.box or (0, 0, 1, 1), width, height)
        inside = np.zeros((height, width))
        inside[top:bottom, left:right] = 1
    if not inside.any():
        raise InputError("the region holds no pixel", hint=_KINDS)
    return _feathered(inside, min(width, height) // 32 if feather is None else feather)


def _of_mask(mask: Array, width: int, height: int) -> Weights:
    if mask.shape[:2] != (height, width):
        size = f"{mask.shape[1]}x{mask.shape[0]}"
        raise InputError(
            f"the mask is {size}, the picture {width}x{height}", hint="resize the mask to the picture's size"
        )
    shown = mask[..., 3] / 255 if mask.shape[2] == 4 else 1.0
    return np.asarray(mask[..., :3].mean(axis=2) / 255 * shown)


def _of_polygon(points: tuple[Point, ...], width: int, height: int) -> Weights:
    flat = [edge for point in points for edge in point]
    if not all(math.isfinite(edge) for edge in flat):
        raise InputError("the polygon has a corner that is not finite", hint="use finite numbers")
    scale = (width, height) if all(0 <= edge <= 1 for edge in flat) else (1, 1)
    corners = [(x * scale[0], y * scale[1]) for x, y in points]
    if not all(0 <= x <= width and 0 <= y <= height for x, y in corners):
        raise InputError(
            f"the polygon does not lie in the picture, which is {width}x{height}",
            hint="give corners as parts from 0 to 1 or as pixels",
        )
    return _even_odd(corners, width, height).astype(np.float64)


def _even_odd(corners: list[Point], width: int, height: int) -> npt.NDArray[np.bool_]:
    """Each edge turns over whatever lies right of it, row by row; an odd number of turns is inside."""
    turns = np.zeros((height, width + 1), np.int64)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        low, high = sorted((y0, y1))
        rows = np.arange(math.ceil(low - 0.5), math.ceil(high - 0.5))  # half-open: no corner counts twice
        if not rows.size:
            continue
        crossings = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        columns = np.clip(np.ceil(crossings - 0.5), 0, width).astype(np.int64)
        np.add.at(turns, (rows, columns), 1)
    return np.asarray(turns.cumsum(axis=1)[:, :width] % 2 == 1)


def _feathered(inside: Weights, feather: int) -> Weights:
    """Weights that grow over `feather` pixels from the region's edge inwards."""
    if feather == 0:
        return inside
    rows, columns = (np.nonzero((inside > 0).any(axis=axis))[0] for axis in (1, 0))
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    framed = np.pad(inside[part] > 0, 1)
    for axis, end in ((0, rows), (1, columns)):  # beyond the picture's own edge the region goes on
        first, last = end[0] == 0, end[-1] == inside.shape[axis] - 1
        edges = np.moveaxis(framed, axis, 0)
        edges[0], edges[-1] = edges[1] if first else edges[0], edges[-2] if last else edges[-1]
    grown = np.array(inside)
    grown[part] *= np.minimum(_depth(framed, feather + 1)[1:-1, 1:-1] / (feather + 1), 1)
    return grown


def _depth(inside: npt.NDArray[np.bool_], limit: int) -> Weights:
    """How many pixels, along rows and columns, each lies from the nearest one outside; at most `limit`."""
    depth = np.where(inside, limit, 0)
    for _ in range(2):  # first along the rows, then along the columns of what that gave
        places = np.arange(depth.shape[1])
        ahead = np.minimum.accumulate(depth - places, axis=1) + places
        back = np.minimum.accumulate((depth + places)[:, ::-1], axis=1)[:, ::-1] - places
        depth = np.minimum(ahead, back).T
    return depth.astype(np.float64)


def laid_in(source: Array, new: Array, share: Weights) -> Array:
    """`source` with `new` (of any size, brought to the source's) laid in by weights (h, w).

    Where a weight is 0 the pixel is the source's own, colour and alpha, to the bit.
    """
    height, width = source.shape[:2]
    if new.shape[:2] != (height, width):
        new = np.asarray(PILImage.fromarray(new).resize((width, height), PILImage.Resampling.BICUBIC))
    bands = [slice(top, top + _BAND) for top in range(0, height, _BAND)]
    return np.concatenate([_mixed(source[band], new[band], share[band, :, None]) for band in bands])


def _mixed(source: Array, new: Array, share: Weights) -> Array:
    """Light is mixed as it is seen: colours weigh as much as they are opaque."""
    under, over = _opaque(source), _opaque(new)
    alpha = under[..., 3:] * (1 - share) + over[..., 3:] * share
    light = under[..., :3] * under[..., 3:] * (1 - share) + over[..., :3] * over[..., 3:] * share
    colors = np.divide(light, alpha, out=np.zeros_like(light), where=alpha > 0)
    mixed = np.concatenate([colors, alpha], axis=2)[..., : source.shape[2]]
    return np.where(share > 0, mixed.round().astype(np.uint8), source)


def _opaque(pixels: Array) -> Weights:
    """RGBA as numbers; without transparency alpha is 255 everywhere."""
    if pixels.shape[2] == 4:
        return pixels.astype(np.float64)
    return np.dstack([pixels.astype(np.float64), np.full(pixels.shape[:2], 255.0)])
