"""The tools that use the model: understand, generate, edit.

Arguments are checked before anything is computed. Pictures with transparency
are shown to the model on white.
"""

import json
import math
from typing import Annotated, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from sightline_runtime.errors import InputError
from sightline_runtime.protocol import (
    DecodeRequest,
    FeatureRequest,
    FeatureResult,
    ImageSlot,
    Message,
    Pixels,
)
from sightline_tools.image import Image
from sightline_tools.locality import CHANGED, Locality, difference, locality
from sightline_tools.ranges import Range
from sightline_tools.region import MAX_FEATHER, Region, Weights, laid_in, weights
from sightline_tools.structured import Asking, Filled, fill
from sightline_tools.tool import Pictures, ToolArgs, ToolContext, ToolResult, ToolUsage, tool

Array = npt.NDArray[np.uint8]


def _words(name: str, text: str) -> None:
    if not text.strip():
        raise InputError(f"the {name} is empty", hint=f"say what the {name} is")


def _schema(output: str) -> dict[str, object]:
    try:
        schema: object = json.loads(output)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the output is no JSON: {error}", hint="give a JSON schema") from error
    if not isinstance(schema, dict):
        raise InputError(f"the output is {output[:60]!r}", hint="give a JSON schema, an object")
    return schema


class UnderstandArgs(ToolArgs):
    """A picture and a question about it."""

    image: Image = Field(description="the picture to look at")
    question: str = Field(description="what to find out, for example: what color is the square ?")
    choices: tuple[str, ...] = Field(
        default=(), description="possible answers; gives the probability of each"
    )
    max_tokens: Annotated[int, Range(1)] = Field(default=64, description="longest answer, in tokens")
    output: SkipJsonSchema[str] = Field(default="", exclude_if=lambda value: not value)
    """The JSON schema that the answer fills, as JSON; empty for an answer in words."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _words("question", self.question)
        if self.output:
            _schema(self.output)
            if self.choices:
                raise InputError("choices and an output are given", hint="give one of them")
        if self.max_tokens < 1:
            raise InputError(f"max_tokens is {self.max_tokens}", hint="ask for at least one token")
        if len(set(self.choices)) != len(self.choices) or not all(c.strip() for c in self.choices):
            raise InputError(f"choices are {list(self.choices)}", hint="give different choices, none empty")
        return self


class Answer(ToolResult):
    """An answer, its probability, and those of the choices if any were given.

    Where a schema was filled, `data` is the value as JSON and `confidences` those of its parts.
    """

    text: str
    confidence: float
    probabilities: dict[str, float] = Field(default_factory=dict)
    data: SkipJsonSchema[str] = Field(default="", exclude_if=lambda value: not value)
    confidences: SkipJsonSchema[dict[str, float]] = Field(
        default_factory=dict, exclude_if=lambda value: not value
    )


_LARGEST_SEED = 2**53 - 1
"""Seeds among the arguments are JSON numbers, which are exact up to here."""
_Edge = Annotated[int, Range(1, 4096)]
_DRAFT = 5
"""A draft takes one in so many of the decoder's steps: what is there can be told, its edges cannot."""


class _Sampling(ToolArgs):
    seeds_ignore: ClassVar[tuple[str, ...]] = ("n", "size", "decode_seed", "draft")

    n: Annotated[int, Range(1, 64)] = Field(default=1, description="how many pictures")
    steps: Annotated[int, Range(1, 1000)] | None = Field(
        default=None, description="denoising steps; more is slower and finer"
    )
    guidance: Annotated[float, Range(0)] | None = Field(
        default=None, description="classifier-free guidance scale; 1 is off"
    )
    size: tuple[_Edge, _Edge] | None = Field(default=None, description="(width, height) in pixels")
    decode_seed: Annotated[int, Range(0, _LARGEST_SEED)] | None = Field(
        default=None,
        strict=True,
        exclude_if=lambda value: value is None,
        description="seed of the pixels alone: other details of the same picture, the same for each of n",
    )
    draft: bool = Field(
        default=False,
        exclude_if=lambda value: not value,
        description="decode in few steps: quick and rough; the same call without it gives the full quality",
    )
    preview_every: int = Field(
        default=0, exclude=True, description="preview after so many steps; never changes a result"
    )

    @model_validator(mode="after")
    def _check_sampling(self) -> Self:
        if not 1 <= self.n <= 64:
            raise InputError(f"n is {self.n}", hint="ask for 1 to 64 pictures")
        if self.steps is not None and not 1 <= self.steps <= 1000:
            raise InputError(f"steps is {self.steps}", hint="use 1 to 1000 steps")
        if self.guidance is not None and not (math.isfinite(self.guidance) and self.guidance >= 0):
            raise InputError(f"guidance is {self.guidance}", hint="use a number of 0 or more; 1 is off")
        if self.size is not None and not all(1 <= edge <= 4096 for edge in self.size):
            raise InputError(f"size is {self.size}", hint="use 1 to 4096 pixels a side")
        if self.decode_seed is not None and not 0 <= self.decode_seed <= _LARGEST_SEED:
            raise InputError(f"decode_seed is {self.decode_seed}", hint="use 0 to 2**53 - 1")
        if self.preview_every < 0:
            raise InputError(f"preview_every is {self.preview_every}", hint="use 0 for no previews, or more")
        return self


class GenerateArgs(_Sampling):
    """What to draw."""

    prompt: str = Field(description="what the picture shows, for example: a red circle left of a blue square")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _words("prompt", self.prompt)
        return self


class EditArgs(_Sampling):
    """A picture and what to change in it, and where if only a part of it may change."""

    seeds_ignore: ClassVar[tuple[str, ...]] = (*_Sampling.seeds_ignore, "region", "feather")

    image: Image = Field(description="the picture to change")
    instruction: str = Field(description="what to change, for example: make the circle green")
    region: Region | None = Field(
        default=None, description="where it may change; every pixel outside stays exactly as it is"
    )
    feather: Annotated[int, Range(0, MAX_FEATHER)] | None = Field(
        default=None,
        description="pixels over which the change fades in, from the region's edge inwards; 0 is a hard edge",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        _words("instruction", self.instruction)
        if self.feather is not None and not 0 <= self.feather <= MAX_FEATHER:
            raise InputError(f"feather is {self.feather}", hint=f"use 0 to {MAX_FEATHER} pixels")
        if self.region is None and self.feather is not None:
            raise InputError("there is a feather but no region", hint="give the region that it softens")
        if self.region is not None and self.size is not None:
            raise InputError(
                "an edit of a region keeps the picture's size", hint="leave out the size, resize afterwards"
            )
        return self


class EditedPictures(Pictures):
    """Edited pictures, the source, whether anything differs from it, and where, for each picture.

    Where the model finds nothing to change, the picture is the source itself.
    """

    before: Image
    changed: bool
    localities: tuple[Locality, ...]


def on_white(pixels: Array) -> Pixels:
    """RGB pixels, transparency laid on white."""
    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.float32) / 255
    mixed = pixels[..., :3] * alpha + 255 * (1 - alpha)
    return mixed.round().astype(np.uint8)


@tool(version="1", runtime=True)
def understand(args: UnderstandArgs, ctx: ToolContext) -> Answer:
    """Answer a question about a picture, with the probability of the answer."""
    asking = Asking(ctx, args.question, on_white(ctx.load(args.image)), args.max_tokens)
    if args.output:
        return _filled(fill(asking, _schema(args.output)))
    said = asking.ask(args.question, choices=args.choices)
    return Answer(
        text=said.text.strip(),
        confidence=said.confidence,
        probabilities=dict(said.probabilities),
        warnings=said.warnings,
        usage=ToolUsage.of(said.usage),
    )


def _filled(said: Filled) -> Answer:
    return Answer(
        text=said.text,
        confidence=said.confidence,
        probabilities=dict(said.probabilities),
        data=said.data,
        confidences=dict(said.confidences),
        warnings=said.warnings,
        usage=ToolUsage.of(said.usage),
    )


@tool(version="1", runtime=True, seeded=True)
def generate(args: GenerateArgs, ctx: ToolContext) -> Pictures:
    """Draw pictures of a prompt."""
    drawn = _features(ctx, args, (args.prompt,), ())
    painted, usage = _painted(ctx, args, drawn, None)
    images = tuple(ctx.save(pixels) for pixels in painted)
    return Pictures(images=images, plans=drawn.plans, warnings=drawn.warnings, usage=usage)


@tool(version="3", runtime=True, seeded=True)
def edit(args: EditArgs, ctx: ToolContext) -> EditedPictures:
    """Change a picture as an instruction says and leave the rest as it is."""
    pixels = ctx.load(args.image)
    source, share = on_white(pixels), _weights(args, ctx)
    drawn = _features(ctx, args, (ImageSlot(0), args.instruction), (source,))
    painted, usage = _painted(ctx, args, drawn, pixels if args.size is None else None)
    inside = None if share is None else share > 0
    kept = [new if share is None or new is pixels else laid_in(pixels, new, share) for new in painted]
    return EditedPictures(
        images=tuple(args.image if new is pixels else ctx.save(new) for new in kept),
        before=args.image,
        changed=any(_differs(source, on_white(new)) for new in kept),
        localities=tuple(locality(source, on_white(new), inside) for new in painted),
        plans=drawn.plans,
        warnings=drawn.warnings,
        usage=usage,
    )


def _weights(args: EditArgs, ctx: ToolContext) -> Weights | None:
    """How much of the new picture each pixel takes, None without a region."""
    if args.region is None:
        return None
    mask = None if args.region.mask is None else ctx.load(args.region.mask)
    return weights(args.region, mask, (args.image.width, args.image.height), args.feather)


def _features(
    ctx: ToolContext, args: _Sampling, content: tuple[str | ImageSlot, ...], sources: tuple[Pixels, ...]
) -> FeatureResult:
    """The first stage of every picture."""
    request = FeatureRequest(
        (Message("user", content),),
        ctx.seeds,
        sources,
        steps=args.steps,
        guidance=args.guidance,
        preview_every=args.preview_every,
    )
    return ctx.follow(ctx.runtime.generate_features(request))


def _painted(
    ctx: ToolContext, args: _Sampling, drawn: FeatureResult, source: Array | None
) -> tuple[list[Array], ToolUsage]:
    """The second stage; `source` stands for pictures that it leaves unchanged."""
    same = drawn.unchanged if source is not None else ()
    todo = [i for i in range(len(drawn.features)) if not (same and same[i])]
    pictures, usage = [source] * len(drawn.features), drawn.usage
    if todo:
        features = tuple(drawn.features[i] for i in todo)
        seeds = tuple(ctx.seeds[i] if args.decode_seed is None else args.decode_seed for i in todo)
        steps = _draft_steps(ctx) if args.draft else None
        painted = ctx.follow(ctx.runtime.decode_features(DecodeRequest(features, seeds, args.size, steps)))
        usage += painted.usage
        for index, pixels in zip(todo, painted.images, strict=True):
            pictures[index] = pixels
    return [pixels for pixels in pictures if pixels is not None], ToolUsage.of(usage)


def _draft_steps(ctx: ToolContext) -> int:
    return max(1, ctx.runtime.info.default_decode_steps // _DRAFT)


def _differs(before: Pixels, after: Pixels) -> bool:
    return before.shape != after.shape or bool((difference(before, after) > CHANGED).any())


TOOLS = (understand, generate, edit)
