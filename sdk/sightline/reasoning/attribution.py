"""Why an answer: cover one part of the picture after the other and ask again (Zeiler and Fergus 2014).

Where covering a part costs the answer its probability, the answer depended on it.
Nothing is recorded: these are looks, not steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sightline.errors import InputError
from sightline.results import Answered, Picture, data_uri, shown_png
from sightline_runtime.protocol import ImageSlot, Message, Runtime, TextRequest, TextResult
from sightline_tools.vision import on_white

Pixels = npt.NDArray[np.uint8]

_SHARE = 0.5
"""Parts that cost at least so much of what the worst costs belong to the region."""
_LEAST = 0.05


@dataclass(frozen=True)
class Attribution:
    """Which part of a picture an answer depends on.

    `drops` (rows, columns) is by how much P(answer) falls when a part is covered; `box` is
    (left, top, right, bottom) in pixels around the parts that matter, None if no part does.
    """

    answer: str
    probability: float
    drops: npt.NDArray[np.float64]
    box: tuple[int, int, int, int] | None
    shown: Pixels

    def __str__(self) -> str:
        if self.box is None:
            return f"{self.answer!r} depends on no single part"
        left, top, right, bottom = self.box
        return (
            f"{self.answer!r} depends on {left},{top} to {right},{bottom} (P falls by {self.drops.max():.2f})"
        )

    def _repr_html_(self) -> str:
        return f'{self}<br><img src="{data_uri(shown_png(self.shown))}" style="image-rendering:pixelated">'


def attribution(
    runtime: Runtime, picture: Picture, question: str, answered: Answered, *, parts: int
) -> Attribution:
    """Cover each of `parts`×`parts` parts in the border's colour and ask again, all at once."""
    if not 2 <= parts <= 16:
        raise InputError(f"parts is {parts}", hint="use 2 to 16 parts a side")
    pixels, choices = on_white(picture.numpy()), tuple(answered.probabilities)
    boxes = [_part(pixels, row, column, parts) for row in range(parts) for column in range(parts)]
    jobs = [runtime.generate_text(_request(_covered(pixels, box), question, choices)) for box in boxes]
    before = _p(TextResult(answered.text, answered.confidence, answered.probabilities), answered.text)
    after = [_p(job.result(), answered.text) for job in jobs]
    drops = (before - np.array(after)).reshape(parts, parts)
    return Attribution(answered.text, before, drops, _around(drops, boxes), _heat(pixels, drops, boxes))


def _request(pixels: Pixels, question: str, choices: tuple[str, ...]) -> TextRequest:
    return TextRequest((Message("user", (ImageSlot(0), question)),), (pixels,), choices=choices)


def _p(said: TextResult, answer: str) -> float:
    """P(answer): that of the choice, or of the whole text if it is the same."""
    if said.probabilities:
        return float(said.probabilities.get(answer, 0.0))
    return said.confidence if said.text.strip() == answer else 0.0


def _part(pixels: Pixels, row: int, column: int, parts: int) -> tuple[int, int, int, int]:
    height, width = pixels.shape[:2]
    left, right = round(column * width / parts), round((column + 1) * width / parts)
    return left, round(row * height / parts), right, round((row + 1) * height / parts)


def _covered(pixels: Pixels, box: tuple[int, int, int, int]) -> Pixels:
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    covered, (left, top, right, bottom) = pixels.copy(), box
    covered[top:bottom, left:right] = np.median(border, axis=0).astype(np.uint8)
    return covered


def _around(
    drops: npt.NDArray[np.float64], boxes: list[tuple[int, int, int, int]]
) -> tuple[int, int, int, int] | None:
    if drops.max() < _LEAST:
        return None
    matter = [box for box, drop in zip(boxes, drops.ravel(), strict=True) if drop >= _SHARE * drops.max()]
    lefts, tops, rights, bottoms = zip(*matter, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _heat(pixels: Pixels, drops: npt.NDArray[np.float64], boxes: list[tuple[int, int, int, int]]) -> Pixels:
    """The picture, red where a part matters, dimmed where it does not."""
    shown = pixels.astype(np.float64)
    top = max(float(drops.max()), 1e-9)
    for (left, upper, right, lower), drop in zip(boxes, drops.ravel(), strict=True):
        weight = 0.6 * max(float(drop), 0.0) / top
        shown[upper:lower, left:right] *= 1 - weight
        shown[upper:lower, left:right, 0] += 255 * weight
    return shown.round().clip(0, 255).astype(np.uint8)
