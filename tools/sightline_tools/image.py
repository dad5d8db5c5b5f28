"""Pictures: the `Image` value, and the one door through which pixels come in.

`Image` names a picture by digests and holds no bytes. `read_pixels` turns
anything that is a picture into upright RGB (or RGBA) pixels and refuses the rest.
"""

import hashlib
import io
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageOps
from pydantic import BaseModel, ConfigDict, Field

from sightline_runtime.errors import ImageError, NotFoundError

MAX_PIXELS = 40_000_000
"""Pictures with more pixels are refused before they are decoded."""

_WHOLE = "give a whole picture"

PixelArray = npt.NDArray[np.uint8]
"""(height, width, 3 or 4) uint8."""

Source = str | Path | bytes | PILImage.Image | npt.NDArray[np.generic]


class Image(BaseModel):
    """A picture as a value: digests and size, no bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixels: str = Field(
        description="sha256 of the mode, the size and the raw pixels", pattern="^[0-9a-f]{64}$"
    )
    blob: str = Field(description="sha256 of the stored file", pattern="^[0-9a-f]{64}$")
    width: int = Field(ge=1, description="width in pixels")
    height: int = Field(ge=1, description="height in pixels")
    mode: Literal["RGB", "RGBA"] = "RGB"
    media_type: str = "image/png"


@dataclass(frozen=True)
class Decoded:
    """Upright pixels, and what had to be changed to get them."""

    array: PixelArray
    notes: tuple[str, ...] = ()


def mode_of(array: PixelArray) -> Literal["RGB", "RGBA"]:
    """The mode of a pixel array."""
    return "RGBA" if array.shape[2] == 4 else "RGB"


def pixel_digest(array: PixelArray) -> str:
    """sha256 of mode, size and raw pixels: the same picture has one digest in every file format."""
    height, width, _ = array.shape
    header = f"{mode_of(array)} {width}x{height}\n".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).hexdigest()


def encode_png(array: PixelArray) -> bytes:
    """A PNG without metadata; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    PILImage.fromarray(array).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def decode_png(data: bytes) -> PixelArray:
    """The pixels of a PNG that `encode_png` made."""
    with PILImage.open(io.BytesIO(data)) as picture:
        return np.asarray(picture).copy()


def describe(array: PixelArray) -> tuple[Image, bytes]:
    """The value of a picture and the file to store."""
    png = encode_png(array)
    height, width, _ = array.shape
    digest = hashlib.sha256(png).hexdigest()
    return Image(
        pixels=pixel_digest(array), blob=digest, width=width, height=height, mode=mode_of(array)
    ), png


def read_pixels(source: Source) -> Decoded:
    """Read a path, file bytes, a Pillow image or a numpy array as upright RGB or RGBA pixels.

    Raises ImageError for what is not a whole picture or is too large, before
    decoding where the header tells; NotFoundError for a path that is not there.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, PILImage.Image):
        return _decoded(source, "the given image")
    if isinstance(source, bytes):
        return _from_bytes(source, "the given data")
    try:
        data = Path(source).read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {source}", hint="check the path") from error
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{str(source)!r} cannot be read: {getattr(error, 'strerror', None) or error}",
            hint="give the path of a picture file",
        ) from error
    return _from_bytes(data, str(source))


def _check_size(width: int, height: int, name: str) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"{name} is {width}x{height} pixels", hint="give a picture with at least one pixel")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name} is {width}x{height}, more than {MAX_PIXELS:,} pixels",
            hint="make it smaller before adding it",
        )


def _from_bytes(data: bytes, name: str) -> Decoded:
    if not data:
        raise ImageError(f"{name} is empty", hint=_WHOLE)
    with _opened(data, name) as picture:
        return _decoded(picture, name)


def _opened(data: bytes, name: str) -> PILImage.Image:
    """A picture of which only the header is read.

    Pillow's own `open` judges the size itself, by a warning or an error that does not tell it.
    """
    known, head = "", data[:16].ljust(16, b"\0")  # some of Pillow's tests read past the end of less
    for read_formats in (PILImage.preinit, PILImage.init):
        read_formats()
        for form, (factory, accepts) in list(PILImage.OPEN.items()):
            claims = accepts is not None and accepts(head)  # a text says what Pillow lacks
            known = form if claims is True else known
            if claims is True or accepts is None:
                with suppress(Exception):  # not of this form after all, or damaged
                    return factory(io.BytesIO(data), "")
    if known:
        raise ImageError(f"{name} is a {known} file with a damaged header or no pixels", hint=_WHOLE)
    raise ImageError(f"{name} is not a picture that can be read", hint="use PNG, JPEG, WebP or GIF")


def _decoded(picture: PILImage.Image, name: str) -> Decoded:
    _check_size(*picture.size, name)
    try:
        picture.load()
        return _normalised(picture, name)
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{name} is damaged, cut short or closed: {error}", hint=_WHOLE) from error


def _normalised(picture: PILImage.Image, name: str) -> Decoded:
    _check_size(*picture.size, name)
    notes = []
    upright = ImageOps.exif_transpose(picture)
    if upright.size != picture.size or picture.getexif().get(0x0112, 1) != 1:
        notes.append("turned upright as its EXIF orientation says")
    if upright.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        notes.append(f"{upright.mode} reduced to 8 bits")
        upright = _eight_bits(upright, name)
    transparent = upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info
    if upright.mode not in ("RGB", "RGBA"):
        notes.append(f"{upright.mode} converted")
    array = np.asarray(upright.convert("RGBA" if transparent else "RGB")).copy()
    if transparent and (array[..., 3] == 255).all():
        array = array[..., :3].copy()
    return Decoded(array, tuple(notes))


def _eight_bits(picture: PILImage.Image, name: str) -> PILImage.Image:
    values = np.asarray(picture).astype(np.float64)
    top = 65535.0 if picture.mode.startswith("I") else max(float(values.max()), 1.0)
    if not (math.isfinite(top) and values.min() >= 0 and values.max() <= top):
        raise ImageError(
            f"{name} has pixels of type {picture.mode} that are negative, not finite or above 65535",
            hint="scale them to 0 … 255 first",
        )
    return PILImage.fromarray((values / top * 255).round().astype(np.uint8))


def _from_array(array: npt.NDArray[np.generic]) -> Decoded:
    shape = array.shape
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise ImageError(f"an array of shape {shape} is not a picture", hint="use (height, width, 3) uint8")
    _check_size(shape[1], shape[0], "the array")
    notes: tuple[str, ...] = ()
    values = array
    if array.dtype == np.bool_:
        values, notes = array.astype(np.uint8) * 255, ("black and white converted",)
    elif np.issubdtype(array.dtype, np.floating):
        real = array.astype(np.float64)
        if not ((real >= 0) & (real <= 1)).all():
            raise ImageError("a floating-point picture must lie in 0 … 1", hint="divide by its largest value")
        values, notes = (real * 255).round().astype(np.uint8), ("floating point converted",)
    elif array.dtype != np.uint8:
        raise ImageError(
            f"an array of type {array.dtype} is not a picture", hint="use uint8, bool or floats in 0 … 1"
        )
    planes = values[..., None] if values.ndim == 2 else values
    full = np.repeat(planes, 3, axis=2) if planes.shape[2] == 1 else planes
    return Decoded(np.ascontiguousarray(full, dtype=np.uint8), notes)
