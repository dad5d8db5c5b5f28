"""Pictures on OpenAI's wire: as base64 or as a link out, by data URI, URL or name in."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as PILImage

from sightline.errors import InputError, NotFoundError, TooLargeError
from sightline.server.fetching import picture_from
from sightline.server.house import House
from sightline.server.openai_forms import OutputFormat
from sightline.server.pictures import read_upload
from sightline.server.placing import executor_of
from sightline.session import Session
from sightline.tree.naming import names_picture
from sightline_tools.image import Image, PixelArray
from sightline_tools.vision import on_white

MOST = 16
"""Pictures of one request; the pixels of all together are limited as those of one upload."""

_LINK = re.compile(r"sightline://([^/?#]{1,64})/images/(?:([0-9a-f]{64})|(img[1-9][0-9]{0,8}))")
_ARTIFACT = re.compile(r"(?:https?://[^/?#]{1,255})?/v1/artifacts/([0-9a-f]{64})(?:\?.*)?")


@dataclass(frozen=True)
class Named:
    """A picture by its name, in the session of the request or in another one of the caller."""

    name: str
    session: str | None = None


Given = bytes | Named
"""A picture that came in: a file, or a name."""


@dataclass(frozen=True)
class Shown:
    """The pixels (height, width, 3 or 4) of a picture, and its value if it is kept already."""

    pixels: PixelArray
    ref: Image | None = None


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
    if found := _LINK.fullmatch(url):
        return Named(found[3] or f"sha256:{found[2]}", found[1])
    if found := _ARTIFACT.fullmatch(url):
        return Named(f"sha256:{found[1]}")
    return Named(url) if names_picture(url) else await picture_from(house, url)


def looked_up(house: House, tenant: str, session: Session, pictures: Sequence[Given]) -> list[Shown]:
    """Read pictures; NotFoundError for a name that the caller's sessions do not know, or bad ones' errors."""
    found: list[Shown] = []
    for picture in pictures:
        if isinstance(picture, bytes):
            found.append(Shown(read_upload(house.settings, picture)))
        elif picture.session in (None, session.name):
            found.append(_named(session, picture.name))
        else:
            with house.tenants.session(tenant, picture.session or "", create=False) as other:
                found.append(_named(other, picture.name))
        if sum(each.pixels.shape[0] * each.pixels.shape[1] for each in found) > house.settings.max_pixels:
            raise TooLargeError(
                f"the pictures have more than {house.settings.max_pixels:,} pixels together",
                hint="send fewer",
            )
    return found


def _named(session: Session, name: str) -> Shown:
    pictures = executor_of(session).pictures
    ref = pictures.named(name)
    return Shown(pictures.load(ref), ref)


def region_of(mask: PixelArray) -> PixelArray:
    """OpenAI's mask (transparent where to change) as ours: (height, width), white where to change."""
    if mask.shape[2] != 4:
        raise InputError("the mask has no transparent pixel", hint="make it transparent where to change")
    return np.asarray(255 - mask[..., 3])


def check_sizes(house: House, size: tuple[int, int], count: int) -> None:
    """Refuse pictures that together would be larger than the server takes."""
    if size[0] * size[1] * count > house.settings.max_pixels:
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
