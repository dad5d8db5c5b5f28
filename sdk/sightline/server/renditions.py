"""Renditions: a picture as a smaller or differently encoded file, to look at, not to compute with."""

from __future__ import annotations

import io
from typing import Literal

from PIL import Image as PILImage

from sightline_tools.image import PixelArray
from sightline_tools.vision import on_white

Format = Literal["png", "webp", "jpeg"]
MEDIA: dict[Format, str] = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}
MAX_EDGE = 2048
_QUALITY = 85


def rendition(pixels: PixelArray, form: Format, edge: int | None = None) -> bytes:
    """A picture (height, width, 3 or 4) as a file, no side longer than `edge`; JPEG shows it on white."""
    picture = PILImage.fromarray(on_white(pixels) if form == "jpeg" else pixels)
    if edge is not None:
        picture.thumbnail((edge, edge), PILImage.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, form.upper(), quality=_QUALITY)
    return buffer.getvalue()
