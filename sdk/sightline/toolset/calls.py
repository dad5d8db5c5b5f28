"""Tool calls as chatbots send them: which form each has, and its arguments as checked JSON.

Four forms ("wires"): a tool call of OpenAI's Chat Completions, a `function_call` item of
its Responses, a `tool_use` block of Anthropic's Messages, and a plain {"name",
"arguments"}. Each may be data or the vendor's own object. Nothing here trusts them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from sightline import strict_json
from sightline.errors import InputError

Wire = Literal["chat", "responses", "anthropic", "plain"]

_LARGEST = 128 * 1024
"""Bytes of arguments."""
_DEEPEST = 32
_LONGEST = 1024
"""Characters of an id, and of a name."""
_MOST_BITS = 64
"""Of a whole number."""


@dataclass(frozen=True)
class ToolCall:
    """One call: how it came, what it answers to, the tool's name, and its arguments, unread as yet."""

    wire: Wire
    id: str
    name: str
    arguments: object


def read_call(call: object) -> ToolCall:
    """A tool call in any of the forms; what has no name is a call of the tool "" and is answered so."""
    kind, function = _at(call, "type"), _at(call, "function")
    if kind == "function_call":
        return _call("responses", _at(call, "call_id"), call, "arguments")
    if kind == "tool_use":
        return _call("anthropic", _at(call, "id"), call, "input")
    if function is not None:
        return _call("chat", _at(call, "id"), function, "arguments")
    if kind == "custom":
        return _call("chat", _at(call, "id"), _at(call, "custom"), "input")
    return _call("plain", _at(call, "id"), call, "arguments")


def read_calls(message: object) -> list[ToolCall]:
    """The calls of an assistant's message, or of a list of calls, in order; of one id, the first.

    Calls without an id, which some servers leave out, are all kept. A whole answer of a
    vendor's client is taken for its message.
    """
    seen: set[tuple[str, str]] = set()
    found = []
    for call in map(read_call, _calls(message)):
        if call.wire == "plain" or not call.id or (call.wire, call.id) not in seen:
            seen.add((call.wire, call.id))
            found.append(call)
    return found


def decoded(arguments: object) -> dict[str, object]:
    """The arguments as data; InputError for what is no plain, finite JSON object of modest size."""
    if isinstance(arguments, str):
        arguments = _parsed(arguments)
    if arguments is None:  # what some models send to a tool that needs none
        return {}
    _check(arguments)
    if not isinstance(arguments, Mapping):
        raise InputError(
            f"the arguments are {_kind(arguments)}, not an object", hint='give {"name of an argument": value}'
        )
    return {str(name): _copied(value) for name, value in arguments.items()}


def restored(pending: Mapping[str, object], session: str) -> ToolCall:
    """The call that a first message called pending; InputError for what is none of this session."""
    wire, call_id, name = (pending.get(part) for part in ("wire", "id", "name"))
    if not (isinstance(call_id, str) and isinstance(name, str)) or wire not in get_args(Wire):
        raise InputError("this is no pending call", hint="give back what a message had as `pending`")
    if pending.get("session") != session:
        raise InputError("this call is pending in another session", hint="open the session that it names")
    return ToolCall(cast(Wire, wire), call_id, name, pending.get("arguments"))


def _call(wire: Wire, call_id: object, named: object, arguments: str) -> ToolCall:
    name = _at(named, "name")
    return ToolCall(
        wire,
        "" if call_id is None else str(call_id)[:_LONGEST],
        name[:_LONGEST] if isinstance(name, str) else "",
        _at(named, arguments),
    )


def _at(value: object, name: str) -> object:
    """A field of data or of a vendor's object."""
    if isinstance(value, Mapping):
        return value.get(name)
    if value is None or isinstance(value, str | int | float | Sequence):
        return None
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001 - whatever a stranger's object does, it has no such field
        return None


def _calls(message: object) -> Iterator[object]:
    choices = _at(message, "choices")
    if isinstance(choices, Sequence) and choices:
        message = _at(choices[0], "message")
    if isinstance(message, Sequence) and not isinstance(message, str | bytes):
        yield from (item for item in message if _is_call(item))
        return
    listed = False
    for name in ("tool_calls", "output", "content"):
        items = _at(message, name)
        if isinstance(items, Sequence) and not isinstance(items, str | bytes):
            listed = True
            yield from (item for item in items if name == "tool_calls" or _is_call(item))
    if not listed and _is_call(message):
        yield message


def _is_call(item: object) -> bool:
    """Whether an item among others, as texts and thoughts, is a call."""
    kind = _at(item, "type")
    if kind in ("function_call", "tool_use") or _at(item, "function") is not None:
        return True
    return kind is None and _at(item, "name") is not None and _at(item, "role") is None


def _parsed(text: str) -> object:
    if len(text) > _LARGEST:
        raise _too_large()
    if not text.strip():
        return {}
    try:
        return strict_json.parsed(text, most=_LARGEST)
    except ValueError as error:
        raise InputError(
            f"the arguments cannot be read: {error}",
            hint="write one JSON object: all braces closed, each argument once, finite numbers",
        ) from error


def _check(value: object) -> None:
    """Refuse what is deep, large, not finite or no JSON, without recursion."""
    waiting: list[tuple[object, int]] = [(value, 1)]
    size = 0
    while waiting:
        item, depth = waiting.pop()
        size += len(item) if isinstance(item, str) else 1
        if depth > _DEEPEST:
            raise _too_deep()
        if size > _LARGEST:
            raise _too_large()
        if isinstance(item, int) and item.bit_length() > _MOST_BITS:
            raise _too_long()
        if isinstance(item, float) and not math.isfinite(item):
            raise InputError(f"{item} is no number that JSON has", hint="use finite numbers")
        if isinstance(item, Mapping):
            waiting += [(name, depth) for name in item] + [(each, depth + 1) for each in item.values()]
            if not all(isinstance(name, str) for name in item):
                raise InputError("an argument's name is no text", hint="use JSON")
        elif isinstance(item, list | tuple):
            waiting += [(each, depth + 1) for each in item]
        elif not isinstance(item, str | int | float | None):
            raise InputError(f"the arguments hold {type(item).__name__}, which JSON has not", hint="use JSON")


def _copied(value: object) -> object:
    """Data that the caller cannot change any more."""
    if isinstance(value, Mapping):
        return {str(name): _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list | tuple) else value


def _too_large() -> InputError:
    return InputError(
        f"the arguments are larger than {_LARGEST // 1024} KB",
        hint="name pictures (img3), never send their bytes",
    )


def _too_deep() -> InputError:
    return InputError("the arguments are nested too deeply", hint=f"use at most {_DEEPEST} levels")


def _too_long() -> InputError:
    return InputError("the arguments hold a number that is too long", hint="use smaller numbers")


def _kind(value: object) -> str:
    names = {str: "a text", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)
