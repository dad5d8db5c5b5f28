"""The judge: reads a scene back from pixels alone.

It never sees how a picture was made. Background = palette entry nearest to the
border's median; things = connected regions that differ from it; colour, shape
and size by nearest palette entry and best template.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sightline_runtime.world.render import coverage
from sightline_runtime.world.scenes import BACKGROUNDS, CELLS, CENTERS, COLORS, SHAPES, SIZES, Scene, Thing

_DIFFERENT = 60.0
_SMALLEST = 18
_FIT = 0.55
_BOX = 25
"""Side of the square in which a region is compared with templates, in pixels."""

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Seen:
    """One region as the judge reads it; `shape` is None when no template fits."""

    shape: str | None
    color: str
    size: str | None
    x: float
    y: float
    fit: float

    @property
    def cell(self) -> int:
        """The nearest cell, counted row by row."""
        column = int(np.argmin([abs(self.x - center) for center in CENTERS]))
        row = int(np.argmin([abs(self.y - center) for center in CENTERS]))
        return 3 * row + column


@dataclass(frozen=True)
class Reading:
    """Everything the judge reads in a picture."""

    background: str
    things: tuple[Seen, ...]


def nearest(color: npt.NDArray[np.float64], palette: dict[str, tuple[int, int, int]]) -> str:
    """The palette's name nearest to an RGB colour."""
    names = list(palette)
    return names[int(np.argmin([np.sum((color - np.array(palette[name])) ** 2) for name in names]))]


def regions(mask: Mask) -> list[npt.NDArray[np.int64]]:
    """The 8-connected regions of a mask, each as (pixels, 2) rows of (y, x)."""
    left = mask.copy()
    height, width = mask.shape
    found = []
    for y, x in np.argwhere(mask):
        if not left[y, x]:
            continue
        left[y, x] = False
        stack, region = [(int(y), int(x))], []
        while stack:
            cy, cx = stack.pop()
            region.append((cy, cx))
            for ny in range(max(cy - 1, 0), min(cy + 2, height)):
                for nx in range(max(cx - 1, 0), min(cx + 2, width)):
                    if left[ny, nx]:
                        left[ny, nx] = False
                        stack.append((ny, nx))
        found.append(np.array(region))
    return found


@lru_cache(maxsize=1)
def _templates() -> tuple[list[tuple[str, str]], npt.NDArray[np.float32]]:
    """Coverage of every shape and size at a few sub-pixel places: (names, (n, box·box))."""
    names, rows = [], []
    for shape in SHAPES:
        for size, radius in SIZES.items():
            for dx in (-0.5, 0.0, 0.5):
                for dy in (-0.5, 0.0, 0.5):
                    names.append((shape, size))
                    rows.append(_centred(coverage(shape, radius, _BOX // 2 + dx, _BOX // 2 + dy, _BOX)))
    return names, np.stack(rows).reshape(len(rows), -1)


def _centred(cover: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Move a coverage square so that its bounding box stands in the middle."""
    ys, xs = np.nonzero(cover > 0.25)
    dy = _BOX // 2 - (int(ys.min()) + int(ys.max()) + 1) // 2
    dx = _BOX // 2 - (int(xs.min()) + int(xs.max()) + 1) // 2
    return np.roll(cover, (dy, dx), (0, 1))


def _soft_cover(
    pixels: npt.NDArray[np.float64], ground: npt.NDArray[np.float64], color: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """How much of each pixel the colour covers, from its place between ground and colour."""
    axis = color - ground
    part = ((pixels - ground) @ axis) / max(float(axis @ axis), 1.0)
    return part.clip(0, 1).astype(np.float32)


def _look(
    pixels: npt.NDArray[np.float64], region: npt.NDArray[np.int64], ground: npt.NDArray[np.float64]
) -> Seen:
    values = pixels[region[:, 0], region[:, 1]]
    color = np.median(values, axis=0)
    name = nearest(color, COLORS)
    (top, left), (bottom, right) = region.min(0), region.max(0)
    center_y, center_x = (top + bottom) / 2, (left + right) / 2
    if max(bottom - top, right - left) + 3 > _BOX:
        return Seen(None, name, None, center_x, center_y, 0.0)
    box = np.zeros((_BOX, _BOX), np.float32)
    y0, x0 = _BOX // 2 - (bottom - top + 1) // 2, _BOX // 2 - (right - left + 1) // 2
    for pad_y in range(-1, bottom - top + 2):
        y = top + pad_y
        xs = np.arange(max(left - 1, 0), min(right + 2, pixels.shape[1]))
        if 0 <= y < pixels.shape[0]:
            box[y0 + pad_y, x0 + xs - left] = _soft_cover(pixels[y, xs], ground, color)
    box = _centred(box) if (box > 0.25).any() else box
    names, table = _templates()
    flat = box.reshape(-1)
    union = np.maximum(table, flat).sum(1)
    scores = np.minimum(table, flat).sum(1) / np.maximum(union, 1e-6)
    best = int(np.argmax(scores))
    fit = float(scores[best])
    shape, size = names[best] if fit >= _FIT else (None, None)
    return Seen(shape, name, size, float(center_x), float(center_y), fit)


def read(pixels: Pixels) -> Reading:
    """Read a picture (64, 64, 3) uint8: background and things."""
    values = pixels.astype(np.float64)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    median = np.median(border, axis=0)
    background = nearest(median, BACKGROUNDS)
    ground = np.array(BACKGROUNDS[background], np.float64)
    mask: Mask = np.sqrt(((values - ground) ** 2).sum(-1)) > _DIFFERENT
    found = [region for region in regions(mask) if len(region) >= _SMALLEST]
    things = [_look(values, region, ground) for region in found]
    return Reading(background, tuple(sorted(things, key=lambda seen: seen.cell)))


def same(seen: Seen, thing: Thing, reach: float) -> bool:
    """Whether the region is that thing, no further than `reach` pixels away on either axis."""
    x, y = thing.center
    return (seen.shape, seen.color, seen.size) == (thing.shape, thing.color, thing.size) and max(
        abs(seen.x - x), abs(seen.y - y)
    ) <= reach


def shows(reading: Reading, scene: Scene, *, reach: float = 8.0) -> bool:
    """Whether the picture is exactly that scene, each thing within `reach` pixels."""
    if reading.background != scene.background or len(reading.things) != len(scene.things):
        return False
    return all(any(same(seen, thing, reach) for seen in reading.things) for thing in scene.things)


def edited(reading: Reading, source: Scene, target: Scene) -> bool:
    """Whether an edit was done: the change is there and all else stayed within 4 px."""
    if reading.background != target.background or len(reading.things) != len(target.things):
        return False
    kept = set(source.things) & set(target.things)
    return all(
        any(same(seen, thing, 4.0 if thing in kept else 8.0) for seen in reading.things)
        for thing in target.things
    )


def describe(reading: Reading) -> str:
    """What was read, in words, for reports and failures."""
    parts = [f"{seen.size} {seen.color} {seen.shape} at {CELLS[seen.cell]}" for seen in reading.things]
    return f"{', '.join(parts) or 'nothing'} on {reading.background}"
