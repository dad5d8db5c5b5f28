"""Arrays on the wire: named by the digest of what they hold, carried once, as PNG or safetensors.

The digest is that of type, shape and values, not of the file: who has an array
names it without encoding it, and who receives one checks what came out.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sightline_runtime.errors import ImageError, InputError, TooLargeError

Array = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
"""Pixels (height, width, 3) uint8 or features (tokens, width) float32; others travel too, to be refused."""

PNG = "image/png"
TENSOR = "application/x-safetensors"

MOST_PIXELS = 40_000_000
"""A picture with more is refused before it is decoded."""

_TYPES = frozenset(
    {"uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float32", "float64", "bool"}
)
_NAME = "array"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def digest(array: Array) -> str:
    """sha256 of type, shape and values; InputError for an array of a type that cannot be sent."""
    plain = _plain(array)
    shape = "x".join(map(str, plain.shape))
    return hashlib.sha256(f"{plain.dtype.name} {shape}\n".encode() + plain.tobytes()).hexdigest()


def encode(array: Array) -> tuple[str, bytes]:
    """The media type and the file of an array: PNG for RGB pixels, safetensors for all else."""
    plain = _plain(array)
    if not _is_picture(plain):
        return TENSOR, save({_NAME: plain})
    buffer = io.BytesIO()
    Image.fromarray(plain).save(buffer, "PNG", compress_level=1)  # a wire wants speed more than size
    return PNG, buffer.getvalue()


def decode(media: str, body: bytes, *, named: str, most_pixels: int = MOST_PIXELS) -> Array:
    """The array of a file, which is the one that `named` is the digest of.

    ImageError or InputError for what is no such file, too large, or another array.
    """
    kind = media.partition(";")[0].strip().lower()
    if kind == PNG:
        array = _picture(body, most_pixels)
    elif kind == TENSOR:
        array = _tensor(body)
    else:
        raise InputError(f"an array of type {media[:60]!r}", hint=f"send {PNG} or {TENSOR}")
    if digest(array) != named:
        raise InputError("the array is not the one that its digest names", hint="send it again, whole")
    return array


def _plain(array: Array) -> npt.NDArray[np.generic]:
    """The array as little-endian values in row order."""
    given = np.asarray(array)
    if given.dtype.name not in _TYPES:
        raise InputError(
            f"an array of type {given.dtype} cannot be sent", hint="pixels are uint8, features float32"
        )
    return np.asarray(given, dtype=given.dtype.newbyteorder("<"), order="C")


def _is_picture(array: npt.NDArray[np.generic]) -> bool:
    return array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size > 0


def _picture(body: bytes, most_pixels: int) -> Array:
    """The pixels of an RGB PNG, whose size is read from its head before anything else."""
    if body[:8] != _SIGNATURE or body[12:16] != b"IHDR":
        raise ImageError("the body is not a PNG", hint="send what its type says")
    width, height = int.from_bytes(body[16:20], "big"), int.from_bytes(body[20:24], "big")
    if width * height > most_pixels:
        raise TooLargeError(
            f"a picture of {width}x{height} pixels", hint=f"at most {most_pixels:,} pixels are taken"
        )
    try:
        with Image.open(io.BytesIO(body), formats=("PNG",)) as picture:
            if picture.mode != "RGB":
                raise ImageError(f"a PNG of mode {picture.mode}", hint="pixels travel as 8-bit RGB")
            return np.asarray(picture).copy()
    except ImageError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise ImageError("the PNG is damaged or cut short", hint="send it again, whole") from error


def _tensor(body: bytes) -> Array:
    """The one array of a safetensors file; its sizes are bounded by those of the file."""
    try:
        held: Mapping[str, npt.NDArray[np.generic]] = load(body)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("the body is not a safetensors file", hint="send it again, whole") from error
    array = held.get(_NAME)
    if len(held) != 1 or array is None or array.dtype.name not in _TYPES:
        raise InputError(f"the file does not hold one array named {_NAME!r}", hint="send one array a file")
    found: Array = np.array(array)
    return found
