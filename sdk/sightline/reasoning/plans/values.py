"""Values of a plan while it runs: what references stand for, and whether conditions hold."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping

from pydantic import JsonValue

from sightline.errors import InputError
from sightline.reasoning import phrases
from sightline.reasoning.plans.nodes import INSIDE, REFERENCE, Condition
from sightline.results import Answered, Edited, Picture, Result

Value = Result | Picture | JsonValue
"""What a name stands for: what a step gave, a picture that was given, or plain data."""

Names = Mapping[str, Value]

FIELDS = ("image", "images", "text", "number", "confidence", "changed")


def resolved(value: JsonValue, names: Names) -> object:
    """A value with its references replaced; InputError for one that stands for nothing."""
    if isinstance(value, str):
        whole = REFERENCE.fullmatch(value)
        if whole:
            return _of(names, whole["name"], whole["field"], whole["index"])
        return INSIDE.sub(lambda found: _text(_of(names, found["name"], found["field"], None)), value)
    if isinstance(value, list):
        return [resolved(item, names) for item in value]
    if isinstance(value, dict):
        return {name: resolved(item, names) for name, item in value.items()}
    return value


def holds(condition: Condition, names: Names) -> bool:
    """Whether a condition holds; what is no number is never more or less than one."""
    value = resolved(condition.value, names)
    said = []
    if condition.equals is not None:
        said.append(_same(value, resolved(condition.equals, names)))
    if condition.one_of:
        said.append(any(_same(value, resolved(option, names)) for option in condition.one_of))
    for bound, fits in (
        (condition.at_least, operator.ge),
        (condition.at_most, operator.le),
        (condition.more_than, operator.gt),
    ):
        if bound is not None:
            a, b = number(value), number(resolved(bound, names))
            said.append(a is not None and b is not None and fits(a, b))
    return all(said) is not condition.negate


def number(value: object) -> float | None:
    """The number that a value is, or that its text says: 3, "3", "three", "there are three"."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    found = re.search(rf"-?\d+(?:\.\d+)?|\b(?:{'|'.join(phrases.NUMBERS)})\b", str(value).lower())
    if found is None:
        return None
    word = found[0]
    return float(phrases.NUMBERS.index(word)) if word in phrases.NUMBERS else float(word)


def _of(names: Names, name: str, field: str | None, index: str | None) -> object:
    if name not in names:
        raise InputError(f"${name} stands for nothing yet", hint="a step that did not run gives nothing")
    value = names[name]
    if field is None or isinstance(value, Picture):
        return value
    if not isinstance(value, Result):
        return number(value) if field == "number" else value
    return _field(value, field, index)


def _field(result: Result, field: str, index: str | None) -> object:
    if field == "image":
        return result.image
    if field == "images":
        place = int(index or 0)
        if place >= len(result.images):
            raise InputError(f"there is no picture {place} of {len(result.images)}", hint="count from 0")
        return result.images[place] if index is not None else list(result.images)
    if field == "changed" and isinstance(result, Edited):
        return result.changed
    if isinstance(result, Answered):
        told = {"text": result.text, "number": number(result.text), "confidence": result.confidence}
        return told[field]
    raise InputError(f"{result.step.tool} gives no {field}", hint="see what the tool returns")


def _same(a: object, b: object) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return a.strip().lower() == b.strip().lower()
    x, y = number(a), number(b)
    return x == y if x is not None and y is not None else a == b


def _text(value: object) -> str:
    if isinstance(value, Result | Picture):
        return str(value.alias or "the picture")
    return f"{value:g}" if isinstance(value, float) else str(value)
