"""The dialogue of a branch, awaited."""

from __future__ import annotations

from collections.abc import Sequence

from sightline.awaited.base import AsyncVerbs, awaited
from sightline.awaited.streams import AsyncStreams
from sightline.chat.reply import Reply
from sightline.chat.trim import Trim
from sightline.toolset.budgets import Budget
from sightline.toolset.running import Approve
from sightline.verbs.kinds import ImageLike


class AsyncChatting(AsyncVerbs):
    """See `verbs.chat`."""

    async def chat(
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
        return await awaited(
            self._session.chat,
            message,
            images,
            system=system,
            tools=tools,
            trim=trim,
            budget=budget,
            max_calls=max_calls,
            max_tokens=max_tokens,
            approve=approve,
            timeout=timeout,
        )

    @property
    def stream(self) -> AsyncStreams:
        """The model verbs as streams of events, to iterate over: `s.stream.generate("a star")`."""
        return AsyncStreams(self._session.stream)
