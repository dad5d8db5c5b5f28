"""ReAct: a thought, a call, an observation, and again until there is an answer (Yao et al. 2022)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sightline.chat.turns import ToolCall, Turn
from sightline.errors import InputError
from sightline.reasoning.brains import Brain, Dialogue, Move, Own
from sightline.reasoning.desk import UNCHECKED, Candidate, Desk, Stop
from sightline.reasoning.outcome import Goal
from sightline.results import Answered, Picture, Result
from sightline.toolset import offers
from sightline.toolset.faults import RefusedError, fault_of
from sightline.toolset.telling import told
from sightline_runtime.protocol import ImageSlot
from sightline_tools.tool import Tool

_AT_ONCE = 4
"""Calls of one turn that are done."""
_SURE = 0.5
"""The score of an answer that no look at a picture gave."""


@dataclass(frozen=True)
class ReAct:
    """A brain decides each call from what came of those before, in at most `max_turns` turns.

    It may call `tools`. A wrong call is told it, so that it can be mended. A call that was made
    before, or a turn without words or calls, ends the chain: it would go round in circles.
    """

    brain: Brain = field(default_factory=Own)
    max_turns: int = 8
    tools: tuple[str, ...] = ("understand", "edit", "generate", "isolate", "zoom")

    def __post_init__(self) -> None:
        if not 1 <= self.max_turns <= 64:
            raise InputError(f"max_turns is {self.max_turns}", hint="use 1 to 64 turns")

    def pursue(self, goal: Goal, desk: Desk) -> Candidate:
        """Let the brain work until it answers, or can go on no more."""
        work = _Chain(goal, desk, _offered(desk, self.tools))
        for _ in range(self.max_turns):
            reply = self.brain.next(desk, work.dialogue, tuple(work.offered.values()))
            if not reply.calls:
                return work.answered(reply.text)
            if not work.done(reply):
                return work.ended("refused", "it repeats a call that was made before")
        return work.ended("rounds", f"there was no answer after {self.max_turns} turns")


def _offered(desk: Desk, names: Sequence[str]) -> dict[str, offers.Offer]:
    toolbox = desk.executor.toolbox.only(*names)
    return {each.name: each for each in offers.offers(toolbox) if isinstance(each.source, Tool)}


class _Chain:
    """One chain: the dialogue so far, what was called, and what was made last."""

    def __init__(self, goal: Goal, desk: Desk, offered: Mapping[str, offers.Offer]) -> None:
        self.goal, self.desk, self.offered = goal, desk, offered
        slots = tuple(ImageSlot(index) for index in range(len(goal.pictures)))
        names = tuple(picture.alias or "" for picture in goal.pictures)
        self.dialogue = Dialogue((Turn("user", (*slots, goal.text), names=names),), goal.pictures)
        self._made: set[str] = set()
        self._calls = 0
        self._said: Answered | None = None
        self._drawn: Candidate | None = None

    def done(self, reply: Move) -> bool:
        """Do the calls of a turn and tell what came of them; False if one was made before."""
        calls = [self._numbered(call) for call in reply.calls[:_AT_ONCE]]
        again = [_key(call) in self._made for call in calls]
        if any(again):
            return False
        self.dialogue = self.dialogue.said(
            Turn("assistant", (reply.text,) if reply.text else (), tuple(calls))
        )
        pictures: list[Picture] = []
        for call in calls:
            self._made.add(_key(call))
            text, made = self._called(call, reply.text)
            self.dialogue = self.dialogue.said(Turn("tool", (text,), answers=call.id))
            pictures += made.images if made is not None else ()
        if pictures:
            self.dialogue = self.dialogue.shown(pictures[-1])
        return True

    def _numbered(self, call: ToolCall) -> ToolCall:
        self._calls += 1
        return replace(call, id=f"call_{self._calls}")

    def _called(self, call: ToolCall, thought: str) -> tuple[str, Result | None]:
        """What is told of a call, and what it made; an error that can be mended is told too."""
        offer = self.offered.get(call.name)
        if offer is None:
            return f"Error: there is no tool {call.name[:80]!r}; there are {', '.join(self.offered)}", None
        try:
            made = self.desk.act(offer, call.arguments, why=thought or _told(call))
        except (RefusedError, InputError) as error:
            return fault_of(error, offer.name, offer.input_schema).text, None
        if isinstance(made, Answered):
            self._said = made
        elif made.images and made.step.tool != "understand":
            picture = Candidate(picture=made.images[0], score=UNCHECKED, partial=self.goal.kind == "answer")
            self._drawn = self.desk.offer(picture, instead=self._drawn)
        return told(self.desk.executor, made, 0).text, made

    def answered(self, text: str) -> Candidate:
        """The end by words: the answer, or the last picture if one is wanted."""
        if self.goal.kind != "answer":
            first = text.strip().partition("\n")[0]
            return self.ended("done", first[:200] or "it called no more tools")
        if not text:
            return self.ended("refused", "it said nothing")
        said = self._said is not None and self._said.text.strip().lower() in text.lower()
        score = self._said.confidence if self._said is not None and said else _SURE
        found = _choice(text, self.goal.choices)
        return self.desk.offer(Candidate(answer=found, score=score, picture=self._picture()))

    def ended(self, stopped: Stop, why: str) -> Candidate:
        """The end without words: what was looked up last, or drawn last."""
        if self.goal.kind == "answer":
            said = self._said
            found = Candidate() if said is None else Candidate(said.text, score=said.confidence / 2)
            return replace(found, stopped=stopped, why=why, picture=self._picture())
        if self._drawn is None:
            return Candidate(
                stopped="refused", why=why if stopped != "done" else f"no picture was made: {why}"
            )
        return replace(self._drawn, stopped=stopped, why=why)

    def _picture(self) -> Picture | None:
        return None if self._drawn is None else self._drawn.picture


def _choice(text: str, choices: Sequence[str]) -> str:
    """The one choice that is in the text, if there are choices and it is one."""
    found = [choice for choice in choices if choice.lower() in text.lower().split() or choice == text]
    return found[0] if len(found) == 1 else text


def _key(call: ToolCall) -> str:
    return json.dumps([call.name, dict(call.arguments)], sort_keys=True, default=str)


def _told(call: ToolCall) -> str:
    texts = [value for value in call.arguments.values() if isinstance(value, str)]
    return f"{call.name}: {max(texts, key=len)}" if texts else call.name
