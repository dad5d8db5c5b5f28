"""What changed between two pictures, in words: where pixels differ, look at both and say it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sightline.reasoning import phrases
from sightline.results import Answered, Picture
from sightline_tools.locality import CHANGED, difference, resized
from sightline_tools.sketch import border_color
from sightline_tools.vision import on_white

Pixels = npt.NDArray[np.uint8]
Ask = Callable[[Picture, str, Sequence[str]], Answered]

_FLAT = 0.03
"""A part with fewer pixels than that off the border's colour is empty."""
_TOUCHED = 0.04
"""A part with fewer changed pixels than that is as before."""
_EVERYWHERE = 0.5


@dataclass(frozen=True)
class Difference:
    """One thing that differs: where, what was there and what is now; empty where nothing is."""

    place: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.before:
            return f"{phrases.article(self.after)} was added {self.place}"
        if not self.after:
            return f"the {self.before} {self.place} was removed"
        return f"the {self.before} {self.place} became {phrases.article(self.after)}"


@dataclass(frozen=True)
class Change:
    """What changed between two pictures."""

    background: tuple[str, str] | None
    differences: tuple[Difference, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """Each change as a sentence; a thing that left one place for another has moved."""
        told = [] if self.background is None else [f"the background became {self.background[1]}"]
        gone = [each for each in self.differences if not each.after]
        come = [each for each in self.differences if not each.before]
        for old in list(gone):
            new = next((each for each in come if each.after == old.before), None)
            if new is not None:
                told.append(f"the {old.before} moved from {_bare(old.place)} to {_bare(new.place)}")
                gone.remove(old)
                come.remove(new)
        both = [each for each in self.differences if each.before and each.after]
        return tuple([*told, *map(str, [*both, *gone, *come])])

    def __str__(self) -> str:
        return "; ".join(self.sentences) or "nothing changed"


def describe_change(ask: Ask, before: Picture, after: Picture, *, family: str) -> Change:
    """Say what differs between two pictures: the background, and each place of a 3×3 grid.

    The model is asked only about places whose pixels differ.
    """
    pixels = [on_white(one.numpy()) for one in (before, after)]
    pixels[0] = resized(pixels[0], (after.ref.width, after.ref.height))
    apart = [_apart_from(one, border_color(one)) for one in pixels]
    background = None
    if _repainted(*pixels):
        question = "what color is the background?"
        background = ask(before, question, ()).text, ask(after, question, ()).text
    found = []
    for index in _places_that_differ(*pixels):
        place = phrases.PLACES[index]
        texts = [
            _told(ask, picture, place, family) if _share(mask, index) > _FLAT else ""
            for picture, mask in zip((before, after), apart, strict=True)
        ]
        if texts[0] != texts[1]:
            found.append(Difference(place, *texts))
    return Change(background, tuple(found))


def changed_places(before: Picture, after: Picture) -> tuple[str, ...]:
    """The places of a 3×3 grid whose pixels differ, whatever became of the background."""
    a, b = resized(on_white(before.numpy()), (after.ref.width, after.ref.height)), on_white(after.numpy())
    return tuple(phrases.PLACES[index] for index in _places_that_differ(a, b))


def _places_that_differ(a: Pixels, b: Pixels) -> list[int]:
    """Where more than the edges of things differ; beside the background if that was repainted."""
    moved = difference(a, b) > 2 * CHANGED
    if _repainted(a, b):
        first, then = _apart_from(a, border_color(a)), _apart_from(b, border_color(b))
        moved = (first != then) | (first & then & moved)
    return [index for index in range(9) if _share(moved, index) > _TOUCHED]


def _repainted(a: Pixels, b: Pixels) -> bool:
    """Whether the background has another colour, most of the picture with it."""
    grounds = np.abs(border_color(a).astype(int) - border_color(b)).max()
    return bool(grounds > CHANGED and (difference(a, b) > CHANGED).mean() > _EVERYWHERE)


def _told(ask: Ask, picture: Picture, place: str, family: str) -> str:
    """What is in a place: colour and shape in the world of shapes, elsewhere whatever the model says."""
    if family not in ("embedded", "fake"):
        return ask(picture, f"what is {place}? answer in a few words.", ()).text.strip(" .").lower()
    color, shape = (
        ask(picture, f"what {what} is the object {place}?", ()).text for what in ("color", "shape")
    )
    name = f"{color} {shape}"
    return f"{ask(picture, f'how big is the {name}?', phrases.SIZES).text} {name}"


def _apart_from(pixels: Pixels, color: Pixels) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs(pixels.astype(int) - color).max(axis=2) > 2 * CHANGED)


def _share(mask: npt.NDArray[np.bool_], index: int) -> float:
    """The share of a place that a mask holds; none of one that has no pixel."""
    part = mask[_cell(mask.shape, index)]
    return float(part.mean()) if part.size else 0.0


def _cell(shape: tuple[int, ...], index: int) -> tuple[slice, slice]:
    row, column = divmod(index, 3)
    height, width = shape[:2]
    return (
        slice(round(row * height / 3), round((row + 1) * height / 3)),
        slice(round(column * width / 3), round((column + 1) * width / 3)),
    )


def _bare(place: str) -> str:
    return place.removeprefix("at ").removeprefix("in ")
