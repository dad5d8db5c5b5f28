"""OpenAI's chat form as values: what a model said, read from a whole answer or from its pieces.

Servers of this form differ in what they leave out: ids, contents and finish reasons
may be missing, arguments may come as text or as an object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sightline_runtime.errors import EngineError
from sightline_runtime.transport.faults import error_from

JsonObject = Mapping[str, object]
"""A message, a tool or a body as JSON data."""


@dataclass(frozen=True)
class Wanted:
    """A tool call that a model wants: `arguments` is JSON text as it wrote it, right or wrong."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Said:
    """What a model said: text, the tool calls that it wants, why it stopped, and what that took."""

    text: str
    calls: tuple[Wanted, ...] = ()
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def message(self) -> dict[str, object]:
        """The assistant's message to append to the dialogue."""
        told: dict[str, object] = {"role": "assistant", "content": self.text}
        if self.calls:
            told["content"] = self.text or None  # as OpenAI writes it; without calls it must be a text
            told["tool_calls"] = [_call_data(call) for call in self.calls]
        return told


@dataclass(frozen=True)
class TextPiece:
    """The next piece of what a model says."""

    text: str


def said_of(data: object) -> Said:
    """What a whole answer says; EngineError for what is none."""
    choice = _first(data)
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise _strange()
    calls = [_Partly().add(call) for call in _objects(message.get("tool_calls"))]
    return _said(
        _text(message.get("content")), calls, choice.get("finish_reason"), _object(data).get("usage")
    )


@dataclass
class Gathered:
    """Puts the pieces of a streamed answer together."""

    text: str = ""
    calls: dict[int, _Partly] = field(default_factory=dict)
    finish: object = None
    usage: object = None

    def add(self, data: str) -> str:
        """Take a piece; gives the text in it. Raises the error that it tells of."""
        try:
            piece = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise _strange() from error
        told = _object(piece)
        if told.get("error"):
            raise error_from(told["error"])
        self.usage = told.get("usage") or self.usage
        if not told.get("choices"):  # the last piece may tell of usage alone
            return ""
        choice = _first(piece)
        self.finish = choice.get("finish_reason") or self.finish
        delta = _object(choice.get("delta"))
        for place, call in enumerate(_objects(delta.get("tool_calls"))):
            index = call.get("index")
            self.calls.setdefault(index if isinstance(index, int) else place, _Partly()).add(call)
        text = _text(delta.get("content"))
        self.text += text
        return text

    def said(self) -> Said:
        """The whole; EngineError if the stream ended before the answer did."""
        if self.finish is None:
            raise EngineError("the planner's answer was cut short", hint="call again")
        return _said(self.text, [self.calls[index] for index in sorted(self.calls)], self.finish, self.usage)


@dataclass
class _Partly:
    """A tool call, as far as it was told."""

    id: str = ""
    name: str = ""
    arguments: str = ""

    def add(self, data: JsonObject) -> _Partly:
        function = _object(data.get("function"))
        name, arguments = function.get("name"), function.get("arguments")
        self.id = _str(data.get("id")) or self.id
        self.name += _str(name)
        self.arguments += json.dumps(arguments) if isinstance(arguments, Mapping) else _str(arguments)
        return self


def _said(text: str, calls: Sequence[_Partly], finish: object, usage: object) -> Said:
    taken: set[str] = set()
    wanted = []
    for number, call in enumerate(calls):
        name = call.id if call.id and call.id not in taken else f"call_{number}_{len(taken)}"
        taken.add(name)
        wanted.append(Wanted(name, call.name, call.arguments or "{}"))
    spent = _object(usage)
    return Said(
        text,
        tuple(wanted),
        _str(finish) or "stop",
        _count(spent.get("prompt_tokens")),
        _count(spent.get("completion_tokens")),
    )


def _call_data(call: Wanted) -> dict[str, object]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _first(data: object) -> JsonObject:
    choices = _objects(_object(data).get("choices"))
    if not choices:
        raise _strange()
    return choices[0]


def _text(content: object) -> str:
    """The text of a content, which may be parts."""
    if isinstance(content, list):
        return "".join(_str(part.get("text")) for part in _objects(content))
    return _str(content)


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _strange() -> EngineError:
    return EngineError(
        "the answer is not of OpenAI's chat form", hint="is the address that of the API, with its version?"
    )
