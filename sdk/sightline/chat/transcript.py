"""A dialogue as the embedded model was trained to read it: lines, calls, and short results.

A result is an answer ("three") or the picture that is looked at now ("picture two"). It
is told by a note of the system after its call; a picture that comes in from outside, by
one before its line. What the assistant said of a result is left out: the result tells it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sightline.chat.acts import IMAGE, NUMBERS, SHOW, TEXTS, UNDO, answer_in, means
from sightline.chat.turns import ToolCall, Turn
from sightline_runtime.protocol import ImageSlot, Message

_ALIAS = re.compile(r"\bimg[1-9][0-9]{0,8}\b")
_FAILED = "Error"
"""How the answer of a tool begins that did nothing."""
_WORDS = 12
"""Words of an answer that are told; the model's own have one to five."""


@dataclass
class Transcript:
    """The messages of a dialogue; `names` are its pictures in order, `trail` those looked at, in order."""

    messages: list[Message] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    trail: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, turns: Sequence[Turn]) -> Transcript:
        """Read a dialogue; what the system says is not for a model that knows few words."""
        told, calls, before = cls(), dict[str, ToolCall](), ""
        for turn in turns:
            if turn.role == "system" or (before == "tool" and _only_shows(turn)):
                continue
            if turn.role == "tool" and turn.answers in calls:
                told._answer(calls[turn.answers], turn.text)
            elif turn.role == "user":
                told._line(turn)
            elif turn.role == "assistant" and turn.calls:
                calls = {call.id: call for call in turn.calls}
            elif turn.role == "assistant" and before == "user":
                told._spoke(turn.text)
            before = turn.role
        return told

    def _line(self, turn: Turn) -> None:
        shown = sum(isinstance(part, ImageSlot) for part in turn.content)
        known = turn.names or _ALIAS.findall(turn.text)
        for place in range(shown):
            self._look(known[place] if place < len(known) else None)
            self._note(self._now)
        if turn.content:
            self.messages.append(Message("user", turn.content))

    def _spoke(self, text: str) -> None:
        """An answer without a call: as if the model had looked it up."""
        line = self.messages[-1].text if self.messages else ""
        self.messages.append(Message("assistant", (f"understand ( {line} )",)))
        self._note(text)

    def _answer(self, call: ToolCall, text: str) -> None:
        """A call and what came of it; one after the other where several were made at once."""
        act = means(call.name)
        self.messages.append(Message("assistant", (self._written(act or call.name, call),)))
        if text.startswith(_FAILED):
            self._note(self._now)
            return
        made = next(iter(_ALIAS.findall(text)), None)
        if act in ("generate", "edit") or (act is None and made is not None):
            self._look(made)
        elif act == UNDO and len(self.trail) > 1:
            self.trail.pop()
        elif act == SHOW and call.arguments.get(IMAGE) in self.names:
            self.trail.append(self.names.index(str(call.arguments[IMAGE])))
        shows = act in ("generate", "edit", UNDO, SHOW) or (act is None and made is not None)
        self._note(self._now if shows else answer_in(act, text))

    def _look(self, name: str | None) -> None:
        """A picture is looked at: a new one, or one that was there."""
        if name not in self.names:
            self.names.append(name or f"img{len(self.names) + 1}")
        self.trail.append(self.names.index(name) if name in self.names else len(self.names) - 1)

    @property
    def looked_at(self) -> str | None:
        """The name of the picture that is looked at now."""
        return self.names[self.trail[-1]] if self.trail else None

    @property
    def before(self) -> str | None:
        """The name of the picture that was looked at before it, where a step back leads."""
        return self.names[self.trail[-2]] if len(self.trail) > 1 else None

    @property
    def _now(self) -> str:
        return f"picture {_number(self.trail[-1] + 1)}" if self.trail else "nothing"

    def _note(self, text: str) -> None:
        self.messages.append(Message("system", (" ".join(text.split()[:_WORDS]) or "nothing",)))

    def _written(self, act: str, call: ToolCall) -> str:
        """A call as the model writes it; a picture other than the last one is named by its number."""
        texts = [v for name, v in call.arguments.items() if isinstance(v, str) and name != IMAGE]
        text = str(call.arguments.get(TEXTS.get(act, ""), texts[0] if texts else ""))
        image = call.arguments.get(IMAGE)
        at = self.names.index(image) if image in self.names else None
        other = "" if at is None or (act != SHOW and at == self.trail[-1]) else f"picture {_number(at + 1)}"
        inside = " , ".join(part for part in (other, text) if part)
        return f"{act} ( {inside} )" if inside else f"{act} ( )"


def _only_shows(turn: Turn) -> bool:
    """Whether a user's turn, after that of a tool, just shows the model the picture that the tool made."""
    return turn.role == "user" and turn.shows and not (turn.names and turn.text)


def _number(value: int) -> str:
    return NUMBERS[value] if value < len(NUMBERS) else str(value)
