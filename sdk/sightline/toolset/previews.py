"""Previews: pictures made small enough for a message, and large enough to see."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from sightline.toolset.outcomes import Preview
from sightline_tools.vision import on_white

EDGE = 512
"""Pixels of the longer side, at most."""
_LEAST = 256
"""Smaller pictures are enlarged, with hard edges, up to about this."""
LARGEST = 24 * 1024
"""Bytes of a file, at most."""
_QUALITY = 80


def preview(label: str, pixels: npt.NDArray[np.uint8], edge: int = EDGE) -> Preview:
    """A picture (height, width, 3 or 4) at most `edge` pixels wide and high, in few bytes.

    PNG where it is small, else JPEG on white, made smaller until it fits.
    """
    size = _fitting(pixels.shape[1], pixels.shape[0], edge)
    shown = _scaled(PILImage.fromarray(pixels), size)
    while True:
        data, kind = _written(shown)
        if len(data) <= LARGEST or max(shown.size) <= 16:
            return Preview(label, data, kind, *shown.size)
        shown = _scaled(shown, (max(shown.width * 3 // 4, 1), max(shown.height * 3 // 4, 1)))


def _fitting(width: int, height: int, edge: int) -> tuple[int, int]:
    longer = max(width, height)
    if longer > edge:
        return max(width * edge // longer, 1), max(height * edge // longer, 1)
    times = max(min(_LEAST, edge) // longer, 1)
    return width * times, height * times


def _scaled(picture: PILImage.Image, size: tuple[int, int]) -> PILImage.Image:
    larger = size[0] > picture.width
    method = PILImage.Resampling.NEAREST if larger else PILImage.Resampling.BOX
    return picture if size == picture.size else picture.resize(size, method)


def _written(picture: PILImage.Image) -> tuple[bytes, str]:
    png = io.BytesIO()
    picture.save(png, "PNG", compress_level=6)
    if png.tell() <= LARGEST:
        return png.getvalue(), "image/png"
    jpeg = io.BytesIO()
    PILImage.fromarray(on_white(np.asarray(picture))).save(jpeg, "JPEG", quality=_QUALITY)
    return jpeg.getvalue(), "image/jpeg"
