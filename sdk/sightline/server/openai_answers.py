"""Answers to a dialogue: a question about a picture is a step of the session, all else goes to the model."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from sightline.chat.dialect import Dialect, dialect_of
from sightline.chat.turns import Offer, ToolCall, Turn, Written
from sightline.errors import InputError
from sightline.results import Answered
from sightline.server.access import Caller
from sightline.server.house import House
from sightline.server.openai_dialogue import Asked
from sightline.server.openai_pictures import Given, Shown, check_model, looked_up
from sightline.server.openai_stops import Cut, Stopped
from sightline.server.placing import executor_of, going
from sightline.session import Session
from sightline.tree.context import Context
from sightline_runtime.protocol import Event, Message, Pixels, TextDelta, TextRequest, TextResult
from sightline_tools.vision import on_white

MOST_TOKENS = 256
"""The longest answer in tokens where a request does not say."""
Tell = Callable[[str], None]
Finish = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True)
class Answer:
    """An answer: text or calls, why it ended, what it cost, and what else is told beside it."""

    text: str
    finish: Finish = "stop"
    calls: tuple[ToolCall, ...] = ()
    usage: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    noted: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Desk:
    """Where a caller's request is answered: its house, and the pictures that came with it."""

    house: House
    caller: Caller
    asked: Asked
    given: tuple[Given, ...]

    def answer(self, tell: Tell) -> Answer:
        """Answer, and tell pieces of text on the way where they are sure; blocking."""
        form, tell = self.asked.form, (lambda _: None) if self.asked.choices else tell
        check_model(self.house, form.model)
        with (
            self.house.tenants.session(self.caller.tenant, form.session) as session,
            going(session, form.branch) as view,
        ):
            shown = looked_up(self.house, self.caller.tenant, view, self.given)
            self._check_shown()
            if self.asked.only_looks:
                return self._looked(view, shown[0], tell)
            return self._said(view, tuple(on_white(each.pixels) for each in shown), tell)

    def _check_shown(self) -> None:
        most = self.house.runtime.info.max_images
        shown = max(sum(not isinstance(part, str) for part in turn.content) for turn in self.asked.turns)
        if shown > most:
            raise InputError(
                f"a message shows {shown} pictures, the model reads {most} at a time",
                hint="show them one after the other, or lay them into one picture",
            )

    # --- a step of the session ---------------------------------------------------------------

    def _looked(self, view: Session, shown: Shown, tell: Tell) -> Answer:
        """Ask about a picture as a step that is kept, and found again."""
        limit = self.asked.most_tokens or MOST_TOKENS
        question, choices = self.asked.turns[-1].text, self.asked.choices
        image = shown.pixels if shown.ref is None else shown.ref
        args = {"image": image, "question": question, "max_tokens": limit, "choices": choices}
        result = cast(Answered, executor_of(view).run("understand", args, watch=_pieces(tell)))
        written = result.usage.get("completion_tokens", 0)
        noted = {
            "session": view.name,
            "branch": view.head[0],
            "step": result.step.id,
            "confidence": result.confidence,
            "probabilities": dict(result.probabilities),
            "cache": result.cache.status,
        }
        return Answer(
            self._formed(result.text),
            "length" if written >= limit and not self.asked.choices else "stop",
            usage=result.usage,
            warnings=result.warnings,
            noted=noted,
        )

    # --- the model alone ---------------------------------------------------------------------

    def _said(self, view: Session, pictures: tuple[Pixels, ...], tell: Tell) -> Answer:
        """Ask the model, in the dialect of its family; calls are told when they are whole."""
        asked, info = self.asked, self.house.runtime.info
        dialect = dialect_of(info.family, info.capabilities)
        settled = dialect.settled(asked.turns)
        if settled is not None:
            return Answer(settled)
        offers = asked.offers if dialect.calls_tools else ()
        unable = bool(asked.offers and not offers)
        warnings: tuple[str, ...] = ("this model calls no tools",) if unable else ()
        messages = dialect.messages(asked.turns, offers)
        forced = self._forced(dialect, offers)
        result = self._asked(view, messages, pictures, (lambda _: None) if offers else tell, forced)
        reply = dialect.reply(result.text, offers, asked.turns) if offers else Written(result.text)
        if reply.asks:  # the model would look, and nobody offered to do it: it looks itself
            messages = dialect.messages(_ask_instead(asked.turns, reply.asks), ())
            result = self._asked(view, messages, pictures, tell)
            reply = Written(result.text)
        calls = reply.calls[:1] if asked.form.parallel_tool_calls is False else reply.calls
        if asked.form.tool_choice not in (None, "auto", "none") and not calls:
            warnings += ("the model called no tool, although one was required",)
        return Answer(
            self._formed(reply.text),
            "tool_calls" if calls else result.finish,
            tuple(replace(call, id=f"call_{uuid.uuid4().hex[:24]}") for call in calls),
            vars(result.usage),
            (*warnings, *result.warnings),
            {"confidence": result.confidence, "probabilities": dict(result.probabilities)},
        )

    def _forced(self, dialect: Dialect, offers: Sequence[Offer]) -> str:
        """The pattern of a call, if one is required and the schemas of its arguments can be a pattern."""
        if not offers or self.asked.form.tool_choice in (None, "auto", "none"):
            return ""
        try:
            return dialect.pattern(self.asked.turns, offers, call=True)
        except InputError:
            return ""

    def _asked(
        self,
        view: Session,
        messages: tuple[Message, ...],
        pictures: tuple[Pixels, ...],
        tell: Tell,
        pattern: str = "",
    ) -> TextResult:
        """What the model says, up to the first stop."""
        form, cut = self.asked.form, Cut(self.asked.stops, tell)
        request = TextRequest(
            messages,
            pictures,
            choices=self.asked.choices,
            pattern=pattern,
            max_tokens=self.asked.most_tokens or MOST_TOKENS,
            temperature=form.temperature or 0.0,
            seed=(form.seed or 0) % 2**63,
        )
        runtime = self.house.runtime
        context = Context(runtime, (), executor_of(view).pictures.load, _pieces(cut.feed))
        try:
            result = context.follow(runtime.generate_text(request))
        except Stopped:
            return TextResult(cut.said, 0.0, usage=cut.usage)
        cut.close()
        return replace(result, text=cut.said) if self.asked.stops and not self.asked.choices else result

    def _formed(self, text: str) -> str:
        """An answer in the form that was asked for."""
        if not self.asked.choices:
            return text
        return json.dumps(text if self.asked.wrapped is None else {self.asked.wrapped: text})


def _pieces(tell: Tell) -> Callable[[Event], None]:
    def watch(event: Event) -> None:
        if isinstance(event, TextDelta) and event.text:
            tell(event.text)

    return watch


def _ask_instead(turns: Sequence[Turn], question: str) -> list[Turn]:
    """The dialogue with another last line."""
    return [*turns[:-1], Turn("user", (*(p for p in turns[-1].content if not isinstance(p, str)), question))]
