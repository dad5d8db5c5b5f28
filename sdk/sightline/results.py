"""What the verbs of a session return: pictures and results that show themselves.

A `Picture` is an image reference bound to the store that holds its bytes. A
result is accepted wherever a picture is and stands for its first one.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from sightline import provenance as files
from sightline.errors import InputError, NotFoundError, SightlineError
from sightline.lineage import Lineage
from sightline_tools.image import Image
from sightline_tools.locality import Locality

if TYPE_CHECKING:
    from sightline.tree.steps import Step

Loader = Callable[[Image], npt.NDArray[np.uint8]]
Tracer = Callable[[Image, str | None], Lineage]
"""Gives the lineage of a picture, from the step that made it if that is known."""

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
    _trace: Tracer | None = field(default=None, repr=False, compare=False)

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

    def lineage(self) -> Lineage:
        """Where it comes from, as data: the steps that made it, from the first picture on."""
        if self._trace is None:
            raise NotFoundError(f"{self!r} is bound to no session", hint="add it to one first")
        return self._trace(self.ref, self.origin)

    def save(self, path: str | Path, *, provenance: bool = True) -> Path:
        """Write a file; the ending chooses the format. Gives the path back.

        PNG and WebP are written without loss and hold the lineage of the picture, which
        `sightline.provenance.read` and `sightline trace` read; `provenance=False` leaves it
        out. A warning tells where the format, or a damaged store, keeps none.
        """
        return self._saved(Path(path), provenance)

    def _saved(self, path: Path, provenance: bool) -> Path:
        pixels, lineage = self.numpy(), None
        if provenance and self._trace is not None:
            try:
                lineage = self.lineage()
            except SightlineError as error:  # the picture itself is still worth saving
                warnings.warn(f"{path.name} is saved without its lineage: {error}", stacklevel=3)
        files.save(pixels, path, lineage, stacklevel=4)
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

    def __hash__(self) -> int:
        return hash(self.step.id)

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

    def save(self, path: str | Path, *, provenance: bool = True) -> Path:
        """Write the first picture to a file, with its lineage: see `Picture.save`."""
        return self.image._saved(Path(path), provenance)

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

    __hash__ = Result.__hash__
    seeds: tuple[int, ...] = ()
    plans: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Edited(Drawn):
    """Pictures that were edited: `before` is the source, `changed` whether anything differs.

    `localities`, one a picture, tell where the model changed it; none are kept for steps
    of older versions.
    """

    __hash__ = Result.__hash__
    before: Picture | None = None
    changed: bool = True
    localities: tuple[Locality, ...] = ()

    @property
    def locality(self) -> Locality | None:
        """Where the first picture was changed: how much inside and outside of what was asked."""
        return self.localities[0] if self.localities else None


@dataclass(frozen=True, repr=False)
class Answered(Result):
    """An answer: `text`, its probability, and the probabilities of choices if any were given."""

    __hash__ = Result.__hash__
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

    __hash__ = Result.__hash__
    values: Mapping[str, object] = field(default_factory=dict)
