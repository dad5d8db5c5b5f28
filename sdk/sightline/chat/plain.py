"""The dialect of models that call no tools: what tools said is told as text."""

from __future__ import annotations

from collections.abc import Sequence

from sightline.chat.turns import Offer, Turn, Written, instructions
from sightline_runtime.protocol import Message


class Plain:
    """Dialogues without calls."""

    calls_tools = False

    cuts = False
    names_pictures = False
    opens: str | None = ""

    def spelled(self, line: str, turns: Sequence[Turn]) -> str:
        """The line as it is."""
        return line

    def messages(self, turns: Sequence[Turn], tools: Sequence[Offer]) -> tuple[Message, ...]:
        """Every turn that says or shows something; the answer of a tool is said by the user."""
        system = instructions(turns)
        first = (Message("system", (system,)),) if system else ()
        return first + tuple(
            Message("assistant" if turn.role == "assistant" else "user", turn.content)
            for turn in turns
            if turn.role != "system" and turn.content
        )

    def settled(self, turns: Sequence[Turn]) -> str | None:
        """The model is always asked."""
        return None

    def pattern(self, turns: Sequence[Turn], tools: Sequence[Offer], *, call: bool = False) -> str:
        """The model is left free."""
        return ""

    def reply(self, text: str, tools: Sequence[Offer], turns: Sequence[Turn] = ()) -> Written:
        """The text as it is."""
        return Written(text.strip())
