"""The dialect of the embedded model: one line asks, one short call answers, `edit ( make the star red )`.

The model knows five acts and no names of tools. A tool that the caller offers stands
for an act by its name, a prefix aside, and by the one text that the act carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from sightline.chat.acts import act_of, answer_in, arguments, means, standing_for
from sightline.chat.transcript import Transcript
from sightline.chat.turns import Offer, Reply, ToolCall, Turn
from sightline_runtime.protocol import Message

_TOOLS = Message("system", ("tools",))
"""The mark that a call is wanted."""


class Compact:
    """Lines and calls in the words of the world; what a tool said is the answer: more words are not known."""

    calls_tools = True

    def messages(self, turns: Sequence[Turn], tools: Sequence[Offer]) -> tuple[Message, ...]:
        """The transcript of the dialogue where a call is wanted; the lines alone where an answer is."""
        if tools:
            return (_TOOLS, *Transcript.of(turns).messages)
        return tuple(Message("user", turn.content) for turn in turns if turn.role == "user" and turn.content)

    def settled(self, turns: Sequence[Turn]) -> str | None:
        """What the tools answered, if nobody has said anything since but shown the picture that one made."""
        since = list(takewhile(lambda turn: turn.role == "tool" or turn.shows, reversed(turns)))
        acts = {call.id: means(call.name) for turn in turns for call in turn.calls}
        told = [turn for turn in reversed(since) if turn.role == "tool"]
        answers = [answer_in(acts.get(turn.answers), turn.text) for turn in told]
        return "\n".join(answers) if answers else None

    def reply(self, text: str, tools: Sequence[Offer], turns: Sequence[Turn] = ()) -> Reply:
        """A call of the offered tool that stands for the act."""
        act = act_of(text)
        tool = None if act is None else standing_for(act.name, tools)
        if act is None or tool is None:
            return Reply(text.strip(), asks=act.text if act and act.name == "understand" else "")
        filled = arguments(act, tool, Transcript.of(turns).names)
        return Reply(text.strip()) if filled is None else Reply("", (ToolCall(tool.name, filled),))
