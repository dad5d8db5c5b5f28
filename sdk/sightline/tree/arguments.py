"""From what a caller gives to a tool's checked arguments; whatever is wrong is an error of the tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from pydantic import BaseModel, ValidationError

from sightline.errors import EngineError, InputError, SightlineError
from sightline.results import Result
from sightline_tools.image import Image
from sightline_tools.region import Region
from sightline_tools.tool import Tool

Bind = Callable[[object], Image]


def checked(tool: Tool, args: Mapping[str, object], bind: Bind) -> BaseModel:
    """A tool's arguments; `bind` gives the value of whatever stands for a picture."""
    bound = {name: _number(value) for name, value in args.items()}
    for name, many in image_fields(tool.args_model).items():
        value = bound.get(name)
        if value is not None:
            bound[name] = [bind(item) for item in _items(name, value)] if many else bind(value)
    for name in region_fields(tool.args_model) & bound.keys():
        bound[name] = _region(bound[name], bind)
    with faults_of(tool):
        try:
            return tool.args_model.model_validate(bound)
        except ValidationError as error:
            raise _input_error(tool.name, error) from error


def image_fields(model: type[BaseModel]) -> dict[str, bool]:
    """The fields of an argument model that hold pictures: name → whether it holds many."""
    fields = {}
    for name, info in model.model_fields.items():
        text = str(info.annotation)
        if "sightline_tools.image.Image" in text:
            fields[name] = "tuple[" in text or "list[" in text
    return fields


def region_fields(model: type[BaseModel]) -> set[str]:
    """The fields of an argument model that hold a region."""
    return {name for name, info in model.model_fields.items() if "region.Region" in str(info.annotation)}


def check_recorded(tool: Tool, args: Mapping[str, object]) -> None:
    """Refuse recorded arguments with anything but digests for pictures: a text would name a file.

    Sightline records none such; a lineage or an archive of a stranger may hold them.
    """
    for name in sorted((image_fields(tool.args_model).keys() | region_fields(tool.args_model)) & args.keys()):
        if any(isinstance(leaf, str) for leaf in _leaves(args[name])):
            raise InputError(
                f"{name} of a recorded {tool.name} is no picture",
                hint="the record is not ours: trust none of it",
            )


def _leaves(value: object) -> Iterator[object]:
    """All in recorded data but digests and numbers."""
    if isinstance(value, Mapping | list | tuple):
        if isinstance(value, Mapping) and set(value) in ({"$image"}, {"$float"}):
            return
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(item)
    else:
        yield value


def _region(value: object, bind: Bind) -> object:
    """A region as it is; whatever is neither that, nor a box, nor corners, is a picture: its mask."""
    if value is None or isinstance(value, Region | list | tuple):
        return value
    if not isinstance(value, Mapping):
        return bind(value)
    mask = value.get("mask")
    return value if mask is None else {**value, "mask": bind(mask)}


@contextmanager
def faults_of(tool: Tool) -> Iterator[None]:
    """Give what a tool's own code raises as an error of the tree."""
    try:
        yield
    except SightlineError:
        raise
    except Exception as error:
        raise EngineError(
            f"the tool {tool.name} failed: {type(error).__name__}: {error}",
            hint="mend the tool, not the call",
        ) from error


def _number(value: object) -> object:
    """Python's numbers for numpy's, also inside lists."""
    if isinstance(value, list | tuple):
        return [_number(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _items(name: str, value: object) -> list[object]:
    if isinstance(value, Result):
        return list(value.images)
    if isinstance(value, list | tuple):
        return list(value)
    raise InputError(f"{name} is {type(value).__name__}", hint="give a list of pictures")


def _input_error(tool: str, error: ValidationError) -> InputError:
    first = error.errors()[0]
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, InputError):
        return inner
    where = ".".join(str(part) for part in first["loc"]) or "arguments"
    return InputError(f"{tool}: {where}: {first['msg']}", hint=f"{where} was {str(first['input'])[:60]!r}")
