"""The loop that lets a planner call tools: ask, do what it wants, tell it what came of it, ask again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sightline.planner.chat_form import JsonObject, Said
from sightline_runtime.errors import InputError

TURNS = 12
"""How often a planner is asked, unless the caller says otherwise."""

Why = Literal["answered", "length", "turns", "seconds"]


class Speaker(Protocol):
    """What plans: a `Planner`, or whatever stands in for one."""

    def chat(self, messages: Sequence[JsonObject], tools: Sequence[JsonObject] = ()) -> Said:
        """What it says next."""


class Tools(Protocol):
    """What it may call: a `Toolset`, with its own budget and approval."""

    def openai(self) -> Sequence[JsonObject]:
        """The tools in OpenAI's chat form."""

    def handle_all(self, message: object) -> Sequence[Mapping[str, object]]:
        """Do the tool calls of a message and give the messages that answer them."""


@dataclass(frozen=True)
class Driven:
    """How a drive ended: the last text, why it stopped, the dialogue, and the tokens that it took."""

    text: str
    why: Why
    turns: int
    messages: tuple[JsonObject, ...]
    tokens: int

    @property
    def answered(self) -> bool:
        """Whether the planner ended by itself."""
        return self.why == "answered"


def drive(
    planner: Speaker,
    tools: Tools,
    goal: str | Sequence[JsonObject],
    *,
    max_turns: int = TURNS,
    seconds: float | None = None,
    pictures: bool = False,
) -> Driven:
    """Let a planner work towards a goal, a text or the dialogue so far, until it calls no more tools.

    It is asked at most `max_turns` times, the last time without tools, so that it ends with
    words, and not after `seconds`. What its calls may cost is the toolset's budget.
    `pictures` shows it the previews of what it makes, which only models that see can take.
    """
    if max_turns < 1:
        raise InputError(f"max_turns is {max_turns}", hint="allow at least one turn")
    messages = [{"role": "user", "content": goal}] if isinstance(goal, str) else list(goal)
    dialogue: list[JsonObject] = [*messages]
    offered, ends, tokens, text = list(tools.openai()), time.monotonic() + (seconds or 0.0), 0, ""
    for turn in range(1, max_turns + 1):
        if seconds is not None and turn > 1 and time.monotonic() >= ends:
            return Driven(text, "seconds", turn - 1, tuple(dialogue), tokens)
        said = planner.chat(tuple(dialogue), offered if turn < max_turns else ())
        tokens += said.prompt_tokens + said.completion_tokens
        text = said.text or text
        dialogue.append(said.message)
        if not said.calls:
            why: Why = "length" if said.finish == "length" else "answered"
            return Driven(text, why, turn, tuple(dialogue), tokens)
        dialogue += [each for each in tools.handle_all(said.message) if pictures or each["role"] == "tool"]
    return Driven(text, "turns", max_turns, tuple(dialogue), tokens)
