"""Turns of a dialogue with tools, whatever model reads them: what was said, called, and answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sightline.errors import InputError
from sightline_runtime.protocol import ImageSlot


@dataclass(frozen=True)
class Offer:
    """A tool that the model may call; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str = ""
    parameters: Mapping[str, object] | None = None


@dataclass(frozen=True)
class ToolCall:
    """A call: a tool's name and its arguments; `id` is how its answer names it."""

    name: str
    arguments: Mapping[str, object]
    id: str = ""


@dataclass(frozen=True)
class Turn:
    """One turn: text and pictures in order, the calls of an assistant, or the answer to one.

    `answers` is the id of the call that a turn of the role "tool" answers. `names` are those
    of the pictures that it shows, in order, where they are known.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: tuple[str | ImageSlot, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    answers: str = ""
    names: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The turn's text without its pictures, parts on lines of their own."""
        return "\n".join(part for part in self.content if isinstance(part, str))

    @property
    def shows(self) -> bool:
        """Whether it holds a picture."""
        return any(isinstance(part, ImageSlot) for part in self.content)


@dataclass(frozen=True)
class Written:
    """What the model said, taken apart: text, and calls of offered tools.

    `asks` is what it would have looked up by itself: the question of a call to
    understand where no such tool was offered.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    asks: str = ""


def instructions(turns: Sequence[Turn]) -> str:
    """What all turns of the system say, as one text: models read one."""
    return "\n\n".join(turn.text for turn in turns if turn.role == "system" and turn.text.strip())


def check(turns: Sequence[Turn]) -> None:
    """Refuse a dialogue that nothing can follow: no user turn, or calls and answers that do not match."""
    if not any(turn.role == "user" for turn in turns):
        raise InputError("no user has said anything", hint="send a message of the role user")
    if turns[-1].role not in ("user", "tool"):
        raise InputError(
            f"the last message is of the role {turns[-1].role}", hint="end with a user's or a tool's message"
        )
    waiting: list[str] = []
    for turn in turns:
        if turn.role == "tool":
            _answered(turn, waiting)
            continue
        if waiting:
            raise InputError(
                f"the call {waiting[0][:80]!r} has no answer",
                hint="send a tool message for every call before anything else",
            )
        waiting = [call.id for call in turn.calls]
        if len(set(waiting)) != len(waiting):
            raise InputError("two calls of one message have the same id", hint="give each its own")
    if waiting:
        raise InputError(f"the call {waiting[0][:80]!r} has no answer", hint="send its tool message")


def _answered(turn: Turn, waiting: list[str]) -> None:
    if turn.answers not in waiting:
        raise InputError(
            f"no call {turn.answers[:80]!r} waits for an answer",
            hint="a tool message follows the assistant's message that holds its call",
        )
    waiting.remove(turn.answers)
