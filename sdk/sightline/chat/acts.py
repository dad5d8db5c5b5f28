"""The acts that the embedded model knows, and which tools of a caller stand for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sightline.chat.turns import Offer

TEXTS: Mapping[str, str] = {"generate": "prompt", "edit": "instruction", "understand": "question"}
"""The acts that carry a text, and the argument that holds it in the product's own tools."""
UNDO, SHOW = "undo", "show"
IMAGE = "image"
"""The argument that names the picture of a call."""
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_NAMES: Mapping[str, str] = {**{act: act for act in (*TEXTS, UNDO, SHOW)}, "look": SHOW}
"""What a tool may be called, a prefix aside, to stand for an act."""
_FORM = re.compile(r"\s*(\w+)\s*\(\s*(?:picture (\w+)\s*(?:,|(?=\)))\s*)?(.*?)\s*\)\s*")
_ANSWER = re.compile(r"^text: (.+)$", re.MULTILINE)
"""Where the product's own tool tells its answer, among what it tells beside it."""
_LAST = "last"
"""The name of the picture that was made last."""
_TEXT, _UNKNOWN = object(), object()


@dataclass(frozen=True)
class Act:
    """A call as the model writes it; `picture` is the number of one that is not the last, from 1."""

    name: str
    text: str
    picture: int | None = None


def act_of(text: str) -> Act | None:
    """The act that a text is, None if it is none."""
    found = _FORM.fullmatch(text)
    if found is None or found[1] not in _NAMES.values() or (found[1] in TEXTS and not found[3]):
        return None
    return Act(found[1], found[3], NUMBERS.index(found[2]) if found[2] in NUMBERS else None)


def means(name: str) -> str | None:
    """The act that a tool's name means: the name itself, or with a prefix such as "sightline_"."""
    return _NAMES.get(re.split(r"[^a-z0-9]", name.lower())[-1])


def answer_in(act: str | None, text: str) -> str:
    """What a tool answered: of one that understands the answer alone, of any other all that it said."""
    found = _ANSWER.search(text) if act == "understand" else None
    return found[1] if found else text


def standing_for(act: str, tools: Sequence[Offer]) -> Offer | None:
    """The offered tool that stands for an act, its plain name before a prefixed one."""
    offered = [tool for tool in tools if means(tool.name) == act]
    return min(offered, key=lambda tool: len(tool.name), default=None)


def arguments(act: Act, tool: Offer, names: Sequence[str]) -> dict[str, object] | None:
    """The arguments of an act in a tool's own names; None if the tool requires what the act does not say.

    `names` are those of the pictures of the dialogue, in order.
    """
    properties, wanted = _fields(tool)
    texts = {TEXTS[act.name]: act.text} if act.name in TEXTS else {}
    filled: dict[str, object] = {name: text for name, text in texts.items() if name in properties}
    if act.picture is not None or IMAGE in wanted:
        filled[IMAGE] = _LAST if act.picture is None else _named(act.picture, names)
    filled |= {name: _left_open(properties.get(name)) for name in wanted if name not in filled}
    gaps = [name for name, value in filled.items() if value is _TEXT]
    if texts and not texts.keys() & filled.keys() and len(gaps) == 1:
        filled[gaps[0]] = act.text
    said = not texts or act.text in filled.values()
    return filled if said and not {id(_TEXT), id(_UNKNOWN)} & set(map(id, filled.values())) else None


def _named(number: int, names: Sequence[str]) -> str:
    return names[number - 1] if 0 < number <= len(names) else f"img{number}"


def _fields(tool: Offer) -> tuple[Mapping[str, object], list[str]]:
    """A tool's arguments by name, and those that it requires."""
    schema = tool.parameters or {}
    properties, required = schema.get("properties"), schema.get("required")
    return (
        properties if isinstance(properties, Mapping) else {},
        [str(name) for name in required] if isinstance(required, list) else [],
    )


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
