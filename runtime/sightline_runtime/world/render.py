"""From scenes to pixels: flat shapes, antialiased by area coverage.

A table of coverage sprites (8 shapes × 2 sizes × every whole-pixel shift) is made
once; a scene is then nine table look-ups, so thousands render in a second.
A coordinate names the centre of a pixel: pixel i covers i − 0.5 … i + 0.5.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sightline_runtime.world.scenes import BACKGROUNDS, CENTERS, COLORS, JITTER, SHAPES, SIZES, Scene, Thing

SIDE = 64
PATCH = 22
STRIDE = 21
_SUPERSAMPLES = 8

Plane = npt.NDArray[np.float64]


def _star(x: Plane, y: Plane) -> npt.NDArray[np.bool_]:
    """Five points, point up, outer radius 1.05, inner radius 0.42."""
    angle = np.arctan2(x, -y) % (2 * np.pi / 5)
    angle = np.minimum(angle, 2 * np.pi / 5 - angle)  # 0 on a point, π/5 in a notch
    radius = np.hypot(x, y)
    px, py = radius * np.cos(angle), radius * np.sin(angle)
    ix, iy = 0.42 * np.cos(np.pi / 5), 0.42 * np.sin(np.pi / 5)
    inside: npt.NDArray[np.bool_] = (ix - 1.05) * py - iy * (px - 1.05) >= 0
    return inside


def inside(shape: str, x: Plane, y: Plane) -> npt.NDArray[np.bool_]:
    """Which points (x, y), in units of the radius with y down, a shape covers."""
    r = np.hypot(x, y)
    big_x, big_y = 1.2 * x, -1.2 * y + 0.15
    masks = {
        "circle": lambda: r <= 0.95,
        "ring": lambda: (r >= 0.55) & (r <= 1),
        "square": lambda: (abs(x) <= 0.84) & (abs(y) <= 0.84),
        "diamond": lambda: 1.25 * abs(x) + abs(y) <= 1.05,
        "cross": lambda: ((abs(x) <= 0.33) & (abs(y) <= 1)) | ((abs(y) <= 0.33) & (abs(x) <= 1)),
        "triangle": lambda: (y >= -0.95) & (y <= 0.8) & (abs(x) <= (y + 0.95) / 1.75),
        "star": lambda: _star(x, y),
        "heart": lambda: (big_x**2 + big_y**2 - 1) ** 3 <= big_x**2 * big_y**3,
    }
    covered: npt.NDArray[np.bool_] = masks[shape]()
    return covered


def coverage(shape: str, radius: float, cx: float, cy: float, side: int) -> npt.NDArray[np.float32]:
    """How much of each pixel of a side×side square a shape at (cx, cy) covers, 0 … 1."""
    step = (np.arange(side * _SUPERSAMPLES) + 0.5) / _SUPERSAMPLES - 0.5
    x, y = np.meshgrid((step - cx) / radius, (step - cy) / radius)
    fine = inside(shape, x, y).reshape(side, _SUPERSAMPLES, side, _SUPERSAMPLES)
    part: npt.NDArray[np.float32] = fine.mean(axis=(1, 3)).astype(np.float32)
    return part


@lru_cache(maxsize=4)
def sprites(shift: float = 0.0) -> tuple[npt.NDArray[np.float32], dict[tuple[str, str, int, int], int]]:
    """The table of coverage patches (count, 22, 22) and the row of each (shape, size, dx, dy).

    Row 0 is the empty cell. `shift` moves every shape by a part of a pixel, to
    train on renderers whose pixel grid is laid differently.
    """
    rows = [np.zeros((PATCH, PATCH), np.float32)]
    index: dict[tuple[str, str, int, int], int] = {}
    middle = CENTERS[0]
    for shape in SHAPES:
        for size, radius in SIZES.items():
            limit = JITTER[size]
            for dx in range(-limit, limit + 1):
                for dy in range(-limit, limit + 1):
                    index[shape, size, dx, dy] = len(rows)
                    rows.append(coverage(shape, radius, middle + dx + shift, middle + dy + shift, PATCH))
    return np.stack(rows), index


def render(scenes: Sequence[Scene], shift: float = 0.0) -> npt.NDArray[np.uint8]:
    """Paint scenes: (scenes, 64, 64, 3) uint8."""
    table, index = sprites(shift)
    cover = np.zeros((len(scenes), SIDE, SIDE, 1), np.float32)
    paint = np.zeros((len(scenes), SIDE, SIDE, 3), np.float32)
    ground = np.array([BACKGROUNDS[scene.background] for scene in scenes], np.float32)[:, None, None]
    for row, scene in enumerate(scenes):
        for thing in scene.things:
            patch = table[index[thing.shape, thing.size, thing.dx, thing.dy]]
            top, left = STRIDE * thing.row, STRIDE * thing.column
            cover[row, top : top + PATCH, left : left + PATCH, 0] += patch
            paint[row, top : top + PATCH, left : left + PATCH] += patch[..., None] * np.array(
                COLORS[thing.color], np.float32
            )
    pixels: npt.NDArray[np.uint8] = np.rint(ground * (1 - cover) + paint).clip(0, 255).astype(np.uint8)
    return pixels


def paint(scene: Scene) -> npt.NDArray[np.uint8]:
    """Paint one scene: (64, 64, 3) uint8."""
    picture: npt.NDArray[np.uint8] = render([scene])[0]
    return picture


def template(thing: Thing) -> npt.NDArray[np.float32]:
    """The coverage patch of a thing in its cell: (22, 22)."""
    table, index = sprites()
    patch: npt.NDArray[np.float32] = table[index[thing.shape, thing.size, thing.dx, thing.dy]]
    return patch
