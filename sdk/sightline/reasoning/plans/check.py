"""Check a plan against a toolset before anything runs: all faults at once, each with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from sightline.reasoning.plans.plan import INSIDE, REFERENCE, Action, Let, Node, Parallel, Plan, Repeat, Test
from sightline.reasoning.plans.values import FIELDS
from sightline.tree.plans import is_seeded
from sightline_tools.schemas import input_schema
from sightline_tools.toolbox import Toolbox

Kind = Literal["image", "answer", "data", "any"]

_GIVES: Mapping[str, Kind] = {"understand": "answer"}
"""What a tool's result is, if it is no picture."""
_ALLOWED: Mapping[Kind, tuple[str, ...]] = {
    "image": ("image", "images", "changed"),
    "answer": ("text", "number", "confidence"),
    "data": ("text", "number"),
    "any": FIELDS,
}


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a plan: where, and what."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def schemas_of(toolbox: Toolbox) -> Mapping[str, Mapping[str, object]]:
    """The JSON schemas of the arguments of all tools, by name, as a plan is checked against them."""
    return {tool.name: input_schema(tool.args_model, seeded=is_seeded(tool)) for tool in toolbox}


def check(plan: Plan, schemas: Mapping[str, Mapping[str, object]]) -> list[Problem]:
    """All faults of a plan; an empty list if it can run."""
    known: dict[str, Kind] = dict.fromkeys(plan.inputs, "image")
    problems = list(_steps(plan.steps, known, schemas, "steps"))
    for name, value in (("answer", plan.answer), ("image", plan.image)):
        if value is not None:
            problems += _references(value, known, name)
            if not REFERENCE.fullmatch(value):
                problems.append(Problem(name, f"{value!r} is no reference such as $last.text"))
    return problems


def _steps(
    steps: tuple[Node, ...], known: dict[str, Kind], schemas: Mapping[str, Mapping[str, object]], where: str
) -> Iterator[Problem]:
    for index, node in enumerate(steps):
        place = f"{where}.{index}"
        if isinstance(node, Action):
            yield from _action(node, known, schemas, f"{place} ({node.id})")
            known[node.id] = _GIVES.get(node.tool, "image")
        elif isinstance(node, Let):
            yield from _references(node.let, known, f"{place} ({node.id})")
            known[node.id] = _kind(node.let, known)
        elif isinstance(node, Test):
            yield from _references(node.test.model_dump(mode="json"), known, f"{place} ({node.id})")
            known[node.id] = "answer"
        elif isinstance(node, Repeat):
            yield from _references(node.as_long_as.model_dump(mode="json"), known, f"{place}.as_long_as")
            yield from _steps(node.repeat, known, schemas, f"{place}.repeat")
        else:
            yield from _parallel(node, known, schemas, place)


def _parallel(
    node: Parallel, known: dict[str, Kind], schemas: Mapping[str, Mapping[str, object]], place: str
) -> Iterator[Problem]:
    """Lines see what came before them, not one another; what they name is seen after them."""
    before, given = dict(known), dict[str, int]()
    for number, line in enumerate(node.parallel):
        inside = dict(before)
        yield from _steps(line, inside, schemas, f"{place}.parallel.{number}")
        for name, kind in inside.items():
            if before.get(name) == kind and name in before:
                continue
            if name in given:
                yield Problem(f"{place}.parallel.{number}", f"{name} is given by another line too")
            given[name] = number
            known[name] = kind


def _action(
    node: Action, known: Mapping[str, Kind], schemas: Mapping[str, Mapping[str, object]], place: str
) -> Iterator[Problem]:
    schema = schemas.get(node.tool)
    if node.when is not None:
        yield from _references(node.when.model_dump(mode="json"), known, f"{place}.when")
    yield from _references(dict(node.args), known, place)
    if schema is None:
        near = difflib.get_close_matches(node.tool, schemas, 1) or sorted(schemas)
        yield Problem(place, f"there is no tool {node.tool!r}; there is {', '.join(near)}")
        return
    properties, required = schema.get("properties"), schema.get("required")
    names = list(properties) if isinstance(properties, Mapping) else []
    for name in node.args:
        if name not in names:
            yield Problem(place, f"{node.tool} takes no {name!r}, but {', '.join(names)}")
    for name in required if isinstance(required, list) else []:
        if name not in node.args:
            yield Problem(place, f"{node.tool} needs {name!r}")


def _references(value: JsonValue, known: Mapping[str, Kind], place: str) -> Iterator[Problem]:
    """Faults of every reference inside a value."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _references(item, known, place)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item, known, place)
    elif isinstance(value, str):
        whole = REFERENCE.fullmatch(value)
        found = [whole] if whole else list(INSIDE.finditer(value))
        for each in found:
            yield from _reference(each["name"], each["field"], known, place)
        if not found and value.startswith("$"):
            yield Problem(place, f"{value!r} is no reference: write $name or $name.field")


def _reference(name: str, field: str | None, known: Mapping[str, Kind], place: str) -> Iterator[Problem]:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1) or sorted(known)
        yield Problem(place, f"${name} is given by no step before; there is {', '.join(near) or 'nothing'}")
    elif field is not None and field not in _ALLOWED[known[name]]:
        fields = ", ".join(_ALLOWED[known[name]])
        yield Problem(place, f"${name} has no {field!r}, but {fields}")


def _kind(value: JsonValue, known: Mapping[str, Kind]) -> Kind:
    found = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return "data"
    field = found["field"]
    return (
        known.get(found["name"], "any") if field is None else "image" if field.startswith("image") else "data"
    )
