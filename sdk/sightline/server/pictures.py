"""Pictures from strangers: few formats, known by their bytes, and limits that are checked before decoding."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image as PILImage

from sightline.errors import ImageError, TooLargeError
from sightline.server.settings import Settings
from sightline_tools.image import PixelArray, read_pixels

_FORMATS: dict[str, Callable[[bytes], bool]] = {
    "PNG": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
    "JPEG": lambda head: head.startswith(b"\xff\xd8\xff"),
    "WEBP": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "GIF": lambda head: head[:6] in (b"GIF87a", b"GIF89a"),
}
"""Formats whose decoders are in wide use; Pillow knows more, among them some that start other programs."""

_START_OF_SCAN, _MOST_SCANS = b"\xff\xda", 100
"""A progressive JPEG has about ten scans; one of thousands takes minutes to decode."""


def read_upload(settings: Settings, data: bytes) -> PixelArray:
    """The upright pixels (height, width, 3 or 4) of a file that a client sent.

    PNG, JPEG, WebP or GIF (its first frame), whatever name or type came with it.
    TooLargeError beyond `max_upload` bytes or `max_pixels` pixels, ImageError for what
    is no such picture, damaged or cut short.
    """
    if len(data) > settings.max_upload:
        raise TooLargeError(
            f"a picture of {len(data):,} bytes is more than {settings.max_upload:,}", hint="make it smaller"
        )
    width, height = _size(data)
    if width * height > settings.max_pixels:
        raise TooLargeError(
            f"a picture of {width}x{height} is more than {settings.max_pixels:,} pixels",
            hint="make it smaller",
        )
    return read_pixels(data).array


def _size(data: bytes) -> tuple[int, int]:
    """Width and height as the header tells them."""
    form = next((name for name, accepts in _FORMATS.items() if accepts(data[:16])), None)
    if form is None:
        raise ImageError("the data is not a picture", hint="send a PNG, JPEG, WebP or GIF file")
    if form == "JPEG" and data.count(_START_OF_SCAN) > _MOST_SCANS:
        raise ImageError("the JPEG has too many scans", hint="save it again as a baseline JPEG")
    PILImage.init()
    try:
        return PILImage.OPEN[form][0](io.BytesIO(data), "").size
    except Exception as error:
        raise ImageError(f"the {form} file is damaged or cut short", hint="send a whole picture") from error
