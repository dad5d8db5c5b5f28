"""The two tools of a dialogue's own steps: what the model says next, and which picture is looked at again.

Nobody is offered them: a session records its dialogue with them. What a `chat` step says
follows from its arguments and from the steps before it, so it is replayed, and served
again, like any other.
"""

from __future__ import annotations

import json
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sightline.chat.acting import offered, show, told
from sightline.chat.dialect import dialect_of
from sightline.chat.dialogue import Dialogue, Shown
from sightline.chat.trim import Trim, newest_shown
from sightline.errors import InputError
from sightline.tree.context import Context
from sightline.tree.past import Past
from sightline_runtime.protocol import ImageSlot, Message, TextRequest, TextResult
from sightline_tools.image import Image
from sightline_tools.tool import ToolArgs, ToolContext, ToolResult, ToolUsage, tool
from sightline_tools.vision import on_white

MOST_TOKENS = 256


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Heard(_Data):
    """What a call answered that made no step."""

    call: str
    text: str


class Called(_Data):
    """A call; `arguments` is a JSON object as text."""

    name: str
    arguments: str


class ChatArgs(ToolArgs):
    """A line of the user's, or none where the model goes on after its calls.

    `meant` is the line with its references resolved, `said` an answer that needed no model.
    """

    message: str = ""
    images: tuple[Image, ...] = ()
    meant: str = Field(default="", exclude_if=lambda value: not value)
    said: str = Field(default="", exclude_if=lambda value: not value)
    system: str = Field(default="", exclude_if=lambda value: not value)
    heard: tuple[Heard, ...] = Field(default=(), exclude_if=lambda value: not value)
    tools: tuple[str, ...] | None = Field(default=None, exclude_if=lambda value: value is None)
    trim: Trim = Field(default=Trim(), exclude_if=lambda value: value == Trim())
    max_tokens: int = Field(default=MOST_TOKENS, ge=1)

    @model_validator(mode="after")
    def _check(self) -> ChatArgs:
        if self.images and not self.message:
            raise InputError("pictures came without a line", hint="say something about them")
        return self


class Said(ToolResult):
    """What the model said, and the calls among it."""

    text: str
    confidence: float
    calls: tuple[Called, ...] = ()


@tool(version="1", runtime=True)
def chat(args: ChatArgs, ctx: ToolContext) -> Said:
    """Say the next thing of a dialogue: words, or calls of tools."""
    if args.said:
        return Said(text=args.said, confidence=1.0)
    if not isinstance(ctx, Context) or ctx.past is None:
        raise InputError("there is no dialogue here", hint="use Session.chat")
    return _Speaking(args, ctx, ctx.past()).said()


class _Speaking:
    """One thing that is said."""

    def __init__(self, args: ChatArgs, ctx: Context, past: Past) -> None:
        self._args, self._ctx, self._info = args, ctx, ctx.runtime.info
        self._dialect = dialect_of(self._info.family, self._info.capabilities)
        self._tools = told(offered(past.toolbox, args.tools)) if self._dialect.calls_tools else ()
        dialogue = Dialogue.of(past)
        dialogue.hear({each.call: each.text for each in args.heard})
        if args.message:
            new = [Shown(image, past.alias(image.pixels)) for image in args.images]
            dialogue.say(args.meant or args.message, new, args.system)
        limit = None if self._dialect.cuts else self._info.max_prompt_tokens
        self._turns = args.trim.apply(dialogue.turns, limit)
        self._images = [each.image for each in dialogue.shown]

    def said(self) -> Said:
        """Ask the model, and take apart what it said."""
        result = self._asked(
            self._dialect.messages(self._turns, self._tools), self._dialect.pattern(self._turns, self._tools)
        )
        written = self._dialect.reply(result.text, self._tools, self._turns)
        return Said(
            text=written.text or ("" if written.calls else result.text.strip()),
            confidence=result.confidence,
            calls=tuple(Called(name=c.name, arguments=json.dumps(dict(c.arguments))) for c in written.calls),
            warnings=result.warnings,
            usage=ToolUsage.of(result.usage),
        )

    def _asked(self, messages: tuple[Message, ...], pattern: str) -> TextResult:
        messages, places = _renumbered(newest_shown(messages, self._args.trim.pictures))
        pixels = tuple(on_white(self._ctx.load(self._images[place])) for place in places)
        request = TextRequest(messages, pixels, pattern=pattern, max_tokens=self._args.max_tokens)
        return self._ctx.follow(self._ctx.runtime.generate_text(request))


def _renumbered(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], list[int]]:
    """Messages whose slots count only the pictures that they show, and which of all these are."""
    places: list[int] = []

    def again(part: str | ImageSlot) -> str | ImageSlot:
        if isinstance(part, str):
            return part
        if part.index not in places:
            places.append(part.index)
        return ImageSlot(places.index(part.index))

    return tuple(replace(m, content=tuple(map(again, m.content))) for m in messages), places


TOOLS = (chat, show)
"""Found by every session, so that it can record, replay and rerun a dialogue; offered to nobody."""
