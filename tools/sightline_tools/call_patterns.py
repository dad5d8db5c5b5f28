r"""The pattern of one valid tool call, so that a model can write no other.

Two forms of calls are known:

- `json`, that of Qwen and of the released models:
  `<tool_call>\n{"name": "crop", "arguments": {"image": "img1", …}}\n</tool_call>`;
- `words`, that of the embedded model: `edit ( picture one , make the star red )`, a tool's
  name, a picture if it is not the last one, and one text.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from sightline_runtime.errors import InputError
from sightline_runtime.patterns import Chars, Node, Repeat, Sequence, literal, others, ranges, render
from sightline_tools.patterns import either, json_node, json_text
from sightline_tools.schemas import alternatives, is_picture
from sightline_tools.vendors import Described

Form = Literal["json", "words"]
"""How a model writes a call."""

MOST_WORDS = 40
"""Words of the text of a call in the form `words`."""


def call_pattern(tools: Iterable[Described], pictures: Iterable[str], form: Form = "json") -> str:
    """The pattern of a call of one of these tools, which names only these pictures.

    `pictures` are names as the model knows them: `img1`, `last`, or `picture one`. Tools that
    need a picture cannot be called while there is none. InputError if no tool is left, or if the
    arguments of one cannot be a pattern.
    """
    names = tuple(dict.fromkeys(pictures))
    written = {"json": _json_call, "words": _word_call}[form]
    calls = [call for tool in tools if (call := written(tool, names)) is not None]
    if not calls:
        raise InputError("there is no tool that could be called", hint="give tools, or pictures for them")
    return render(either(calls))


def _json_call(tool: Described, pictures: tuple[str, ...]) -> Node | None:
    if not pictures and any(_needs_picture(each) for each in _required(tool).values()):
        return None
    try:
        arguments = json_node(_possible(tool.input_schema, pictures), pictures=pictures)
    except InputError as error:
        raise InputError(f"{tool.name}: {error.message}", hint=error.hint) from error
    start, end = literal('<tool_call>\n{"name": '), literal("}\n</tool_call>")
    return Sequence((start, json_text(tool.name), literal(', "arguments": '), arguments, end))


def _possible(schema: Mapping[str, object], pictures: tuple[str, ...]) -> Mapping[str, object]:
    """The arguments without those that are optional and could only name a picture where there is none."""
    properties, required = schema.get("properties"), schema.get("required")
    if pictures or not isinstance(properties, Mapping):
        return schema
    needed = required if isinstance(required, list) else []
    kept = {n: each for n, each in properties.items() if n in needed or not _names_picture(each)}
    return {**schema, "properties": kept}


def _word_call(tool: Described, pictures: tuple[str, ...]) -> Node | None:
    """`undo ( )`, `show ( picture one )`, `generate ( a star )`, `edit ( picture one , make it red )`."""
    required = _required(tool)
    shown = any(map(is_picture, required.values()))
    texts = [name for name, each in required.items() if each.get("type") == "string" and not is_picture(each)]
    if len(required) > len(texts) + shown or len(texts) > 1 or (shown and not pictures):
        return None
    start, end = literal(f"{tool.name} ( "), literal(")")
    named = [literal(f"{picture} ") for picture in pictures] if shown else []
    if not texts:
        return Sequence((start, either([*named]), end)) if named else Sequence((start, end))
    marks = {picture.split()[0] for picture in pictures if " " in picture}
    text = Repeat(Sequence((_word(marks), literal(" "))), 1, MOST_WORDS)
    comma = literal(", ")
    first = Repeat(either([Sequence((each, comma)) for each in named]), 0, 1) if named else Sequence(())
    return Sequence((start, first, text, end))


def _word(marks: set[str]) -> Node:
    """A word without parentheses that is none of the marks with which the names of pictures begin."""
    free = ranges((0x00, 0x20), (0x28, 0x29))
    letter = Chars(others(free))
    if not marks:
        return Repeat(letter, 1, None)
    if len(marks) > 1:
        raise InputError(f"pictures are named in several ways: {sorted(marks)}", hint="use one of them")
    mark = marks.pop()
    options: list[Node] = [Sequence((literal(mark), Repeat(letter, 1, None)))]
    for place, char in enumerate(mark):
        other = Chars(others(ranges(*free, (ord(char), ord(char)))))
        start = literal(mark[:place])
        options.append(Sequence((start, other, Repeat(letter, 0, None))))
        options += [start] if place else []
    return either(options)


def _required(tool: Described) -> dict[str, Mapping[str, object]]:
    properties, required = tool.input_schema.get("properties"), tool.input_schema.get("required", [])
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return {}
    return {name: properties[name] for name in required if name in properties}


def _needs_picture(schema: Mapping[str, object]) -> bool:
    """Whether every value names a picture."""
    if "anyOf" in schema:
        return all(map(_needs_picture, alternatives(schema)))
    items = schema.get("items")
    return is_picture(schema) or (
        isinstance(items, Mapping) and schema.get("minItems", 0) != 0 and _needs_picture(items)
    )


def _names_picture(schema: object) -> bool:
    """Whether any value of a schema may name a picture."""
    if isinstance(schema, Mapping):
        return is_picture(schema) or any(map(_names_picture, schema.values()))
    return isinstance(schema, list) and any(map(_names_picture, schema))
