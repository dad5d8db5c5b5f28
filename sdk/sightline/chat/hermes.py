"""The dialect of Qwen's models, which the released families are built on: calls are JSON between tags."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from jinja2 import PackageLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sightline.chat.turns import Offer, ToolCall, Turn, Written, instructions
from sightline.errors import InputError
from sightline.strict_json import parsed, written
from sightline_runtime.protocol import ImageSlot, Message
from sightline_tools.call_patterns import call_pattern

_SYSTEM = "You are a helpful assistant."
_MARK = re.compile(r"</?(?:tools|tool_call|tool_response)>")
_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)


_WORDS = r"[^<]{1,1000}"
"""Words that hold no mark."""


@dataclass(frozen=True)
class _Described:
    """An offered tool as patterns describe it."""

    offer: Offer

    @property
    def name(self) -> str:
        return self.offer.name

    @property
    def description(self) -> str:
        return self.offer.description

    @property
    def input_schema(self) -> Mapping[str, object]:
        return self.offer.parameters or {"type": "object", "properties": {}}


@cache
def _template(name: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        loader=PackageLoader("sightline"), undefined=StrictUndefined, autoescape=False
    )
    return environment.get_template(name)


class Hermes:
    """Tools in the system message, calls as `<tool_call>{"name": …, "arguments": …}</tool_call>`."""

    calls_tools = True

    cuts = False
    names_pictures = True
    opens: str | None = "<"

    def spelled(self, line: str, turns: Sequence[Turn]) -> str:
        """The line as it is."""
        return line

    def messages(self, turns: Sequence[Turn], tools: Sequence[Offer]) -> tuple[Message, ...]:
        """The dialogue in turns of three roles; answers of tools are said by the user, in tags."""
        for turn in turns:
            _unmarked(turn)
        made: list[Message] = []
        system = instructions(turns) or (_SYSTEM if tools else "")
        if system:
            signatures = [_signature(tool) for tool in tools]
            text = _template("hermes_system.jinja").render(system=system, tools=signatures)
            made.append(Message("system", (text,)))
        spoken = (turn for turn in turns if turn.role != "system")
        for answers, group in groupby(spoken, lambda turn: turn.role == "tool"):
            together = list(group)
            made += [_answered(together)] if answers else map(_said, together)
        return tuple(message for message in made if message.content)

    def settled(self, turns: Sequence[Turn]) -> str | None:
        """The model is always asked."""
        return None

    def pattern(self, turns: Sequence[Turn], tools: Sequence[Offer], *, call: bool = False) -> str:
        """A call that names pictures of the dialogue; words before it, or alone, unless a call is wanted."""
        names = tuple(dict.fromkeys(name for turn in turns for name in turn.names if turn.role == "user"))
        pictures = (*names, "last") if names else ()
        callable_now = [each for each in map(_Described, tools) if _is_callable(each, pictures)]
        if call:
            return call_pattern(callable_now, pictures)
        one = f"|(?:{_WORDS})?(?:{call_pattern(callable_now, pictures)})" if callable_now else ""
        return f"(?:{_WORDS}{one})" if tools else ""

    def reply(self, text: str, tools: Sequence[Offer], turns: Sequence[Turn] = ()) -> Written:
        """Calls of offered tools, and all else as text."""
        names, calls, rest, at = [tool.name for tool in tools], [], "", 0
        for found in _CALL.finditer(text):
            call = _call(found[1], names)
            if call is not None:
                calls.append(call)
                rest, at = rest + text[at : found.start()], found.end()
        return Written((rest + text[at:]).strip(), tuple(calls))


def _is_callable(tool: _Described, pictures: tuple[str, ...]) -> bool:
    """Whether a call of a tool can be forced: its pictures are there, its arguments can be a pattern."""
    try:
        return bool(call_pattern([tool], pictures))
    except InputError:
        return False


def _unmarked(turn: Turn) -> None:
    """Refuse the dialect's own marks in what others say; the assistant's turns may quote themselves."""
    found = None if turn.role == "assistant" else _MARK.search(turn.text)
    if found:
        raise InputError(
            f"a message of the role {turn.role} holds the mark {found[0]}",
            hint="leave it out; tools, calls and answers are marked by themselves",
        )


def _signature(tool: Offer) -> str:
    schema = tool.parameters or {"type": "object", "properties": {}}
    function = {"name": tool.name, "description": tool.description, "parameters": schema}
    return written({"type": "function", "function": function})


def _said(turn: Turn) -> Message:
    if not turn.calls:
        return Message("assistant" if turn.role == "assistant" else "user", _named(turn))
    calls = [written({"name": call.name, "arguments": dict(call.arguments)}) for call in turn.calls]
    return Message("assistant", (_template("hermes_calls.jinja").render(text=turn.text, calls=calls),))


def _named(turn: Turn) -> tuple[str | ImageSlot, ...]:
    """A turn's content, with the names of its pictures before them."""
    names, content = iter(turn.names), list[str | ImageSlot]()
    for part in turn.content:
        name = "" if isinstance(part, str) else next(names, "")
        content += [name, part] if name else [part]
    return tuple(content)


def _answered(turns: Sequence[Turn]) -> Message:
    answers = [turn.text for turn in turns]
    return Message("user", (_template("hermes_answers.jinja").render(answers=answers),))


def _call(text: str, names: Sequence[str]) -> ToolCall | None:
    """The call that a text between the tags is, None if it is none of an offered tool."""
    try:
        value = parsed(text)
    except ValueError:
        return None
    if not isinstance(value, dict) or value.get("name") not in names:
        return None
    arguments = value.get("arguments", {})
    return ToolCall(str(value["name"]), arguments) if isinstance(arguments, dict) else None
