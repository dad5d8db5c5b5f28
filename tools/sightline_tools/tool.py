"""What a tool is: a typed function over image references, with a name, a version and a schema.

    @tool(version="1")
    def crop(args: CropArgs, ctx: ToolContext) -> Picture: ...

Types are checked once, at decoration. A tool is pure (its result follows from
its arguments alone) unless it says that it uses the runtime, or that it is
stateful: that the same call may give something else another time.
"""

import inspect
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from sightline_runtime.protocol import Job, R, Runtime, Usage
from sightline_tools.image import Image


class ToolContext(Protocol):
    """What a running tool is given."""

    @property
    def runtime(self) -> Runtime:
        """The model."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """One seed for each picture that is wanted."""

    def load(self, image: Image) -> npt.NDArray[np.uint8]:
        """The pixels of a picture: (height, width, 3 or 4)."""

    def save(self, pixels: npt.NDArray[np.uint8]) -> Image:
        """Keep a picture and give its value."""

    def follow(self, job: Job[R]) -> R:
        """Pass a job's events on and give its result."""


class ToolArgs(BaseModel):
    """The base of argument models: frozen, and no unknown names.

    `seeds_ignore` names arguments on which the seeds of a seeded tool do not depend. A
    field added to a tool that has been released says `exclude_if` it holds its default,
    so that calls without it keep their recipe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds_ignore: ClassVar[tuple[str, ...]] = ()


class ToolUsage(BaseModel):
    """What a call cost."""

    model_config = ConfigDict(frozen=True)

    prompt_tokens: int = 0
    completion_tokens: int = 0
    image_tokens: int = 0
    diffusion_steps: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, usage: Usage) -> "ToolUsage":
        """The runtime's usage."""
        return cls(**{name: getattr(usage, name) for name in cls.model_fields})


class ToolResult(BaseModel):
    """The base of result models."""

    model_config = ConfigDict(frozen=True)

    warnings: tuple[str, ...] = ()
    usage: ToolUsage = ToolUsage()


class Picture(ToolResult):
    """One picture."""

    image: Image


class Pictures(ToolResult):
    """Pictures, and what the model wrote before drawing each."""

    images: tuple[Image, ...]
    plans: tuple[str, ...] = ()


A = TypeVar("A", bound=BaseModel)
Res = TypeVar("Res", bound=ToolResult)


@dataclass(frozen=True)
class Tool:
    """A tool: what it is called, what it takes and gives, and the function that does it."""

    name: str
    version: str
    description: str
    args_model: type[BaseModel]
    result_model: type[ToolResult]
    function: Callable[[BaseModel, ToolContext], ToolResult]
    uses_runtime: bool = False
    seeded: bool = False
    stateful: bool = False

    @property
    def pure(self) -> bool:
        """Whether the result follows from the arguments alone, whatever the model."""
        return not self.uses_runtime and not self.stateful

    def run(self, args: BaseModel, ctx: ToolContext) -> ToolResult:
        """Run the tool on checked arguments."""
        return self.function(args, ctx)

    def schema(self) -> dict[str, object]:
        """The JSON schema of the arguments."""
        return self.args_model.model_json_schema()


def tool(
    *, version: str, runtime: bool = False, seeded: bool = False, stateful: bool = False
) -> Callable[[Callable[[A, ToolContext], Res]], Tool]:
    """Make a tool of a function `(args: Model, ctx: ToolContext) -> ResultModel`.

    `runtime` says that the result depends on the model, `seeded` that it wants
    one seed a picture, `stateful` that it must run every time: its steps are recorded
    but never served again. Raises TypeError if the signature is not of that form.
    """

    def decorate(function: Callable[[A, ToolContext], Res]) -> Tool:
        name = function.__name__
        hints = typing.get_type_hints(function)
        parameters = list(inspect.signature(function).parameters)
        given = hints.get(parameters[0]) if len(parameters) == 2 else None
        gives = hints.get("return")
        if not (isinstance(given, type) and issubclass(given, BaseModel)):
            raise TypeError(f"{name} must take (args: a pydantic model, ctx: ToolContext)")
        if not (isinstance(gives, type) and issubclass(gives, ToolResult)):
            raise TypeError(f"{name} must return a ToolResult")
        if not function.__doc__:
            raise TypeError(f"{name} needs a docstring: it is what a chatbot reads")
        call = typing.cast(Callable[[BaseModel, ToolContext], ToolResult], function)
        described = inspect.cleandoc(function.__doc__)
        return Tool(name, version, described, given, gives, call, runtime, seeded, stateful)

    return decorate


def images_in(value: object) -> list[Image]:
    """Every picture in a value, in the order of its fields."""
    if isinstance(value, Image):
        return [value]
    inner: Iterable[object] = ()
    if isinstance(value, BaseModel):
        inner = [getattr(value, name) for name in type(value).model_fields]
    elif isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list | tuple):
        inner = value
    return [image for item in inner for image in images_in(item)]


__all__ = [
    "Field",
    "Picture",
    "Pictures",
    "Tool",
    "ToolArgs",
    "ToolContext",
    "ToolResult",
    "ToolUsage",
    "images_in",
    "tool",
]
