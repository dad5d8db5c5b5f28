"""What a model is told of a long dialogue. Trimming is a view: the steps stay, and another view sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sightline.chat.turns import Turn
from sightline_runtime.protocol import ImageSlot, Message

_LETTERS = 4
"""Letters of a token, about."""


class Trim(BaseModel):
    """How much of a dialogue a model reads: the last `turns` lines of the user's with all that followed.

    Of their pictures the last `pictures` are shown, others only named. `tokens` bounds all text,
    about; None is half of what the model reads. The instructions and the last line always stay.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    turns: Annotated[int, Field(ge=1)] = 32
    pictures: Annotated[int, Field(ge=0)] = 4
    tokens: Annotated[int, Field(ge=1)] | None = None

    def apply(self, turns: Sequence[Turn], limit: int | None) -> list[Turn]:
        """The turns that are told to a model that reads `limit` tokens, None if it cuts by itself."""
        system = [turn for turn in turns if turn.role == "system"]
        kept = _last_lines([turn for turn in turns if turn.role != "system"], self.turns)
        bound = self.tokens or (None if limit is None else limit // 2)
        most = None if bound is None else bound - sum(map(_tokens, system))
        while most is not None and sum(map(_tokens, kept)) > most:
            shorter = _without_first(kept)
            if len(shorter) == len(kept):
                break
            kept = shorter
        return [*system, *kept]


def _starts(turns: Sequence[Turn]) -> list[int]:
    """Where the user says something: before it nothing waits for an answer."""
    return [place for place, turn in enumerate(turns) if turn.role == "user" and turn.text]


def _last_lines(turns: Sequence[Turn], count: int) -> list[Turn]:
    starts = _starts(turns)
    return list(turns[starts[-count] :]) if len(starts) > count else list(turns)


def _without_first(turns: Sequence[Turn]) -> list[Turn]:
    starts = _starts(turns)
    return list(turns[starts[1] :]) if len(starts) > 1 else list(turns)


def _tokens(turn: Turn) -> int:
    return (
        len(turn.text) // _LETTERS + sum(len(str(call.arguments)) // _LETTERS + 8 for call in turn.calls) + 4
    )


def newest_shown(messages: Sequence[Message], most: int) -> tuple[Message, ...]:
    """Messages without their pictures but the last so many."""
    left, kept = most, list[Message]()
    for message in reversed(messages):
        content: list[str | ImageSlot] = []
        for part in reversed(message.content):
            if isinstance(part, str) or left > 0:
                content.append(part)
            left -= not isinstance(part, str)
        kept.append(replace(message, content=tuple(content[::-1])))
    return tuple(message for message in kept[::-1] if message.content)
