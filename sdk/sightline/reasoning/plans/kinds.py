"""What a name of a plan stands for, as far as it is known before the plan runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import JsonValue

from sightline.reasoning.plans.nodes import REFERENCE
from sightline_tools.screening import Screened
from sightline_tools.tool import Tool
from sightline_tools.vision import Answer

Type = Literal["picture", "pictures", "answer", "text", "number", "flag", "data", "mixed", "unclear"]
"""What a reference gives; "mixed" where it depends on the run, "unclear" after a fault told already."""


@dataclass(frozen=True)
class Known:
    """What a name stands for: what it is by itself, its fields, and how many pictures it holds at least.

    `sure` is False where a step gives it that may not run.
    """

    bare: Type
    fields: tuple[str, ...]
    pictures: int = 0
    sure: bool = True

    def type_of(self, field: str | None) -> Type:
        """What a field of it is, without one the thing itself."""
        if field is None or (field == "text" and self.bare not in ("answer", "text")):
            return self.bare
        named: dict[str, Type] = {"images": "pictures", "number": "number", "confidence": "number"}
        named |= {"image": "picture", "changed": "flag", "text": "text"}
        return named[field]


GIVEN = Known("picture", ("image",), 1)
"""A picture that the plan is given."""
SAID = Known("text", ("text", "number"))
"""A text, such as that of a test."""


def made_by(tool: Tool, args: dict[str, JsonValue]) -> Known:
    """What a call of a tool gives."""
    if issubclass(tool.result_model, Answer):
        return Known("answer", ("text", "number", "confidence"))
    fields = tool.result_model.model_fields
    if not {"image", "images"} & fields.keys():
        return Known("data", ())
    n = args.get("n", 1)
    many = tool.seeded and not issubclass(tool.result_model, Screened)
    count = n if many and isinstance(n, int) else 1
    changed = ("changed",) if tool.name == "edit" else ()
    return Known("picture", ("image", "images", *changed), count)


def joined(a: Known | None, b: Known | None) -> Known | None:
    """What a name stands for that is either; None if it is nothing in both cases."""
    if a is None or b is None:
        one = a or b
        return None if one is None else replace(one, sure=False)
    fields = tuple(field for field in a.fields if field in b.fields)
    bare = a.bare if a.bare == b.bare else "mixed"
    return Known(bare, fields, min(a.pictures, b.pictures), a.sure and b.sure)


def value_of(value: JsonValue, names: dict[str, Known]) -> Known:
    """What a value is that may be a reference."""
    if isinstance(value, str):
        found = REFERENCE.fullmatch(value)
        return SAID if found is None else _referred(names.get(found["name"]), found["field"], found["index"])
    if isinstance(value, bool):
        return Known("flag", ("text",))
    return Known("number", ("text", "number")) if isinstance(value, int | float) else Known("data", ())


def _referred(known: Known | None, field: str | None, index: str | None) -> Known:
    if known is None:
        return Known("unclear", ())
    if field is None:
        return known
    kind = known.type_of("image" if field == "images" and index else field)
    plain: dict[Type, Known] = {"picture": GIVEN, "text": SAID, "number": Known("number", ("text", "number"))}
    return plain.get(kind, Known(kind, ()))
