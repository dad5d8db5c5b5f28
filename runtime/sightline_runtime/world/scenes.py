"""Scenes: what stands where, as data. No pixels and no words here.

A picture is 64×64 with one flat background and one to four things on a 3×3 grid
of cells, one thing a cell at most. Crowded scenes (up to nine things) exist for
training the autoencoder only.
"""

from dataclasses import dataclass, replace

import numpy as np

SHAPES = ("circle", "ring", "square", "diamond", "cross", "triangle", "star", "heart")
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "green": (40, 170, 60),
    "blue": (50, 80, 220),
    "yellow": (240, 210, 40),
    "purple": (150, 60, 190),
    "orange": (245, 140, 30),
    "cyan": (60, 200, 220),
    "pink": (250, 130, 190),
}
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (245, 245, 245),
    "black": (15, 15, 15),
    "gray": (128, 128, 128),
    "brown": (95, 65, 45),
}
SIZES: dict[str, int] = {"small": 6, "large": 9}
"""Radius in pixels."""
JITTER: dict[str, int] = {"small": 3, "large": 1}
"""Largest whole-pixel shift from the cell's centre, by size."""
CELLS = (
    "top left",
    "top center",
    "top right",
    "middle left",
    "center",
    "middle right",
    "bottom left",
    "bottom center",
    "bottom right",
)
CENTERS = (11, 32, 53)
"""Pixel index of the cell centres on both axes."""


@dataclass(frozen=True)
class Thing:
    """One object: what it is and where; `cell` counts row by row from the top left."""

    shape: str
    color: str
    size: str
    cell: int
    dx: int = 0
    dy: int = 0

    @property
    def row(self) -> int:
        """Grid row, 0 at the top."""
        return self.cell // 3

    @property
    def column(self) -> int:
        """Grid column, 0 at the left."""
        return self.cell % 3

    @property
    def center(self) -> tuple[int, int]:
        """Where it stands: (x, y) in pixels."""
        return CENTERS[self.column] + self.dx, CENTERS[self.row] + self.dy


@dataclass(frozen=True)
class Scene:
    """A background and the things on it, in the order of their cells."""

    background: str
    things: tuple[Thing, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.things, key=lambda thing: thing.cell))
        object.__setattr__(self, "things", ordered)

    def free_cells(self) -> list[int]:
        """Cells where nothing stands."""
        taken = {thing.cell for thing in self.things}
        return [cell for cell in range(9) if cell not in taken]

    def without(self, thing: Thing) -> "Scene":
        """The same scene less one thing."""
        return replace(self, things=tuple(other for other in self.things if other != thing))

    def swapped(self, old: Thing, new: Thing) -> "Scene":
        """The same scene with one thing put in the place of another."""
        return replace(self, things=(*(other for other in self.things if other != old), new))

    def matching(self, *, shape: str | None = None, color: str | None = None) -> list[Thing]:
        """The things of that shape and colour."""
        return [
            thing for thing in self.things if shape in (None, thing.shape) and color in (None, thing.color)
        ]


HELD_OUT_PAIRS = frozenset({("star", "cyan"), ("circle", "purple"), ("cross", "orange"), ("heart", "green")})
"""Shape and colour pairs never shown together in training, to measure composition."""


class SceneSampler:
    """Draws random scenes from a seeded generator; the same seed draws the same scenes."""

    def __init__(self, seed: int, *, held_out: bool = True) -> None:
        self.rng = np.random.default_rng(seed)
        self._held_out = held_out

    def choice(self, options: tuple[str, ...] | list[str] | dict[str, object]) -> str:
        """One of the options, all equally likely."""
        names = list(options)
        return names[int(self.rng.integers(len(names)))]

    def maybe(self, chance: float) -> bool:
        """True with that probability."""
        return bool(self.rng.random() < chance)

    def allows(self, scene: Scene) -> bool:
        """Whether every pair of shape and colour in the scene may be shown."""
        return not (self._held_out and any((t.shape, t.color) in HELD_OUT_PAIRS for t in scene.things))

    def jittered(self, size: str) -> tuple[int, int]:
        """A random shift that the size allows."""
        limit = JITTER[size]
        dx, dy = self.rng.integers(-limit, limit + 1, 2)
        return int(dx), int(dy)

    def pair(self) -> tuple[str, str]:
        """A (shape, colour) that may be shown in training."""
        while True:
            shape, color = SHAPES[int(self.rng.integers(8))], self.choice(list(COLORS))
            if not (self._held_out and (shape, color) in HELD_OUT_PAIRS):
                return shape, color

    def thing(
        self, cell: int, *, shape: str | None = None, color: str | None = None, size: str | None = None
    ) -> Thing:
        """A random thing in a cell with the given attributes fixed."""
        for _ in range(64):
            drawn_shape, drawn_color = self.pair()
            pair = (shape or drawn_shape, color or drawn_color)
            if (shape and color) or not (self._held_out and pair in HELD_OUT_PAIRS):
                break
        size = size or self.choice(list(SIZES))
        return Thing(pair[0], pair[1], size, cell, *self.jittered(size))

    def scene(self, low: int = 1, high: int = 4) -> Scene:
        """A random scene of `low` to `high` things."""
        count = int(self.rng.integers(low, high + 1))
        cells = self.rng.permutation(9)[:count]
        return Scene(self.choice(list(BACKGROUNDS)), tuple(self.thing(int(cell)) for cell in cells))
