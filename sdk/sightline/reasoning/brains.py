"""Brains: who writes plans and decides the calls of a chain: the session's own model, or one elsewhere.

A dialogue is turns of the chat room, whoever reads them; the pictures that it shows lie
beside it, in order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sightline.chat.dialect import dialect_of
from sightline.chat.turns import Offer, ToolCall, Turn
from sightline.errors import InputError
from sightline.planner.chat_form import JsonObject, Said
from sightline.planner.driving import Speaker
from sightline.reasoning.desk import Desk
from sightline.results import Picture
from sightline.strict_json import parsed
from sightline.toolset import offers
from sightline_runtime.protocol import ImageSlot, Message, TextRequest
from sightline_tools import vendors
from sightline_tools.vision import on_white


@dataclass(frozen=True)
class Move:
    """What comes next: calls, with a thought in words, or words alone, which end the chain."""

    text: str
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True)
class Dialogue:
    """Turns, and the pictures that their slots name."""

    turns: tuple[Turn, ...]
    pictures: tuple[Picture, ...] = ()

    def said(self, *turns: Turn) -> Dialogue:
        """The dialogue with more turns."""
        return replace(self, turns=(*self.turns, *turns))

    def shown(self, picture: Picture) -> Dialogue:
        """The dialogue with a picture that the user shows."""
        turn = Turn("user", (ImageSlot(len(self.pictures)),), names=(picture.alias or "",))
        return Dialogue((*self.turns, turn), (*self.pictures, picture))

    def last(self, most: int) -> Dialogue:
        """The same with its last pictures alone, for a model that looks at no more; all have names still."""
        first = max(0, len(self.pictures) - most)
        return Dialogue(tuple(_from(turn, first) for turn in self.turns), self.pictures[first:])


def _from(turn: Turn, first: int) -> Turn:
    """A turn that shows pictures from a number on; the names of those that it shows come first."""
    slots = [part for part in turn.content if isinstance(part, ImageSlot)]
    hidden = sum(slot.index < first for slot in slots)
    moved = [ImageSlot(part.index - first) if isinstance(part, ImageSlot) else part for part in turn.content]
    kept = [part for part in moved if not (isinstance(part, ImageSlot) and part.index < 0)]
    return replace(turn, content=tuple(kept), names=(*turn.names[hidden:], *turn.names[:hidden]))


class Brain(Protocol):
    """Who reads a dialogue and says what comes next: calls of the tools, or the answer in words."""

    def next(self, desk: Desk, dialogue: Dialogue, tools: Sequence[offers.Offer]) -> Move:
        """The next move, its cost booked at the desk."""


class Writer(Protocol):
    """Who writes a text, such as a plan."""

    def write(self, desk: Desk, dialogue: Sequence[Message], pattern: str) -> str | None:
        """What follows the dialogue, its cost booked at the desk; None if it cannot be written.

        `pattern` is what the text must match; who cannot be held to it may ignore it.
        """


@dataclass(frozen=True)
class Own:
    """The session's own model, which chats in the dialect of its family.

    Its decoding is held to what can be done: a plan of the tools, or, where the family writes
    calls as JSON, words and valid calls that name pictures which exist.
    """

    max_tokens: int = 1024

    def write(self, desk: Desk, dialogue: Sequence[Message], pattern: str) -> str | None:
        """The most likely text of the pattern; None where the model has no words for it."""
        request = TextRequest(tuple(dialogue), pattern=pattern, max_tokens=self.max_tokens)
        try:
            return desk.write(request).text
        except InputError:
            return None

    def next(self, desk: Desk, dialogue: Dialogue, tools: Sequence[offers.Offer]) -> Move:
        """What the model says."""
        info = desk.executor.runtime.info
        dialect, seen = dialect_of(info.family, info.capabilities), dialogue.last(info.max_images)
        settled = dialect.settled(seen.turns)
        if settled is not None:
            return Move(settled)
        known = [Offer(tool.name, tool.description, tool.input_schema) for tool in tools]
        told = known if dialect.calls_tools else []
        pattern = dialect.pattern(seen.turns, told) if told else ""
        request = TextRequest(
            dialect.messages(seen.turns, told),
            tuple(on_white(picture.numpy()) for picture in seen.pictures),
            pattern=pattern,
            max_tokens=self.max_tokens,
        )
        text = desk.write(request).text
        written = dialect.reply(text, told, seen.turns)
        return Move(written.text, written.calls)


@dataclass(frozen=True)
class Elsewhere:
    """A text model behind an OpenAI-compatible server: `Elsewhere(sl.Planner(url, model))`."""

    speaker: Speaker

    def write(self, desk: Desk, dialogue: Sequence[Message], pattern: str) -> str | None:
        """What it says; the pattern is for models here."""
        return self._said(desk, [{"role": m.role, "content": m.text} for m in dialogue], ()).text

    def next(self, desk: Desk, dialogue: Dialogue, tools: Sequence[offers.Offer]) -> Move:
        """What it says; it reads what was made, and sees no picture."""
        messages = [
            _message(turn) for turn in dialogue.turns if turn.role == "tool" or turn.text or turn.calls
        ]
        offered = [vendors.openai_chat(tool, strictly=True) for tool in tools]
        return _move(self._said(desk, messages, offered))

    def _said(self, desk: Desk, messages: Sequence[JsonObject], offered: Sequence[JsonObject]) -> Said:
        return desk.consult(
            lambda: self.speaker.chat(messages, offered),
            lambda told: told.prompt_tokens + told.completion_tokens,
        )


def _message(turn: Turn) -> dict[str, object]:
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": turn.answers, "content": turn.text}
    named = f" ({', '.join(turn.names)})" if turn.names else ""
    message: dict[str, object] = {"role": turn.role, "content": turn.text + named or None}
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments))},
            }
            for call in turn.calls
        ]
    return message


def _move(said: Said) -> Move:
    """Its text and calls; arguments that are no object are kept as an argument that no tool takes."""
    calls = []
    for call in said.calls:
        try:
            arguments = parsed(call.arguments)
        except ValueError:
            arguments = None
        fine = arguments if isinstance(arguments, dict) else {"arguments": call.arguments[:200]}
        calls.append(ToolCall(call.name, fine, call.id))
    return Move(said.text.strip(), tuple(calls))
