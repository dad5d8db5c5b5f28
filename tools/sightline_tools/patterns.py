"""From a JSON schema to the pattern of its values, so that a model can write no other.

The JSON that matches is valid, has one form (`", "` and `": "` between parts, properties in
the order of the schema, no escapes that are not needed), and is bounded: texts, lists and
numbers that a schema leaves without an end get one here. The pattern of a text is one of
the whole text, with anchors or without. A schema that says more than can be a pattern is
an `InputError`, never a weaker pattern.
"""

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import cast

from sightline_runtime.errors import InputError
from sightline_runtime.patterns import (
    Chars,
    Either,
    Node,
    Repeat,
    Sequence,
    literal,
    others,
    parse,
    ranges,
    render,
)
from sightline_tools import digits
from sightline_tools.schemas import is_picture

LONGEST_TEXT = 1000
"""Characters of a text whose schema sets no end."""
MOST_ITEMS = 16
"""Items of a list whose schema sets no end."""
_DEEPEST = 30

_NOTES = {
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "discriminator",
}
_NOTES |= {"$schema", "$id", "$defs", "$comment", "definitions", "type"}
_KNOWN = {
    "string": {"minLength", "maxLength", "pattern"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "array": {"items", "prefixItems", "minItems", "maxItems"},
    "object": {"properties", "required", "additionalProperties"},
    "boolean": set(),
    "null": set(),
}
_ESCAPED = ranges((0, 0x1F), (0x22, 0x22), (0x5C, 0x5C))
"""What JSON writes with an escape: controls, the quotation mark and the backslash."""


def json_pattern(schema: Mapping[str, object], *, pictures: tuple[str, ...] | None = None) -> str:
    """The pattern of the values of a schema, as JSON.

    With `pictures`, an argument that names a picture is one of these names.
    """
    return render(json_node(schema, pictures=pictures))


def json_node(schema: Mapping[str, object], *, pictures: tuple[str, ...] | None = None) -> Node:
    """The same as a pattern that was read already, to be a part of a larger one."""
    return _Reader(schema, pictures).node(schema, ())


def either(options: list[Node]) -> Node:
    """One of some patterns."""
    return options[0] if len(options) == 1 else Either(tuple(options))


def json_text(value: object) -> Sequence:
    """The pattern of one JSON value."""
    return literal(json.dumps(value, ensure_ascii=False))


def inside(node: Node) -> Node:
    """The pattern of a text's JSON without its quotation marks, from that of the text."""
    if isinstance(node, Chars):
        return _inside(node)
    if isinstance(node, Repeat):
        return Repeat(inside(node.part), node.low, node.high)
    if isinstance(node, Either):
        return Either(tuple(map(inside, node.options)))
    return Sequence(tuple(map(inside, node.parts)))


def _inside(chars: Chars) -> Node:
    escaped = [point for low, high in chars.ranges for point in range(low, min(high, 0x5C) + 1)]
    written = [literal(json.dumps(chr(p))[1:-1]) for p in escaped if p < 0x20 or p in (0x22, 0x5C)]
    if not written:
        return chars
    outside = others(chars.ranges)
    return Either((Chars(others(ranges(*outside, *_ESCAPED))), *written))


_CHARACTER = inside(Chars(others(())))


class _Reader:
    """Reads the parts of one schema, whose definitions it knows."""

    def __init__(self, whole: Mapping[str, object], pictures: tuple[str, ...] | None) -> None:
        self._whole, self._pictures = whole, pictures

    def node(self, schema: Mapping[str, object], opened: tuple[str, ...]) -> Node:
        """The pattern of a part; `opened` are the references that it lies in."""
        if len(opened) > _DEEPEST:
            raise InputError("the schema is too deep", hint=f"use at most {_DEEPEST} levels")
        if "$ref" in schema:
            return self._referred(schema, opened)
        for name in ("anyOf", "oneOf", "allOf"):
            if name in schema:
                return self._choice(name, schema, opened)
        if "enum" in schema or "const" in schema:
            return self._listed(schema)
        kind = schema.get("type")
        if isinstance(kind, list):
            return either([self.node({**schema, "type": each}, opened) for each in kind])
        if not isinstance(kind, str) or kind not in _KNOWN:
            raise InputError(
                f"a schema without a type cannot be a pattern: {_short(schema)}", hint="say what type it is"
            )
        _only(schema, _KNOWN[kind])
        if kind in ("integer", "number"):
            return _number(schema, kind)
        made = {"string": self._string, "array": self._array, "object": self._object}.get(kind)
        if made is not None:
            return made(schema, (*opened, ""))
        return json_text(None) if kind == "null" else either([json_text(True), json_text(False)])

    def _referred(self, schema: Mapping[str, object], opened: tuple[str, ...]) -> Node:
        reference = str(schema["$ref"])
        _only(schema, {"$ref"})
        found: object = self._whole
        for step in reference.removeprefix("#/").split("/"):
            found = found.get(step) if isinstance(found, Mapping) else None
        if reference in opened or not isinstance(found, Mapping) or not reference.startswith("#/"):
            what = "holds itself" if reference in opened else "is not there"
            raise InputError(f"the definition {reference} {what}", hint="use schemas without recursion")
        return self.node(found, (*opened, reference))

    def _choice(self, name: str, schema: Mapping[str, object], opened: tuple[str, ...]) -> Node:
        options = schema[name]
        _only(schema, {name})
        if not isinstance(options, list) or not options or (name == "allOf" and len(options) > 1):
            raise InputError(f"{name} cannot be a pattern: {_short(schema)}", hint="use anyOf")
        if name == "oneOf" and "discriminator" not in schema:
            raise InputError("oneOf cannot be a pattern", hint="use anyOf, or a discriminator")
        return either([self.node(option, opened) for option in options])

    def _listed(self, schema: Mapping[str, object]) -> Node:
        _only(schema, {"enum", "const"})
        values = schema.get("enum", [schema.get("const")])
        if not isinstance(values, list) or not values or not {"enum", "const"} - schema.keys():
            raise InputError(f"no value is allowed: {_short(schema)}", hint="list some")
        return either([json_text(value) for value in values])

    def _string(self, schema: Mapping[str, object], opened: tuple[str, ...]) -> Node:
        quote = literal('"')
        if is_picture(schema) and self._pictures is not None:
            if not self._pictures:
                raise InputError("there is no picture to name", hint="add or generate one first")
            return either([json_text(name) for name in self._pictures])
        if "pattern" in schema:
            _only(schema, {"pattern"})
            return Sequence((quote, inside(parse(str(schema["pattern"]))), quote))
        low, high = _counts(schema, "minLength", "maxLength", LONGEST_TEXT)
        return Sequence((quote, Repeat(_CHARACTER, low, high), quote))

    def _array(self, schema: Mapping[str, object], opened: tuple[str, ...]) -> Node:
        low, high = _counts(schema, "minItems", "maxItems", MOST_ITEMS)
        places, items = schema.get("prefixItems", []), schema.get("items", False)
        parts = [self.node(each, opened) for each in places] if isinstance(places, list) else []
        if not isinstance(items, Mapping):
            if not parts or low > len(parts) or ("items" not in schema and high > len(parts)):
                raise InputError(f"a list of anything: {_short(schema)}", hint="say what its items are")
            return _list(parts[:high], low, None, 0)
        return _list(parts[:high], low, self.node(items, opened), high)

    def _object(self, schema: Mapping[str, object], opened: tuple[str, ...]) -> Node:
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", False)
        if not isinstance(properties, Mapping) or isinstance(more, Mapping) or (more and not properties):
            raise InputError(f"an object of anything: {_short(schema)}", hint="list its properties")
        wanted = cast(list[str], schema.get("required", []))
        if set(wanted) - properties.keys():
            raise InputError(
                f"properties are required but not described: {_short(schema)}", hint="describe them"
            )
        pairs = [
            (Sequence((json_text(name), literal(": "), self.node(each, opened))), name in wanted)
            for name, each in properties.items()
        ]
        return Sequence((literal("{"), _pairs(pairs), literal("}")))


def _pairs(pairs: list[tuple[Sequence, bool]]) -> Node:
    """Properties in order, with commas between those that are there."""
    options: list[Node] = []
    for index, (first, wanted) in enumerate(pairs):
        rest = [
            Sequence((literal(", "), pair)) if needed else Repeat(Sequence((literal(", "), pair)), 0, 1)
            for pair, needed in pairs[index + 1 :]
        ]
        options.append(Sequence((first, *rest)))
        if wanted:
            return either(options)
    return either([*options, Sequence(())])


def _list(places: list[Node], low: int, item: Node | None, high: int) -> Node:
    """A list whose first items have places of their own; `low` to `high` items in all."""
    comma = literal(", ")
    rest: Node = Sequence(())
    if item is not None:
        more = Repeat(Sequence((comma, item)), max(0, low - max(1, len(places))), high - max(1, len(places)))
        rest = more if places else Sequence((item, more))
        if not places:
            rest = Sequence(()) if high == 0 else rest if low else Repeat(rest, 0, 1)
    for index in reversed(range(len(places))):
        rest = Sequence((*(comma.parts if index else ()), places[index], rest))
        rest = rest if index < low else Repeat(rest, 0, 1)
    return Sequence((literal("["), rest, literal("]")))


def _number(schema: Mapping[str, object], kind: str) -> Node:
    low, high = _bound(schema, "minimum"), _bound(schema, "maximum")
    above, below = _bound(schema, "exclusiveMinimum"), _bound(schema, "exclusiveMaximum")
    unit = Fraction(1, 1 if kind == "integer" else 10**digits.DECIMALS)
    if above is not None:
        least = (above // unit + 1) * unit
        low = least if low is None else max(low, least)
    if below is not None:
        most = -((-below) // unit + 1) * unit
        high = most if high is None else min(high, most)
    if low is not None and high is not None and low > high:
        raise InputError(f"no number is allowed: {_short(schema)}", hint="widen the bounds")
    return digits.number(low, high, 0 if kind == "integer" else digits.DECIMALS)


def _bound(schema: Mapping[str, object], name: str) -> Fraction | None:
    value = schema.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} is {value!r}", hint="use numbers as bounds")
    return Fraction(str(value))


def _counts(schema: Mapping[str, object], least: str, most: str, otherwise: int) -> tuple[int, int]:
    low = schema.get(least, 0)
    high = schema.get(most, max(otherwise, low if isinstance(low, int) else 0))
    if not (isinstance(low, int) and isinstance(high, int) and 0 <= low <= high):
        raise InputError(f"{least} is {low!r} and {most} is {high!r}", hint="use counts that allow something")
    return low, high


def _only(schema: Mapping[str, object], known: set[str]) -> None:
    unknown = sorted(schema.keys() - known - _NOTES)
    if unknown:
        raise InputError(
            f"{', '.join(unknown)} cannot be a pattern: {_short(schema)}",
            hint="use types, bounds, enum, const, anyOf and closed objects",
        )


def _short(schema: Mapping[str, object]) -> str:
    return json.dumps(schema, ensure_ascii=False, default=str)[:120]
