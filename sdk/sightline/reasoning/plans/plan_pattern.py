"""The pattern of a plan's JSON for some tools, so that a model can write nothing else.

The plan is a line of calls named s1, s2, …: each takes pictures from those before it, and
the last gives the result. Loops and tests are left to people: a line is what a small model
gets right.
"""

from __future__ import annotations

from collections.abc import Mapping

from sightline.errors import InputError
from sightline_runtime.patterns import Node, Sequence, literal, render
from sightline_tools.patterns import either, json_node
from sightline_tools.schemas import input_schema
from sightline_tools.tool import Tool
from sightline_tools.vision import Answer

_TEXT = r'[^\x00-\x1f"\\]{1,100}'
"""A text in a plan: nothing that JSON would have to write in another way."""


def plan_pattern(tools: Mapping[str, Tool], inputs: tuple[str, ...], most: int, *, answers: bool) -> str:
    """The pattern of plans of at most `most` steps, given pictures by these names.

    With `answers` a plan ends with an answer, else with a picture. InputError if no call
    can be made.
    """
    given = [f"${name}" for name in inputs]
    tail: Node | None = None
    for number in range(most, 0, -1):
        pictures = given + [f"$s{earlier}.image" for earlier in range(1, number)]
        tail = _from(tools, number, pictures, tail, answers=answers)
    if tail is None:
        raise InputError("no tool can begin the plan", hint="offer one that draws, or give a picture")
    return render(Sequence((*literal('{"steps": [').parts, tail)))


def _from(
    tools: Mapping[str, Tool], number: int, pictures: list[str], tail: Node | None, *, answers: bool
) -> Node | None:
    """The plan from the step of a number on: it is the last and gives the result, or others follow."""
    result = literal(f'], "answer": "$s{number}.text"}}' if answers else f'], "image": "$s{number}.image"}}')
    calls = [(tool, _call(tool, number, pictures)) for tool in tools.values()]
    any_of = [call for _, call in calls if call is not None]
    last = [call for tool, call in calls if call and issubclass(tool.result_model, Answer) is answers]
    lines: list[Node] = [Sequence((either(last), *result.parts))] if last else []
    if any_of and tail is not None:
        lines.append(Sequence((either(any_of), *literal(", ").parts, tail)))
    return either(lines) if lines else None


def _call(tool: Tool, number: int, given: list[str]) -> Node | None:
    """A call as the step of a number, with the arguments that the tool needs; None if it cannot be made."""
    schema = input_schema(tool.args_model)
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return None
    wanted = [*required, *(["choices"] if issubclass(tool.result_model, Answer) else [])]
    kept = {name: _short(properties[name]) for name in wanted if name in properties}
    closed = {"type": "object", "properties": kept, "required": required}
    try:
        arguments = json_node(closed, pictures=tuple(given))
    except InputError:  # it takes what no pattern can say, or a picture where there is none
        return None
    head = literal(f'{{"id": "s{number}", "tool": "{tool.name}", "args": ')
    return Sequence((*head.parts, arguments, *literal("}").parts))


def _short(schema: object) -> Mapping[str, object]:
    """The schema with texts of a bounded length."""
    if not isinstance(schema, Mapping):
        return {}
    own = dict(schema)
    if own.get("type") == "string" and "pattern" not in own and "enum" not in own:
        own = {"type": "string", "pattern": _TEXT}
    if isinstance(own.get("items"), Mapping) and own.get("type") == "array":
        own |= {"items": _short(own["items"])}
        own.setdefault("maxItems", 6)
    return own
