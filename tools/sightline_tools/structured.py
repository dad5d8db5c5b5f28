"""Answers that fill a JSON schema: written as JSON at once, or asked value by value in words.

A model with the ability "json" writes the whole value; its pattern allows nothing else. Any
other model is asked for each value by a question of its own, the description of the value
in the schema, and answers in words that mean something here: numbers, yes and no, a list with
commas, "nothing". Both give the same value, and a confidence for each part of it.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sightline_runtime.errors import InputError
from sightline_runtime.patterns import escape, parse, render
from sightline_runtime.protocol import ImageSlot, Message, Pixels, TextRequest, TextResult, Usage
from sightline_tools.patterns import LONGEST_TEXT, MOST_ITEMS, json_pattern
from sightline_tools.tool import ToolContext

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
YES, NO, NOTHING = "yes", "no", "nothing"
_LINK = "(?: ,| and)"
_ASKED = "{question}\nAnswer as JSON of this schema: {schema}"

Schema = Mapping[str, object]


@dataclass(frozen=True)
class Filled:
    """What a model answered: its words, the value as JSON, and how sure it was of each part by its path.

    The path of a whole value is "", that of a part as `things[0].size`.
    """

    text: str
    data: str
    confidence: float
    confidences: Mapping[str, float]
    probabilities: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Asking:
    """A question about a picture, whatever form its answer has."""

    ctx: ToolContext
    question: str
    picture: Pixels
    max_tokens: int

    def ask(self, question: str, *, choices: tuple[str, ...] = (), pattern: str = "") -> TextResult:
        """Ask the model once."""
        message = Message("user", (ImageSlot(0), question))
        request = TextRequest(
            (message,), (self.picture,), choices=choices, pattern=pattern, max_tokens=self.max_tokens
        )
        return self.ctx.follow(self.ctx.runtime.generate_text(request))


def fill(asking: Asking, schema: Schema) -> Filled:
    """Have a model fill a schema; InputError for one that it cannot fill."""
    if "json" in asking.ctx.runtime.info.capabilities:
        return _written(asking, schema)
    return _told(asking, list(_values(schema, schema, asking.question)))


# --- as JSON -------------------------------------------------------------------------------------


def _written(asking: Asking, schema: Schema) -> Filled:
    shown = json.dumps(schema, ensure_ascii=False)
    question = _ASKED.format(question=asking.question, schema=shown)
    said = asking.ask(question, pattern=json_pattern(schema))
    ends, logs = [0], [log for _, log in said.pieces]
    for text, _ in said.pieces:
        ends.append(ends[-1] + len(text))
    sure = {
        path: math.exp(
            sum(log for log, a, b in zip(logs, ends, ends[1:], strict=False) if a < end and b > start)
        )
        for path, start, end in _spans(said.text, 0, "")[0]
    }
    return Filled(said.text, said.text, said.confidence, sure, {}, said.warnings, said.usage)


def _spans(text: str, at: int, path: str) -> tuple[list[tuple[str, int, int]], int]:
    """Where each part of a JSON text in our own form stands, and where the text at a place ends."""
    found: list[tuple[str, int, int]] = []
    if text[at] not in "{[":
        _, end = json.JSONDecoder().raw_decode(text, at)
        return [(path, at, end)], end
    named, at = text[at] == "{", at + 1
    count = 0
    while text[at] not in "}]":
        at += 2 * text.startswith(", ", at)
        name = f"{path}[{count}]"
        if named:
            key, at = json.JSONDecoder().raw_decode(text, at)
            name, at = f"{path}.{key}".lstrip("."), at + len(": ")
        inner, at = _spans(text, at, name)
        found += inner
        count += 1
    return found, at + 1


# --- in words ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Value:
    """One value to ask for: its place, its question, how it may be said, and what that means."""

    path: tuple[str, ...]
    question: str
    spoken: "_Spoken"


@dataclass(frozen=True)
class _Spoken:
    """How a value may be said: one of some words, or whatever matches a pattern."""

    meanings: Mapping[str, object]
    pattern: str
    read: Callable[[str], object]

    @property
    def whole(self) -> str:
        """All that may be said, as a pattern; empty for any text."""
        options = [*map(escape, self.meanings), *([self.pattern] if self.pattern else [])]
        return "|".join(f"(?:{option})" for option in options)


def _told(asking: Asking, values: list[_Value]) -> Filled:
    whole: dict[str, object] = {}
    lines, sure, warnings = list[str](), dict[str, float](), list[str]()
    probabilities: Mapping[str, float] = {}
    usage = Usage()
    for value in values:
        said = _asked(asking, value)
        text = said.text.strip()
        part = value.spoken.meanings[text] if text in value.spoken.meanings else value.spoken.read(text)
        _put(whole, value.path, part)
        name = ".".join(value.path)
        lines.append(f"{name}: {text}" if name else text)
        sure[name] = said.confidence
        warnings += said.warnings
        probabilities = said.probabilities
        usage += said.usage
    data = json.dumps(whole.get("", whole), ensure_ascii=False)
    if len(values) > 1:
        probabilities = {}
    confidence = math.prod(sure.values())
    return Filled(
        "\n".join(lines), data, confidence, sure, probabilities, tuple(dict.fromkeys(warnings)), usage
    )


def _asked(asking: Asking, value: _Value) -> TextResult:
    spoken = value.spoken
    if len(spoken.meanings) == 1 and not spoken.pattern:  # nothing is open
        return TextResult(next(iter(spoken.meanings)), 1.0)
    if spoken.meanings and not spoken.pattern:
        return asking.ask(value.question, choices=tuple(spoken.meanings))
    return asking.ask(value.question, pattern=spoken.whole)


def _put(whole: dict[str, object], path: tuple[str, ...], part: object) -> None:
    for name in path[:-1]:
        inner = whole.setdefault(name, {})
        whole = inner if isinstance(inner, dict) else {}
    whole[path[-1] if path else ""] = part


def _values(whole: Schema, schema: Schema, question: str, names: tuple[str, ...] = ()) -> Iterator[_Value]:
    """The values of a schema that are asked for one by one."""
    schema = _resolved(whole, schema)
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        yield _Value(names, question, _spoken(whole, schema, names))
        return
    for name, each in properties.items():
        asked = each.get("description") or _resolved(whole, each).get("description")
        inner = question if "properties" in _resolved(whole, each) or not asked else str(asked)
        yield from _values(whole, each, inner, (*names, name))


def _resolved(whole: Schema, schema: Schema) -> Schema:
    """A schema with the definitions that it refers to in their places."""
    for _ in range(30):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        found: object = whole
        for step in reference.removeprefix("#/").split("/"):
            found = found.get(step) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            break
        schema = {**found, **{name: each for name, each in schema.items() if name != "$ref"}}
    raise InputError("the schema refers to itself or to nothing", hint="use schemas without recursion")


def _spoken(whole: Schema, schema: Schema, names: tuple[str, ...]) -> _Spoken:
    """How a value of a schema is said in words."""
    schema = _resolved(whole, schema)
    if "anyOf" in schema:
        return _optional(whole, schema, names)
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    kind = schema.get("type")
    if isinstance(values, list):
        return _listed(values)
    if kind == "boolean":
        return _Spoken({YES: True, NO: False}, "", str)
    if kind in ("integer", "number"):
        return _number(schema)
    if kind == "string":
        return _Spoken({}, _text(schema), str)
    if kind == "array":
        return _several(_spoken(whole, _items(schema, names), names), schema)
    raise InputError(
        f"a model that answers in words cannot give {'.'.join(names) or 'this'}: {json.dumps(schema)[:100]}",
        hint="use texts, numbers, yes or no, choices, lists of them, and models of them",
    )


def _listed(values: list[object]) -> _Spoken:
    meanings = {_word(value): value for value in values}
    if len(meanings) < len(values):
        raise InputError(f"some of {values} are said alike", hint="leave one of them out")
    return _Spoken(meanings, "", str)


def _word(value: object) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, int) and 0 <= value < len(NUMBERS):
        return NUMBERS[value]
    return str(value)


def _number(schema: Schema) -> _Spoken:
    """A number word that is within the bounds, or digits that are."""
    digits = json_pattern({name: each for name, each in schema.items() if name != "description"})
    words = {word: value for value, word in enumerate(NUMBERS) if re.fullmatch(digits, str(value))}
    return _Spoken(words, digits, json.loads)


def _text(schema: Schema) -> str:
    if "pattern" in schema:
        return render(parse(str(schema["pattern"])))  # without anchors: it becomes a part of a larger one
    if not {"minLength", "maxLength"} & schema.keys():
        return ""
    return rf"[^\n]{{{schema.get('minLength', 0)},{schema.get('maxLength', LONGEST_TEXT)}}}"


def _optional(whole: Schema, schema: Schema, names: tuple[str, ...]) -> _Spoken:
    options = schema["anyOf"]
    kinds = [each for each in options if each.get("type") != "null"] if isinstance(options, list) else []
    if len(kinds) != 1:
        raise InputError(
            f"{'.'.join(names) or 'the answer'} may be of several types",
            hint="use one type, or None beside it",
        )
    inner = _spoken(whole, kinds[0], names)
    if not inner.whole:
        raise InputError("a text may be nothing", hint="give it a pattern or a longest length")
    return _Spoken({**inner.meanings, NOTHING: None}, inner.pattern, inner.read)


def _items(schema: Schema, names: tuple[str, ...]) -> Schema:
    items = schema.get("items")
    if not isinstance(items, Mapping) or "prefixItems" in schema:
        raise InputError(f"{'.'.join(names) or 'the answer'} is a list of several types", hint="use one type")
    return items


def _several(item: _Spoken, schema: Schema) -> _Spoken:
    """Items with commas and "and" between them."""
    low, high = schema.get("minItems", 0), schema.get("maxItems", MOST_ITEMS)
    if not item.whole or not isinstance(low, int) or not isinstance(high, int) or high < 1:
        raise InputError("a list of any texts", hint="give its items choices or a pattern")
    if any(re.search(_LINK, word) for word in item.meanings):
        raise InputError("an item is said with a comma or an and", hint="use items that are told apart")
    more = f"(?:{_LINK} (?:{item.whole})){{{max(0, low - 1)},{high - 1}}}"

    def read(text: str) -> list[object]:
        parts = re.split(f"{_LINK} ", text)
        return [item.meanings[part] if part in item.meanings else item.read(part) for part in parts]

    return _Spoken({} if low else {NOTHING: []}, f"(?:{item.whole}){more}", read)
