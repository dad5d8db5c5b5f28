"""A tool of another package: sessions find it by its entry point, chatbots by its schema."""

import numpy as np
from pydantic import Field

from sightline_tools.image import Image
from sightline_tools.tool import Picture, ToolArgs, ToolContext, tool


class MosaicArgs(ToolArgs):
    """The picture, and how coarse."""

    image: Image = Field(description="the picture to make coarse")
    tile: int = Field(default=8, ge=2, le=256, description="pixels a side of a tile")


@tool(version="1")
def mosaic(args: MosaicArgs, ctx: ToolContext) -> Picture:
    """Make a picture coarse: each tile takes the colour of its upper left pixel."""
    pixels, tile = ctx.load(args.image), args.tile
    height, width = pixels.shape[:2]
    coarse = pixels[::tile, ::tile].repeat(tile, 0).repeat(tile, 1)[:height, :width]
    return Picture(image=ctx.save(np.ascontiguousarray(coarse)))
