"""The forms in which each vendor's API takes a tool."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Protocol

from sightline_tools.schemas import Schema
from sightline_tools.strict import anthropic_keeps, openai_keeps, strict

_LONGEST = 1024
"""Characters of a description; OpenAI refuses more."""


class Described(Protocol):
    """A tool as it is shown to a chatbot."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def description(self) -> str:
        """What it does."""

    @property
    def input_schema(self) -> Mapping[str, object]:
        """The JSON schema of its arguments."""


def openai_chat(tool: Described, *, strictly: bool = True) -> Schema:
    """The form for OpenAI's Chat Completions and what is compatible with it."""
    return {"type": "function", "function": _function(tool, strictly)}


def openai_responses(tool: Described, *, strictly: bool = True) -> Schema:
    """The form for OpenAI's Responses: the same, flat."""
    return {"type": "function", **_function(tool, strictly)}


def anthropic(tool: Described, *, strictly: bool = False) -> Schema:
    """The form for Anthropic's Messages."""
    closed = strict(tool.input_schema, anthropic_keeps) if strictly else None
    schema = deepcopy(dict(tool.input_schema)) if closed is None else closed
    form: Schema = {"name": tool.name, "description": _short(tool.description), "input_schema": schema}
    return form if closed is None else {**form, "strict": True}


def _function(tool: Described, strictly: bool) -> Schema:
    """A function; one whose arguments cannot be listed says that it is not strict."""
    closed = strict(tool.input_schema, openai_keeps) if strictly else None
    return {
        "name": tool.name,
        "description": _short(tool.description),
        "parameters": deepcopy(dict(tool.input_schema)) if closed is None else closed,
        "strict": closed is not None,
    }


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
