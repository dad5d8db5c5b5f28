"""What the verbs of a session return: pictures and results that show themselves.

A `Picture` is an image reference bound to the store that holds its bytes. A
result is accepted wherever a picture is and stands for its first one.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from sightline.errors import InputError, SightlineError
from sightline_tools.image import Image

if TYPE_CHECKING:
    from sightline.tree.steps import Step

Loader = Callable[[Image], npt.NDArray[np.uint8]]

_SHOWN = 192
"""Small pictures are shown at this many pixels a side, with hard edges."""


@dataclass(frozen=True)
class Picture:
    """One picture of a session: a reference, with its bytes loaded on demand."""

    ref: Image
    _load: Loader = field(repr=False, compare=False)
    origin: str | None = None
    alias: str | None = field(default=None, compare=False)
    """Its short name in its session, `img3`, wherever a picture or a step is asked for."""

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.ref.width

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.ref.height

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.ref.width, self.ref.height

    def numpy(self) -> npt.NDArray[np.uint8]:
        """The pixels: (height, width, 3 or 4) uint8, sRGB."""
        return self._load(self.ref)

    def pil(self) -> PILImage.Image:
        """The picture as a Pillow image."""
        return PILImage.fromarray(self.numpy())

    def save(self, path: str | Path) -> Path:
        """Write a file; the ending chooses the format. Gives the path back."""
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.pil().save(path)
        except (OSError, ValueError) as error:
            raise InputError(
                f"the picture cannot be saved as {path}: {error}", hint="use an ending like .png"
            ) from error
        return path

    def _repr_png_(self) -> bytes | None:
        """The picture for a notebook; None, so that its text is shown, if it cannot be read any more."""
        try:
            return shown_png(self.numpy())
        except SightlineError:
            return None

    def __repr__(self) -> str:
        name = " ".join(filter(None, (self.alias, self.ref.pixels[:8])))
        return f"<Picture {name} {self.width}x{self.height}>"


def shown_png(pixels: npt.NDArray[np.uint8], side: int = _SHOWN) -> bytes:
    """A PNG for people: small pictures enlarged with hard edges, large ones reduced."""
    picture = PILImage.fromarray(pixels)
    if max(picture.size) < side:
        times = side // max(picture.size)
        enlarged = (picture.width * times, picture.height * times)
        picture = picture.resize(enlarged, PILImage.Resampling.NEAREST)
    else:
        picture.thumbnail((2 * side, 2 * side))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def data_uri(png: bytes) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


@dataclass(frozen=True)
class Cache:
    """How much of a step had been computed before, and why.

    A "hit" is a whole step found again, "partial" one whose pictures were decoded from
    features that were kept, a "miss" computed from the start.
    """

    status: Literal["hit", "partial", "miss"]
    why: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.status


@dataclass(frozen=True)
class Result:
    """What every verb gives: the step that was recorded, what it cost, and any warnings.

    `cache` says whether it had been computed before; `Session.explain` says more.
    """

    step: Step
    usage: Mapping[str, float]
    cache: Cache
    warnings: tuple[str, ...]
    images: tuple[Picture, ...] = ()

    @property
    def image(self) -> Picture:
        """The first picture."""
        if not self.images:
            raise InputError(
                f"step {self.step.short} ({self.step.tool}) made no picture", hint="use another result"
            )
        return self.images[0]

    @property
    def alias(self) -> str | None:
        """The short name of the first picture, `img3`; None without one."""
        return self.images[0].alias if self.images else None

    def save(self, path: str | Path) -> Path:
        """Write the first picture to a file."""
        return self.image.save(path)

    def _line(self) -> str:
        if not self.images:
            return ""
        names = ", ".join(picture.alias for picture in self.images if picture.alias)
        count = f"{len(self.images)} picture{'s' if len(self.images) > 1 else ''}"
        return f"{names or count} {self.image.width}x{self.image.height}"

    def __repr__(self) -> str:
        warned = "".join(f"\n  warning: {text}" for text in self.warnings)
        return f"<{self.step.tool} {self.step.short} {self._line()} cache={self.cache}>{warned}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        pictures = "".join(_img(picture) for picture in self.images)
        return {
            "text/plain": repr(self),
            "text/html": f"<div>{pictures}<br><code>{_escape(repr(self))}</code></div>",
        }


def _img(picture: Picture) -> str:
    try:
        uri = data_uri(shown_png(picture.numpy()))
    except SightlineError as error:  # display must not raise: the text is still worth showing
        return f"<p>{_escape(f'{picture!r}: {error}')}</p>"
    return f'<img src="{uri}" style="image-rendering:pixelated;margin:2px">'


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True, repr=False)
class Drawn(Result):
    """Pictures that were generated: `seeds`, one each, and `plans`, what the model wrote first."""

    seeds: tuple[int, ...] = ()
    plans: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Edited(Drawn):
    """Pictures that were edited: `before` is the source, `changed` whether anything differs."""

    before: Picture | None = None
    changed: bool = True


@dataclass(frozen=True, repr=False)
class Answered(Result):
    """An answer: `text`, its probability, and the probabilities of choices if any were given."""

    text: str = ""
    confidence: float = 0.0
    probabilities: Mapping[str, float] = field(default_factory=dict)

    def _line(self) -> str:
        return f"{self.text!r} p={self.confidence:.2f}"

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class Made(Result):
    """What any other tool made: its pictures, and all its values by name in `values`."""

    values: Mapping[str, object] = field(default_factory=dict)
