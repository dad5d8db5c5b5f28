"""What two steps differ in: parameters, texts, pixels, and the steps of each side since they parted.

Nothing is computed by the model, nothing is stored and nothing moves: the picture
of the difference is held in memory.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sightline.results import Picture
from sightline.tree.execute import Executor
from sightline.tree.line import fork
from sightline.tree.recipe import plain
from sightline.tree.steps import Step
from sightline_tools.image import describe
from sightline_tools.likeness import ssim

Array = npt.NDArray[np.uint8]

_DIGEST = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{56}\b")


class Change(NamedTuple):
    """A parameter that differs: its name, and its value on both sides; None where there is none."""

    name: str
    a: object
    b: object


@dataclass(frozen=True)
class PixelDifference:
    """How two pictures of one size differ.

    `max_abs` is the largest difference of a channel, 0 … 255; `changed` the share of
    pixels in which any channel differs; `ssim` the structural similarity. `heatmap` is
    black where nothing differs, then red, yellow, and white where most does.
    """

    a: Picture
    b: Picture
    max_abs: int
    changed: float
    ssim: float
    heatmap: Picture

    def __str__(self) -> str:
        return f"max {self.max_abs}, changed {self.changed:.1%}, SSIM {self.ssim:.3f}"


@dataclass(frozen=True, repr=False)
class Difference:
    """What two steps differ in.

    `parameters` are those that differ, also the number and the sizes of the pictures;
    `text` is a unified diff of what was asked and answered; `pixels` compares picture
    by picture, where sizes agree. `common` is the last step that both lines share,
    `only_a` and `only_b` are the steps of each side after it, oldest first.
    """

    a: Step
    b: Step
    parameters: tuple[Change, ...]
    text: str
    pixels: tuple[PixelDifference, ...]
    common: Step | None
    only_a: tuple[Step, ...]
    only_b: tuple[Step, ...]

    @property
    def same(self) -> bool:
        """Whether both asked for the same and gave the same."""
        return not self.parameters and not self.text and all(pair.max_abs == 0 for pair in self.pixels)

    def __repr__(self) -> str:
        parted = f"since {self.common.short}" if self.common else "with nothing in common"
        lines = [
            f"<Difference {self.a.short} {self.b.short}{' same' if self.same else ''}>",
            f"  steps {parted}: {len(self.only_a)} and {len(self.only_b)}",
            *(f"  {name}: {shown(a)} → {shown(b)}" for name, a, b in self.parameters),
            *(f"  picture {number}: {pair}" for number, pair in enumerate(self.pixels, 1)),
            *(f"  {line}" for line in self.text.splitlines()),
        ]
        return "\n".join(lines)


def shown(value: object) -> str:
    """A value for people: of a digest its beginning, which names it as well."""
    return _DIGEST.sub(r"\1", repr(value))


def diff(executor: Executor, a: str | None, b: str | None) -> Difference:
    """Compare two steps, and the lines that end at them."""
    left, right = executor.step(a), executor.step(b)
    pictures = (_pictures(executor, left), _pictures(executor, right))
    pairs = [pair for pair in zip(*pictures, strict=False) if pair[0].size == pair[1].size]
    parted = fork(executor.store, a, b)
    return Difference(
        left,
        right,
        tuple(changes(_parameters(left, pictures[0]), _parameters(right, pictures[1]))),
        _unified(left, right),
        tuple(_pixels(*pair) for pair in pairs),
        executor.step(parted.common) if parted.common else None,
        tuple(map(Step.from_row, parted.only_a)),
        tuple(map(Step.from_row, parted.only_b)),
    )


def _pictures(executor: Executor, step: Step) -> tuple[Picture, ...]:
    return executor.show(step.id).images


def changes(a: Mapping[str, object], b: Mapping[str, object]) -> Iterator[Change]:
    """What differs between two sets of named values."""
    for name in dict.fromkeys((*a, *b)):
        if a.get(name) != b.get(name):
            yield Change(name, a.get(name), b.get(name))


def _parameters(step: Step, pictures: tuple[Picture, ...]) -> dict[str, object]:
    """Everything that went into a step, by name, and the form of what came out."""
    called = {"tool": step.tool, "version": step.version, "model": step.fingerprint, "seeds": step.seeds}
    sizes = {f"picture {number} size": picture.size for number, picture in enumerate(pictures, 1)}
    return {**called, **dict(_flat("", plain(step.args))), "pictures": len(pictures), **sizes}


def _flat(name: str, value: object) -> Iterator[tuple[str, object]]:
    """Arguments by dotted names; a picture stands as the text that names it."""
    if isinstance(value, dict) and set(value) != {"$image"}:
        for key, item in value.items():
            yield from _flat(f"{name}.{key}" if name else key, item)
    else:
        yield name, written(value)


def written(value: object) -> object:
    """A plain value with a text that names it for each picture."""
    if isinstance(value, dict) and set(value) == {"$image"}:
        return f"sha256:{value['$image']}"
    return [written(item) for item in value] if isinstance(value, list) else value


def _unified(a: Step, b: Step) -> str:
    lines = difflib.unified_diff(_texts(a), _texts(b), a.short, b.short, lineterm="")
    return "\n".join(lines)


def _texts(step: Step) -> list[str]:
    """What was asked, planned and answered, line by line."""
    asked = [(name, value) for name, value in step.args.items() if isinstance(value, str)]
    told = [
        (name, text)
        for name, value in step.outputs.items()
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str)
    ]
    return [f"{name}: {line}" for name, text in [*asked, *told] for line in text.splitlines()]


def _pixels(a: Picture, b: Picture) -> PixelDifference:
    left, right = _one_mode(a.numpy(), b.numpy())
    apart = np.abs(left.astype(np.int16) - right).max(axis=2)
    return PixelDifference(
        a, b, int(apart.max()), float((apart > 0).mean()), ssim(left, right), _heatmap(apart)
    )


def _one_mode(a: Array, b: Array) -> tuple[Array, Array]:
    """Both with transparency if one has it."""
    if a.shape == b.shape:
        return a, b
    return _opaque(a), _opaque(b)


def _opaque(pixels: Array) -> Array:
    if pixels.shape[2] == 4:
        return pixels
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


def _heatmap(apart: npt.NDArray[np.int16]) -> Picture:
    """A picture of (h, w) differences, held in memory: the largest is white."""
    heat = 3 * apart[..., None] / max(int(apart.max()), 1)
    array = (np.clip(heat - np.arange(3), 0, 1) * 255).round().astype(np.uint8)
    return Picture(describe(array)[0], lambda _: array.copy())
