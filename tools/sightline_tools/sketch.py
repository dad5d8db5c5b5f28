"""Sketching tools: pictures as thoughts. Look closer, or at one part alone. No model, bit-exact."""

from typing import Literal

import numpy as np
from PIL import Image as PILImage
from pydantic import Field

from sightline_tools.canvas import Array, Box, pixel_box
from sightline_tools.image import Image
from sightline_tools.tool import Picture, ToolArgs, ToolContext, tool


class PartArgs(ToolArgs):
    """A picture and a part of it."""

    image: Image = Field(description="the picture to look at")
    box: Box = Field(description="(left, top, right, bottom), parts from 0 to 1, or pixels")


class ZoomArgs(PartArgs):
    """What to enlarge."""

    resample: Literal["nearest", "lanczos"] = Field(
        default="lanczos", description="how pixels are computed; nearest keeps edges hard"
    )


@tool(version="1")
def zoom(args: ZoomArgs, ctx: ToolContext) -> Picture:
    """Enlarge a part of a picture to the picture's size; what it does not fill has the border's colour."""
    pixels = ctx.load(args.image)
    left, top, right, bottom = pixel_box(args.box, args.image.width, args.image.height)
    part = PILImage.fromarray(pixels[top:bottom, left:right])
    scale = min(args.image.width / part.width, args.image.height / part.height)
    size = (max(1, round(part.width * scale)), max(1, round(part.height * scale)))
    filters = {"nearest": PILImage.Resampling.NEAREST, "lanczos": PILImage.Resampling.LANCZOS}
    near = np.asarray(part.resize(size, filters[args.resample]))
    return Picture(image=ctx.save(_laid(_ground(pixels), near)))


@tool(version="1")
def isolate(args: PartArgs, ctx: ToolContext) -> Picture:
    """Keep a part of a picture where it is and paint everything else in the colour of its border."""
    pixels = ctx.load(args.image)
    left, top, right, bottom = pixel_box(args.box, args.image.width, args.image.height)
    kept = _ground(pixels)
    kept[top:bottom, left:right] = pixels[top:bottom, left:right]
    return Picture(image=ctx.save(kept))


def border_color(pixels: Array) -> Array:
    """The median colour (channels,) of a picture's border."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    color: Array = np.median(border, axis=0).astype(np.uint8)
    return color


def _ground(pixels: Array) -> Array:
    """A picture of that size in the colour of its border."""
    return np.broadcast_to(border_color(pixels), pixels.shape).copy()


def _laid(ground: Array, top: Array) -> Array:
    """The smaller picture in the middle of the other."""
    y, x = (ground.shape[0] - top.shape[0]) // 2, (ground.shape[1] - top.shape[1]) // 2
    ground[y : y + top.shape[0], x : x + top.shape[1]] = top
    return ground


TOOLS = (zoom, isolate)
