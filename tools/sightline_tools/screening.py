"""Screening: draw several candidates as features, look at each, and paint only the best.

Understanding and generation share one space of features, so a drawing can be looked at
before the decoder has made a single pixel of it. What is saved are the decoders' steps
of all candidates but one.
"""

import math
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from sightline_runtime.errors import InputError
from sightline_runtime.protocol import (
    DecodeRequest,
    FeatureRequest,
    Features,
    ImageSlot,
    Message,
    TextRequest,
    Usage,
)
from sightline_tools.ranges import Range
from sightline_tools.tool import Pictures, ToolArgs, ToolContext, ToolUsage, tool

MOST_CHECKS = 16
READS = "read_features"
"""The capability that screening needs."""

_Choice = Annotated[str, Field(max_length=80)]


class ScreenCheck(ToolArgs):
    """A question about a candidate: `expected` are the choices that speak for it."""

    question: str = Field(min_length=1, max_length=400, description="for example: is there a red star?")
    choices: tuple[_Choice, ...] = Field(
        default=("yes", "no"), max_length=12, description="the possible answers"
    )
    expected: tuple[_Choice, ...] = Field(default=("yes",), max_length=12, description="those that are right")


class DrawBestArgs(ToolArgs):
    """What to draw, how many candidates, and what each is asked."""

    seeds_ignore: ClassVar[tuple[str, ...]] = ("n", "size")

    prompt: str = Field(description="what the picture shows")
    checks: tuple[ScreenCheck, ...] = Field(
        max_length=MOST_CHECKS, description="what a candidate is asked; at least one question"
    )
    n: Annotated[int, Range(1, 64)] = Field(default=4, description="how many candidates")
    size: tuple[Annotated[int, Range(1, 4096)], Annotated[int, Range(1, 4096)]] | None = Field(
        default=None, description="(width, height) in pixels"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.prompt.strip():
            raise InputError("the prompt is empty", hint="say what the prompt is")
        if not self.checks:
            raise InputError("there is no check", hint="ask at least one question of the candidates")
        if not 1 <= self.n <= 64:
            raise InputError(f"n is {self.n}", hint="draw 1 to 64 candidates")
        if self.size is not None and not all(1 <= edge <= 4096 for edge in self.size):
            raise InputError(f"size is {self.size}", hint="use 1 to 4096 pixels a side")
        for check in self.checks:
            if not set(check.expected) <= set(check.choices):
                raise InputError(
                    f"{check.question} expects what is no choice", hint="expect one of its choices"
                )
        return self


class Screened(Pictures):
    """The best candidate painted; `scores` are those of all, in order, `best` its place among them."""

    scores: tuple[float, ...]
    best: int


@tool(version="1", runtime=True, seeded=True)
def draw_best(args: DrawBestArgs, ctx: ToolContext) -> Screened:
    """Draw several candidates without painting them, ask each the checks, and paint the best."""
    if READS not in ctx.runtime.info.capabilities:
        raise InputError(
            f"{ctx.runtime.info.model} looks at pictures, not at features",
            hint="draw several pictures and verify each: BestOf with screen='draft'",
        )
    drawn = ctx.follow(
        ctx.runtime.generate_features(FeatureRequest((Message("user", (args.prompt,)),), ctx.seeds))
    )
    usage, scores = drawn.usage, []
    for features in drawn.features:
        score, spent = _looked(ctx, args.checks, features)
        scores.append(score)
        usage += spent
    best = max(range(len(scores)), key=lambda at: scores[at])
    request = DecodeRequest((drawn.features[best],), (ctx.seeds[best],), args.size)
    painted = ctx.follow(ctx.runtime.decode_features(request))
    return Screened(
        images=(ctx.save(painted.images[0]),),
        plans=drawn.plans[best : best + 1],
        scores=tuple(scores),
        best=best,
        warnings=drawn.warnings,
        usage=ToolUsage.of(usage + painted.usage),
    )


def _looked(ctx: ToolContext, checks: tuple[ScreenCheck, ...], features: Features) -> tuple[float, Usage]:
    """The product of P(expected) over the checks; all are asked before the first is waited for."""
    jobs = [
        ctx.runtime.generate_text(
            TextRequest(
                (Message("user", (ImageSlot(0), check.question)),),
                features=(features,),
                choices=check.choices,
            )
        )
        for check in checks
    ]
    said = [ctx.follow(job) for job in jobs]
    shares = [
        sum(answer.probabilities.get(choice, 0.0) for choice in check.expected)
        for check, answer in zip(checks, said, strict=True)
    ]
    spent = Usage()
    for answer in said:
        spent += answer.usage
    return min(1.0, math.prod(shares)), spent


TOOLS = (draw_best,)
