"""Strict schemas: what a vendor enforces while its model writes a call.

Strict means: every object is closed, every property is required (what was optional may
be null, which stands for its default), and only known keywords are used. Whatever a
vendor does not enforce is told in the description, so that the model still reads it.
"""

import json
from collections.abc import Callable, Mapping

from sightline_tools.schemas import NAMED, Schema, alternatives, is_picture

_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
_SHAPE = ("type", "enum", "const", "anyOf", "items", "properties", "required", "additionalProperties")
_NOT_TOLD = (*_SHAPE, "default", "description")

_WORDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "of the form {}",
    "format": "as {}",
    "exactly": "exactly {} items",
}

Keeps = Callable[[str, object], bool]
"""Whether a vendor enforces a keyword with a value."""


class _OpenError(Exception):
    """The schema allows what cannot be listed."""


def openai_keeps(keyword: str, value: object) -> bool:
    """Whether OpenAI's structured outputs enforce a keyword.

    Source: its guide to structured outputs, supported schemas.
    """
    bounds = (
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    )
    return keyword in (*_SHAPE, *bounds, "pattern") or (keyword == "format" and value in _FORMATS)


def anthropic_keeps(keyword: str, value: object) -> bool:
    """Whether Anthropic's strict tool use enforces a keyword: shapes, formats, and lists that are not empty.

    Source: `transform_schema` of its Python SDK.
    """
    few = keyword == "minItems" and value in (0, 1)
    return keyword in _SHAPE or few or (keyword == "format" and value in _FORMATS)


def strict(schema: Mapping[str, object], keeps: Keeps = openai_keeps) -> Schema | None:
    """A schema of arguments in strict form; None for one that allows what cannot be listed, as any object."""
    try:
        return _closed(schema, keeps)
    except _OpenError:
        return None


def allowed(schema: Mapping[str, object]) -> str:
    """What a schema allows, in words: `integer, at least 1, at most 64, or null`."""
    return ", or ".join(dict.fromkeys(_allowed(each) for each in alternatives(schema)))


def _allowed(schema: Mapping[str, object]) -> str:
    if is_picture(schema):
        return str(NAMED["description"])
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(values, list):
        return "one of " + ", ".join(map(_written, values))
    items, properties = schema.get("items"), schema.get("properties")
    kind = str(schema.get("type", "anything"))
    if kind == "array" and isinstance(items, Mapping):
        kind = f"array of ({allowed(items)})"
    if isinstance(properties, Mapping) and properties:
        kind = f"object of {', '.join(properties)}"
    return ", ".join([kind, *_told(schema, lambda keyword, _: False)])


def _told(schema: Mapping[str, object], kept: Keeps) -> list[str]:
    """What the keywords that are not kept say."""
    untold = {key: value for key, value in schema.items() if key not in _NOT_TOLD and not kept(key, value)}
    if "minItems" in untold and untold["minItems"] == untold.get("maxItems"):
        untold = {"exactly": untold.pop("minItems")} | untold
        untold.pop("maxItems")
    known = [words.format(_text(untold.pop(key))) for key, words in _WORDS.items() if key in untold]
    return [*known, *(f"{key} {_text(value)}" for key, value in untold.items())]


def _text(value: object) -> str:
    return value if isinstance(value, str) else _written(value)


def _closed(schema: Mapping[str, object], keeps: Keeps) -> Schema:
    kept = {key: value for key, value in schema.items() if keeps(key, value)}
    told = [str(schema["description"])] if schema.get("description") else []
    told += _told(schema, keeps)
    if told:
        kept["description"] = "; ".join(told)
    if "anyOf" in kept:
        kept["anyOf"] = [_closed(each, keeps) for each in alternatives(kept)]
    elif kept.get("type") == "array":
        items = kept.get("items")
        if not isinstance(items, Mapping):
            raise _OpenError
        kept["items"] = _closed(items, keeps)
    elif kept.get("type") == "object":
        kept |= _closed_object(schema, keeps)
    elif not {"type", "enum", "const"} & kept.keys():
        raise _OpenError
    return kept


def _closed_object(schema: Mapping[str, object], keeps: Keeps) -> Schema:
    properties, required = schema.get("properties"), schema.get("required", [])
    if not isinstance(properties, Mapping) or schema.get("additionalProperties", False) is not False:
        raise _OpenError
    wanted = required if isinstance(required, list) else []
    closed = {
        name: _closed(each, keeps) if name in wanted else _nullable(each, keeps)
        for name, each in properties.items()
    }
    return {"properties": closed, "required": list(closed), "additionalProperties": False}


def _nullable(schema: Mapping[str, object], keeps: Keeps) -> Schema:
    """The schema of an optional property: null stands for its default."""
    closed, default = _closed(schema, keeps), schema.get("default")
    kinds = alternatives({key: value for key, value in closed.items() if key != "description"})
    kinds += [] if {"type": "null"} in kinds else [{"type": "null"}]
    told = [str(closed["description"])] if "description" in closed else []
    told += [] if default is None else [f"null: {_written(default)}"]
    return {"anyOf": kinds, **({"description": "; ".join(told)} if told else {})}


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
