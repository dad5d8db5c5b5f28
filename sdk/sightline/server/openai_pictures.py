"""Pictures on OpenAI's wire: as base64 or as a link out, by data URI, URL or name in."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image as PILImage

from sightline.errors import InputError, NotFoundError, TooLargeError
from sightline.server.fetching import picture_from
from sightline.server.house import House
from sightline.server.openai_forms import OutputFormat
from sightline.server.pictures import read_upload
from sightline.tree.execute import Executor
from sightline.tree.naming import names_picture
from sightline_tools.image import PixelArray
from sightline_tools.vision import on_white

MOST = 16
"""Pictures of one request; the pixels of all together are limited as those of one upload."""

Given = bytes | str
"""A picture that came in: a file, or its name in a session."""

_LINK = re.compile(r"sightline://[^/?#]{1,64}/images/(?:([0-9a-f]{64})|(img[1-9][0-9]{0,8}))")
_ARTIFACT = re.compile(r"(?:https?://[^/?#]{1,255})?/v1/artifacts/([0-9a-f]{64})(?:\?.*)?")


def encoded(pixels: PixelArray, form: OutputFormat, quality: int | None) -> str:
    """A picture (height, width, 3 or 4) as base64; WebP is lossless unless a quality (0 to 100) is given."""
    picture = PILImage.fromarray(on_white(pixels) if form == "jpeg" else pixels)
    buffer = io.BytesIO()
    if form == "png":
        picture.save(buffer, "PNG")
    else:
        picture.save(
            buffer, form.upper(), quality=100 if quality is None else quality, lossless=quality is None
        )
    return base64.b64encode(buffer.getvalue()).decode()


async def given(house: House, url: str) -> Given:
    """What an `image_url` stands for: its name if it is one of ours, else its bytes."""
    found = _LINK.fullmatch(url) or _ARTIFACT.fullmatch(url)
    if found:
        return found[2] if found.re is _LINK and found[2] else f"sha256:{found[1]}"
    return url if names_picture(url) else await picture_from(house, url)


def pixels_of(house: House, executor: Executor, pictures: list[Given]) -> list[PixelArray]:
    """The pixels of pictures; NotFoundError for a name that the session does not know."""
    if len(pictures) > MOST:
        raise InputError(f"{len(pictures)} pictures were sent, this server takes {MOST}", hint="send fewer")
    read: list[PixelArray] = []
    for picture in pictures:
        read.append(_read(house, executor, picture))
        if sum(pixels.shape[0] * pixels.shape[1] for pixels in read) > house.settings.max_pixels:
            raise TooLargeError(
                f"the pictures have more than {house.settings.max_pixels:,} pixels together",
                hint="send fewer",
            )
    return read


def _read(house: House, executor: Executor, picture: Given) -> PixelArray:
    if isinstance(picture, bytes):
        return read_upload(house.settings, picture)
    return executor.pictures.load(executor.pictures.named(picture))


def region_of(mask: PixelArray) -> PixelArray:
    """OpenAI's mask (transparent where to change) as ours: (height, width), white where to change."""
    if mask.shape[2] != 4:
        raise InputError("the mask has no transparent pixel", hint="make it transparent where to change")
    return np.asarray(255 - mask[..., 3])


def check_sizes(house: House, size: tuple[int, int] | None, count: int) -> None:
    """Refuse pictures that together would be larger than the server takes."""
    if size is not None and size[0] * size[1] * count > house.settings.max_pixels:
        raise TooLargeError(
            f"{count} x {size[0]}x{size[1]} is more than {house.settings.max_pixels:,} pixels",
            hint="ask for smaller or fewer pictures",
        )


def check_model(house: House, name: str | None) -> None:
    """Refuse a model that this server has not; NotFoundError names the one that it has."""
    if name is not None and name != house.runtime.info.model:
        raise NotFoundError(
            f"there is no model {name[:80]!r}", hint=f"this server has {house.runtime.info.model}"
        )
