"""The dialect of the embedded model: one line asks, one short call answers, `edit ( make the star red )`.

The model knows five acts and no names of tools. A tool that the caller offers stands
for an act by its name, a prefix aside, and by the one text that the act carries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import ClassVar

from sightline.chat.acts import (
    IMAGE,
    NUMBERS,
    SHOW,
    TEXTS,
    UNDO,
    act_of,
    answer_in,
    arguments,
    means,
    standing_for,
)
from sightline.chat.transcript import Transcript
from sightline.chat.turns import Offer, ToolCall, Turn, Written
from sightline.chat.whole_line import whole_line
from sightline_runtime.protocol import Message
from sightline_tools.call_patterns import call_pattern
from sightline_tools.schemas import PICTURE

_TOOLS = Message("system", ("tools",))
"""The mark that a call is wanted."""


@dataclass(frozen=True)
class Compact:
    """Lines and calls in the words of the world; what a tool said is the answer: more words are not known.

    A model that `remembers` reads the dialogue, another one its last line, made whole by rules.
    """

    remembers: bool = True
    calls_tools: ClassVar[bool] = True
    cuts: ClassVar[bool] = True
    opens: ClassVar[str | None] = None

    @property
    def names_pictures(self) -> bool:
        """Only a model that remembers has numbers for them."""
        return self.remembers

    def spelled(self, line: str, turns: Sequence[Turn]) -> str:
        """Numbers for names; the picture that is looked at is not named."""
        told = Transcript.of(turns)
        if told.looked_at is not None:
            line = re.sub(rf"\s*\b(?:in|of|on|from|at) {told.looked_at}\b", "", line, flags=re.IGNORECASE)
        for number, name in list(enumerate(told.names, 1))[: len(NUMBERS) - 1] if self.remembers else ():
            line = re.sub(rf"\b{name}\b", f"picture {NUMBERS[number]}", line, flags=re.IGNORECASE)
        return line

    def messages(self, turns: Sequence[Turn], tools: Sequence[Offer]) -> tuple[Message, ...]:
        """The transcript of the dialogue where a call is wanted; the lines alone where an answer is."""
        if tools:
            told = Transcript.of(turns).messages
            return (_TOOLS, *(told if self.remembers else [Message("user", (whole_line(told),))]))
        return tuple(Message("user", turn.content) for turn in turns if turn.role == "user" and turn.content)

    def settled(self, turns: Sequence[Turn]) -> str | None:
        """What the tools answered, if nobody has said anything since but shown the picture that one made."""
        since = list(takewhile(lambda turn: turn.role == "tool" or turn.shows, reversed(turns)))
        acts = {call.id: means(call.name) for turn in turns for call in turn.calls}
        told = [turn for turn in reversed(since) if turn.role == "tool"]
        answers = [answer_in(acts.get(turn.answers), turn.text) for turn in told]
        return "\n".join(answers) if answers else None

    def pattern(self, turns: Sequence[Turn], tools: Sequence[Offer], *, call: bool = False) -> str:
        """A call of an act that an offered tool stands for; the model writes nothing else."""
        count = min(len(Transcript.of(turns).names), len(NUMBERS) - 1) if self.remembers else 0
        pictures = [f"picture {number}" for number in NUMBERS[1 : count + 1]]
        known = [act for act in (*TEXTS, UNDO, SHOW) if standing_for(act, tools) is not None]
        acts = [_Act(act, bool(pictures)) for act in known if pictures or act != SHOW]
        return call_pattern(acts, pictures, "words")

    def reply(self, text: str, tools: Sequence[Offer], turns: Sequence[Turn] = ()) -> Written:
        """A call of the offered tool that stands for the act."""
        act = act_of(text)
        tool = None if act is None else standing_for(act.name, tools)
        if act is None or tool is None:
            return Written(text.strip(), asks=act.text if act and act.name == "understand" else "")
        filled = arguments(act, tool, Transcript.of(turns).names)
        return Written(text.strip()) if filled is None else Written("", (ToolCall(tool.name, filled),))


@dataclass(frozen=True)
class _Act:
    """An act as something that can be called, by its name; `named` if there are pictures that it may name."""

    name: str
    named: bool
    description: str = ""

    @property
    def input_schema(self) -> Mapping[str, object]:
        """A picture where it may name one, and the text if it has one."""
        text = {TEXTS[self.name]: {"type": "string"}} if self.name in TEXTS else {}
        shown = (
            {IMAGE: {"pattern": PICTURE}} if self.named and self.name in ("edit", "understand", SHOW) else {}
        )
        return {"type": "object", "properties": {**shown, **text}, "required": [*shown, *text]}
