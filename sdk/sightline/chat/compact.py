"""The dialect of the embedded model: one line asks, one short call answers, `edit ( make the star red )`.

The model knows four acts and no names of tools. A tool that the caller offers stands
for an act by its name, a prefix aside, and by the one text that the act carries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from sightline.chat.turns import Offer, Reply, ToolCall, Turn
from sightline_runtime.protocol import Message

TEXTS: Mapping[str, str] = {"generate": "prompt", "edit": "instruction", "understand": "question"}
"""The acts that carry a text, and the argument that holds it in the product's own tools."""
ACTS = (*TEXTS, "undo")

_FORM = re.compile(r"\s*(\w+)\s*\(\s*(?:picture (\w+)\s*(?:,|(?=\)))\s*)?(.*?)\s*\)\s*")
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_PICTURE = "image"
"""The argument that names the picture of a call."""
_LAST = "last"
"""The name of the picture that was made last."""


@dataclass(frozen=True)
class _Act:
    """A call as the model writes it; `picture` is the number of one that is not the last, from 1."""

    name: str
    text: str
    picture: int | None


class Compact:
    """Lines and calls in the words of the world; what a tool said is the answer: more words are not known."""

    calls_tools = True

    def messages(self, turns: Sequence[Turn], tools: Sequence[Offer]) -> tuple[Message, ...]:
        """Users' lines, and calls as the model writes them; the mark that a call is wanted, with tools."""
        made = [Message("system", ("tools",))] if tools else []
        for turn in turns:
            if turn.role == "user" and turn.content:
                made.append(Message("user", turn.content))
            elif turn.role == "assistant" and (said := _said(turn)):
                made.append(Message("assistant", (said,)))
        return tuple(made)

    def settled(self, turns: Sequence[Turn]) -> str | None:
        """What the tools answered, if nobody has said anything since but shown the picture that one made."""
        since = list(takewhile(lambda turn: turn.role == "tool" or turn.shows, reversed(turns)))
        answers = [turn.text for turn in reversed(since) if turn.role == "tool"]
        return "\n".join(answers) if answers else None

    def reply(self, text: str, tools: Sequence[Offer]) -> Reply:
        """A call of the offered tool that stands for the act."""
        act = _act(text)
        tool = None if act is None else _standing_for(act.name, tools)
        arguments = None if act is None or tool is None else _arguments(act, tool)
        if act is None or tool is None or arguments is None:
            asks = act.text if act is not None and tool is None and act.name == "understand" else ""
            return Reply(text.strip(), asks=asks)
        return Reply("", (ToolCall(tool.name, arguments),))


def _act(text: str) -> _Act | None:
    """The act that a text is, None if it is none."""
    found = _FORM.fullmatch(text)
    if found is None or found[1] not in ACTS or (found[1] in TEXTS and not found[3]):
        return None
    number = _NUMBERS.index(found[2]) if found[2] in _NUMBERS else None
    return _Act(found[1], found[3], number)


def _means(name: str) -> str | None:
    """The act that a tool's name means: the name itself, or with a prefix such as "sightline_"."""
    last = re.split(r"[^a-z0-9]", name.lower())[-1]
    return last if last in ACTS else None


def _standing_for(act: str, tools: Sequence[Offer]) -> Offer | None:
    """The offered tool that stands for an act, its plain name before a prefixed one."""
    offered = [tool for tool in tools if _means(tool.name) == act]
    return min(offered, key=lambda tool: len(tool.name), default=None)


def _arguments(act: _Act, tool: Offer) -> dict[str, object] | None:
    """The arguments of an act in a tool's own names; None if the tool requires what the act does not say."""
    schema = tool.parameters or {}
    properties, required = schema.get("properties"), schema.get("required", [])
    if not isinstance(properties, Mapping):
        properties = {}
    wanted = [str(name) for name in required] if isinstance(required, list) else []
    known = {TEXTS[act.name]: act.text} if act.name in TEXTS else {}
    filled: dict[str, object] = {name: text for name, text in known.items() if name in properties}
    if act.picture is not None or _PICTURE in wanted:
        filled[_PICTURE] = _LAST if act.picture is None else f"img{act.picture}"
    for name in wanted:
        if name not in filled:
            filled[name] = _left_open(properties.get(name))
    open_texts = [name for name, value in filled.items() if value is _TEXT]
    if known and not set(known) & set(filled) and len(open_texts) == 1:
        filled[open_texts[0]] = act.text
    said = not known or act.text in filled.values()
    return filled if said and not any(value in (_TEXT, _UNKNOWN) for value in filled.values()) else None


_TEXT, _UNKNOWN = object(), object()


def _left_open(schema: object) -> object:
    """What an argument is that the act says nothing about: null where that is allowed, else a gap."""
    if not isinstance(schema, Mapping):
        return _UNKNOWN
    kinds, choices = schema.get("type"), schema.get("anyOf")
    options = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    if isinstance(choices, list):
        options = [choice.get("type") for choice in choices if isinstance(choice, Mapping)]
    if "null" in options:
        return None
    return _TEXT if options == ["string"] and "enum" not in schema else _UNKNOWN


def _said(turn: Turn) -> str:
    """An assistant's turn: its call in the compact form, else its text."""
    if not turn.calls:
        return turn.text
    return "\n".join(_written(call) for call in turn.calls)


def _written(call: ToolCall) -> str:
    act = _means(call.name) or call.name
    texts = [value for name, value in call.arguments.items() if isinstance(value, str) and name != _PICTURE]
    text = call.arguments.get(TEXTS.get(act, ""), texts[0] if texts else "")
    return f"{act} ( {text} )" if text else f"{act} ( )"
