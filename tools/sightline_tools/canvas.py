"""The pure tools: crop, resize, annotate, grid, composite, compare. No model, bit-exact."""

import math
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageColor, ImageDraw, ImageFont
from pydantic import Field, model_validator

from sightline_runtime.errors import InputError
from sightline_tools.image import MAX_PIXELS, Image
from sightline_tools.ranges import Range
from sightline_tools.tool import Picture, ToolArgs, ToolContext, tool

Edge = Annotated[float, Range(0)]
Box = tuple[Edge, Edge, Edge, Edge]
"""(left, top, right, bottom): parts of the picture if all are ≤ 1, else pixels."""

Array = npt.NDArray[np.uint8]


def pixel_box(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """A box in whole pixels; InputError if it is empty or reaches outside the picture."""
    if not all(math.isfinite(edge) for edge in box):
        raise InputError(f"the box is {box}", hint="use finite numbers")
    parts = all(0 <= edge <= 1 for edge in box)
    scale = (width, height, width, height) if parts else (1, 1, 1, 1)
    left, top, right, bottom = (round(edge * unit) for edge, unit in zip(box, scale, strict=True))
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise InputError(
            f"the box {box} does not lie in the picture, which is {width}x{height}",
            hint="give left < right and top < bottom, as parts from 0 to 1 or as pixels",
        )
    return left, top, right, bottom


def _with_alpha(pixels: Array) -> Array:
    if pixels.shape[2] == 4:
        return pixels
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


class CropArgs(ToolArgs):
    """Where to cut."""

    image: Image = Field(description="the picture to cut from")
    box: Box = Field(description="(left, top, right, bottom), parts from 0 to 1, or pixels")


@tool(version="1")
def crop(args: CropArgs, ctx: ToolContext) -> Picture:
    """Cut a rectangle out of a picture."""
    left, top, right, bottom = pixel_box(args.box, args.image.width, args.image.height)
    return Picture(image=ctx.save(ctx.load(args.image)[top:bottom, left:right].copy()))


class ResizeArgs(ToolArgs):
    """The new size: a width, a height, both, or a scale; a missing edge keeps the proportions."""

    image: Image = Field(description="the picture to resize")
    width: Annotated[int, Range(1, MAX_PIXELS)] | None = Field(
        default=None, description="new width in pixels"
    )
    height: Annotated[int, Range(1, MAX_PIXELS)] | None = Field(
        default=None, description="new height in pixels"
    )
    scale: Annotated[float, Range(0, MAX_PIXELS)] | None = Field(
        default=None, description="factor on both edges, above 0"
    )
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"] = Field(
        default="lanczos", description="how pixels are computed; nearest keeps edges hard"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        width, height = self.target()
        if width < 1 or height < 1 or width * height > MAX_PIXELS:
            raise InputError(
                f"the new size is {width}x{height}", hint=f"use 1 to {MAX_PIXELS:,} pixels in all"
            )
        return self

    def target(self) -> tuple[int, int]:
        """The new (width, height)."""
        edges = (self.width, self.height)
        if (self.scale is None) == (edges == (None, None)):
            raise InputError(
                "resize needs a width, a height, or a scale", hint="give a scale or edges, not both"
            )
        # an edge or a factor above this is too large for any picture, and for a float
        if not all(0 < asked <= MAX_PIXELS for asked in (*edges, self.scale) if asked is not None):
            asked = f"width {self.width}, height {self.height}, scale {self.scale}"
            raise InputError(
                f"the new size is {asked:.200}", hint=f"use numbers above 0 and at most {MAX_PIXELS:,}"
            )
        if self.scale is not None:
            return max(round(self.image.width * self.scale), 1), max(round(self.image.height * self.scale), 1)
        if self.width is not None and self.height is not None:
            return self.width, self.height
        if self.width is not None:
            return self.width, max(round(self.image.height * self.width / self.image.width), 1)
        height = self.height or 0
        return max(round(self.image.width * height / self.image.height), 1), height


@tool(version="1")
def resize(args: ResizeArgs, ctx: ToolContext) -> Picture:
    """Change a picture's size."""
    filters = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
    picture = PILImage.fromarray(ctx.load(args.image))
    method = PILImage.Resampling(filters[args.resample])
    return Picture(image=ctx.save(np.asarray(picture.resize(args.target(), method)).copy()))


class Mark(ToolArgs):
    """A box to draw, with an optional label."""

    box: Box = Field(description="(left, top, right, bottom), parts from 0 to 1, or pixels")
    label: str = Field(default="", description="text beside the box")
    color: str = Field(default="red", description="a CSS colour name or #rrggbb")


class AnnotateArgs(ToolArgs):
    """What to mark."""

    image: Image = Field(description="the picture to draw on")
    marks: tuple[Mark, ...] = Field(description="the boxes to draw")


@tool(version="1")
def annotate(args: AnnotateArgs, ctx: ToolContext) -> Picture:
    """Draw boxes and labels on a copy of a picture."""
    boxes = [pixel_box(mark.box, args.image.width, args.image.height) for mark in args.marks]
    colors = [_color(mark.color) for mark in args.marks]
    picture = PILImage.fromarray(ctx.load(args.image).copy())
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(10, args.image.height // 24))
    for mark, (left, top, right, bottom), color in zip(args.marks, boxes, colors, strict=True):
        pen.rectangle(
            (left, top, right - 1, bottom - 1), outline=color, width=max(1, args.image.width // 128)
        )
        if mark.label:
            pen.text((left + 2, top + 1), mark.label, fill=color, font=font)
    return Picture(image=ctx.save(np.asarray(picture).copy()))


def _color(name: str) -> tuple[int, ...]:
    try:
        return ImageColor.getrgb(name)
    except ValueError as error:
        raise InputError(f"{name!r} is not a colour", hint="use a CSS colour name or #rrggbb") from error


class GridArgs(ToolArgs):
    """Pictures to lay out."""

    images: tuple[Image, ...] = Field(
        description="the pictures, row by row", json_schema_extra={"minItems": 1}
    )
    columns: Annotated[int, Range(1)] | None = Field(
        default=None, description="pictures in a row; by default about as many as rows"
    )
    padding: Annotated[int, Range(0, 1000)] = Field(default=4, description="pixels between pictures")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.images:
            raise InputError("a grid needs pictures", hint="give at least one")
        if (self.columns is not None and self.columns < 1) or not 0 <= self.padding <= 1000:
            raise InputError(
                f"columns {self.columns}, padding {self.padding}", hint="columns ≥ 1, padding 0 to 1000"
            )
        return self


@tool(version="1")
def grid(args: GridArgs, ctx: ToolContext) -> Picture:
    """Lay pictures out in rows, each in a cell of the largest one's size, on white."""
    columns = args.columns or math.ceil(math.sqrt(len(args.images)))
    rows = math.ceil(len(args.images) / columns)
    cell_w = max(image.width for image in args.images) + args.padding
    cell_h = max(image.height for image in args.images) + args.padding
    if rows * columns * cell_w * cell_h > MAX_PIXELS:
        raise InputError("the grid would be too large", hint="resize the pictures first")
    shape = (rows * cell_h - args.padding, columns * cell_w - args.padding)
    alike = all(image.mode == "RGBA" for image in args.images)
    sheet = PILImage.new("RGBA" if alike else "RGB", shape[::-1], "white")
    for index, image in enumerate(args.images):
        tile = PILImage.fromarray(ctx.load(image))
        at = (index % columns * cell_w, index // columns * cell_h)
        sheet.paste(tile, at, None if alike or tile.mode == "RGB" else tile)
    return Picture(image=ctx.save(np.asarray(sheet).copy()))


class CompositeArgs(ToolArgs):
    """What to put where."""

    base: Image = Field(description="the picture below")
    top: Image = Field(description="the picture above")
    left: int = Field(default=0, description="pixels from the left edge of the base; may be negative")
    above: int = Field(default=0, description="pixels from the upper edge of the base; may be negative")
    alpha: Annotated[float, Range(0, 1)] = Field(
        default=1.0, description="opacity of the upper picture, 0 to 1"
    )
    mask: Image | None = Field(default=None, description="where the upper picture shows: white yes, black no")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha is {self.alpha}", hint="use 0 to 1")
        if self.mask is not None and (self.mask.width, self.mask.height) != (self.top.width, self.top.height):
            raise InputError("the mask and the upper picture differ in size", hint="resize the mask first")
        return self


@tool(version="1")
def composite(args: CompositeArgs, ctx: ToolContext) -> Picture:
    """Put one picture on another."""
    base, top = ctx.load(args.base), _with_alpha(ctx.load(args.top)).copy()
    strength = top[..., 3].astype(np.float64) * args.alpha
    if args.mask is not None:
        strength *= ctx.load(args.mask)[..., :3].mean(2) / 255
    top[..., 3] = strength.round().astype(np.uint8)
    layer = PILImage.new("RGBA", (args.base.width, args.base.height))
    left = min(max(args.left, -args.top.width), args.base.width)  # further out it is as invisible
    above = min(max(args.above, -args.top.height), args.base.height)
    layer.paste(PILImage.fromarray(top), (left, above))
    mixed = PILImage.alpha_composite(PILImage.fromarray(_with_alpha(base)), layer)
    return Picture(image=ctx.save(np.asarray(mixed.convert(args.base.mode)).copy()))


class CompareArgs(ToolArgs):
    """Two pictures of one size."""

    a: Image = Field(description="the first picture")
    b: Image = Field(description="the second picture")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.a.width, self.a.height) != (self.b.width, self.b.height):
            sizes = f"{self.a.width}x{self.a.height} and {self.b.width}x{self.b.height}"
            raise InputError(f"the pictures are {sizes}", hint="resize one of them first")
        return self


class Comparison(Picture):
    """How two pictures differ; `image` shows a, b and the difference side by side.

    `mean_abs_error` is in levels of 0 … 255; `psnr` in dB, None for identical
    pictures; `box` is (left, top, right, bottom) of what changed, in pixels.
    """

    identical: bool
    changed_fraction: float
    mean_abs_error: float
    psnr: float | None
    box: tuple[int, int, int, int] | None


@tool(version="1")
def compare(args: CompareArgs, ctx: ToolContext) -> Comparison:
    """Measure and show in what two pictures differ."""
    a, b = (_with_alpha(ctx.load(image)) for image in (args.a, args.b))
    apart = np.abs(a.astype(np.int16) - b)
    moved = apart.max(axis=2) > 0
    error = float((apart.astype(np.float64) ** 2).mean())
    ys, xs = np.nonzero(moved)
    box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1) if moved.any() else None
    shown = np.repeat((255 - apart.max(axis=2)).astype(np.uint8)[..., None], 3, axis=2)
    return Comparison(
        image=ctx.save(np.concatenate([a[..., :3], b[..., :3], shown], axis=1)),
        identical=not moved.any(),
        changed_fraction=float(moved.mean()),
        mean_abs_error=float(apart.mean()),
        psnr=10 * math.log10(255**2 / error) if error else None,
        box=box,
    )


TOOLS = (crop, resize, annotate, grid, composite, compare)
