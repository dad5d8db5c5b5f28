"""Prompts that a person picks in his chat program: small procedures over the tools.

The text of each is a template beside this package's others; what a person gives is put
in as it is and never read as a template.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import mcp_types as types
from jinja2 import FunctionLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from sightline.errors import InputError, NotFoundError

_LONGEST = 4000
"""Characters of one argument."""


@dataclass(frozen=True)
class Argument:
    """An argument of a prompt; without a default it is required."""

    name: str
    description: str
    default: str | None = None


@dataclass(frozen=True)
class Prompt:
    """A prompt: its name, which is also that of its template, and its arguments."""

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]


def _session(default: str) -> Argument:
    return Argument("session", f"the session; {default} by default", default)


def prompts(session: str) -> dict[str, Prompt]:
    """All prompts by name; `session` is the session where none is named."""
    image = Argument("image", "the picture: img1, img2 …, or last, the newest", "last")
    keep = Argument("keep", "what must stay as it is", "")
    found = (
        Prompt(
            "look_and_check",
            "Look and check",
            "Check facts about a picture one by one, with probabilities",
            (Argument("claim", "what is said of the picture"), image, _session(session)),
        ),
        Prompt(
            "edit_and_verify",
            "Edit and verify",
            "Edit a picture, then verify the change and what had to stay",
            (Argument("instruction", "what to change"), image, keep, _session(session)),
        ),
        Prompt(
            "compare_branches",
            "Compare branches",
            "Say in what two branches of a session differ, and which is better",
            (
                Argument("first", "a branch"),
                Argument("second", "another branch"),
                Argument("goal", "what the picture is for", ""),
                _session(session),
            ),
        ),
    )
    return {prompt.name: prompt for prompt in found}


def listed(session: str) -> list[types.Prompt]:
    """The prompts, as the protocol lists them."""
    return [
        types.Prompt(
            name=prompt.name,
            title=prompt.title,
            description=prompt.description,
            arguments=[
                types.PromptArgument(
                    name=each.name, description=each.description, required=each.default is None
                )
                for each in prompt.arguments
            ],
        )
        for prompt in prompts(session).values()
    ]


def filled(session: str, name: str, given: Mapping[str, str]) -> types.GetPromptResult:
    """A prompt with its arguments put in; InputError says what is missing, NotFoundError what there is."""
    known = prompts(session)
    prompt = known.get(name)
    if prompt is None:
        near = difflib.get_close_matches(name, known, 1) or sorted(known)
        raise NotFoundError(f"there is no prompt {name[:80]!r}", hint=f"did you mean {', '.join(near)}?")
    text = _environment().get_template(f"{prompt.name}.txt.j2").render(_values(prompt, given))
    message = types.PromptMessage(role="user", content=types.TextContent(text=text))
    return types.GetPromptResult(description=prompt.description, messages=[message])


def _values(prompt: Prompt, given: Mapping[str, str]) -> dict[str, str]:
    names = [each.name for each in prompt.arguments]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise InputError(f"{prompt.name} has no {unknown[0][:80]!r}", hint=f"it takes {', '.join(names)}")
    values = {each.name: given.get(each.name) or each.default or "" for each in prompt.arguments}
    for each in prompt.arguments:
        if each.default is None and not values[each.name].strip():
            raise InputError(f"{prompt.name} needs {each.name}", hint=f"{each.name}: {each.description}")
        if len(values[each.name]) > _LONGEST:
            raise InputError(f"{each.name} is too long", hint=f"use at most {_LONGEST} characters")
    return values


@cache
def _environment() -> SandboxedEnvironment:
    folder = resources.files("sightline").joinpath("templates/prompts")
    return SandboxedEnvironment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        undefined=StrictUndefined,
        autoescape=False,  # plain text, not a page
        trim_blocks=True,
    )
