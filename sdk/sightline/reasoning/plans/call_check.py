"""Check the arguments of a planned call: what its tool takes, with stand-ins for what is not there yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue, ValidationError

from sightline.errors import InputError, SightlineError
from sightline.reasoning.plans.kinds import Known, Type, value_of
from sightline.reasoning.plans.nodes import REFERENCE
from sightline.tree import arguments
from sightline.tree.plans import is_seeded
from sightline.tree.recipe import checked_seed
from sightline_tools.image import Image
from sightline_tools.schemas import alternatives, input_schema
from sightline_tools.tool import Tool

_STAND_IN = Image(pixels="0" * 64, blob="0" * 64, width=64, height=64)
_FITS: Mapping[str, tuple[Type, ...]] = {
    "string": ("text",),
    "integer": ("number",),
    "number": ("number",),
    "boolean": ("flag",),
}
"""What a reference may give where the schema wants a type."""


def argument_faults(tool: Tool, args: Mapping[str, JsonValue], names: dict[str, Known]) -> Iterator[str]:
    """What is wrong with the arguments of a call."""
    schema = input_schema(tool.args_model, seeded=is_seeded(tool))
    properties, required = schema.get("properties"), schema.get("required")
    fields = properties if isinstance(properties, Mapping) else {}
    missing = [name for name in (required if isinstance(required, list) else []) if name not in args]
    unknown = [name for name in args if name not in fields]
    yield from (f"{tool.name} takes no {name!r}, but {', '.join(fields)}" for name in unknown)
    yield from (f"{tool.name} needs {name!r}" for name in missing)
    pictures = arguments.image_fields(tool.args_model)
    wrong = []
    for name, value in args.items():
        if name in unknown:
            continue
        faults = list(
            _pictures(name, value, pictures[name], names)
            if name in pictures
            else _plain(name, value, fields[name], names)
        )
        yield from faults
        wrong += [name] if faults else []
    if not (wrong or unknown or missing):
        yield from _values(tool, args, pictures)


def _pictures(name: str, value: JsonValue, many: bool, names: dict[str, Known]) -> Iterator[str]:
    """Pictures are references: a text would name a file."""
    if value is None or (many and _gives(value, names) in ("pictures", "unclear")):
        return
    if many and not isinstance(value, list):
        yield f"{name} takes a list of pictures"
        return
    for item in value if many and isinstance(value, list) else [value]:
        if _gives(item, names) not in ("picture", "unclear"):
            yield f"{name} takes a picture such as $photo or $step.image, not {str(item)[:60]!r}"


def _plain(name: str, value: JsonValue, schema: object, names: dict[str, Known]) -> Iterator[str]:
    """What is no picture: a whole reference must give the type that is wanted."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            kind = _gives(item, names)
            if kind in ("picture", "pictures", "answer"):
                yield f"{name} takes no picture inside"
        return
    kind = _gives(value, names)
    types = [each.get("type") for each in alternatives(schema)] if isinstance(schema, Mapping) else []
    fitting = {fit for each in types for fit in _FITS.get(str(each), ())}
    if kind not in (None, "unclear") and kind not in fitting:
        wanted = " or ".join(str(each) for each in types if each not in (None, "null"))
        yield f"{name} takes {wanted or 'something else'}, but {value} is {kind}"


def _gives(value: JsonValue, names: dict[str, Known]) -> Type | None:
    """What a whole reference gives; None for what is none."""
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return value_of(value, names).bare
    return None


def _values(tool: Tool, args: Mapping[str, JsonValue], pictures: Mapping[str, bool]) -> Iterator[str]:
    """What the tool itself says of the values that are known already."""
    own = dict(args)
    try:
        seed = own.pop("seed", None) if is_seeded(tool) else None
        if isinstance(seed, int):
            checked_seed(seed)
    except InputError as error:
        yield error.message
    waiting = [name for name, value in own.items() if name not in pictures and _refers(value)]
    filled: dict[str, object] = {name: value for name, value in own.items() if name not in waiting}
    for name in pictures.keys() & own.keys():
        value = own[name]
        if value is not None:
            size = len(value) if isinstance(value, list) else 2
            filled[name] = [_STAND_IN] * size if pictures[name] else _STAND_IN
    try:
        tool.args_model.model_validate(filled)
    except ValidationError as error:
        sized = bool(pictures.keys() & own.keys()) and not tool.uses_runtime
        for fault in error.errors(include_url=False):
            if not (fault["loc"] and fault["loc"][0] in waiting) and (fault["loc"] or not (waiting or sized)):
                inner = fault.get("ctx", {}).get("error")
                what = inner.message if isinstance(inner, SightlineError) else fault["msg"]
                yield ": ".join(filter(None, (".".join(map(str, fault["loc"])), what)))


def _refers(value: JsonValue) -> bool:
    if isinstance(value, dict | list):
        return any(map(_refers, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and "$" in value
