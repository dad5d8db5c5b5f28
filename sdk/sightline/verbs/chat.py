"""The dialogue of a branch."""

from __future__ import annotations

from collections.abc import Sequence

from sightline.chat.reply import Reply
from sightline.chat.streams import Streams
from sightline.chat.talking import Options, Talk, listed
from sightline.chat.trim import Trim
from sightline.toolset.budgets import Budget
from sightline.toolset.running import Approve
from sightline.verbs.base import Verbs
from sightline.verbs.kinds import ImageLike


class Chatting(Verbs):
    """The verb of a dialogue, and the streams of all verbs."""

    def chat(
        self,
        message: str,
        images: Sequence[ImageLike] | ImageLike = (),
        *,
        system: str = "",
        tools: Sequence[str] | None = None,
        trim: Trim | None = None,
        budget: Budget | None = None,
        max_calls: int = 8,
        max_tokens: int = 256,
        approve: Approve | None = None,
        timeout: float | None = 300.0,
    ) -> Reply:
        """Say something in the dialogue of this branch, and give the model's reply.

        The model answers, or calls tools, each a step, and answers from what they give. The
        dialogue is read from the steps of the branch: after an undo, or on another branch, it is
        that branch's. `images` come with the line; in it "img3", "the last image" and "the one with
        the ring" stand for pictures. `system` is the instruction of a new dialogue, `tools` names what may
        be called, `trim` how much of a long dialogue the model reads. A turn ends at `max_calls`, at a
        call that it made before, or with the `budget`; `approve` and `timeout` are those of `toolset`.
        """
        options = Options(system, tools, trim, budget, max_calls, max_tokens, approve, timeout)
        return Talk(self._executor, options).turn(message, listed(images))

    @property
    def stream(self) -> Streams:
        """The model verbs as streams of events, to iterate over: `s.stream.generate("a star")`."""
        return Streams(self._executor)
