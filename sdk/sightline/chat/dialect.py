"""Dialects: how a family of models is told of tools, and how it calls them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from sightline.chat.compact import Compact
from sightline.chat.hermes import Hermes
from sightline.chat.plain import Plain
from sightline.chat.turns import Offer, Turn, Written
from sightline_runtime.protocol import Message


class Dialect(Protocol):
    """One family's form of a dialogue with tools."""

    @property
    def calls_tools(self) -> bool:
        """Whether the family calls tools at all."""

    @property
    def cuts(self) -> bool:
        """Whether the model itself leaves out what of a long dialogue it cannot read."""

    @property
    def names_pictures(self) -> bool:
        """Whether a call can name any picture of the dialogue; else the one that is looked at is meant."""

    @property
    def opens(self) -> str | None:
        """The mark up to which all is words; "" if there is none, None if the model writes no words."""

    def spelled(self, line: str, turns: Sequence[Turn]) -> str:
        """The last line of these turns with the names of its pictures as the model knows them."""

    def messages(self, turns: Sequence[Turn], tools: Sequence[Offer]) -> tuple[Message, ...]:
        """The dialogue as the runtime takes it; InputError for text that forges the dialect's own marks."""

    def settled(self, turns: Sequence[Turn]) -> str | None:
        """What follows without asking the model, None if it is to be asked."""

    def pattern(self, turns: Sequence[Turn], tools: Sequence[Offer], *, call: bool = False) -> str:
        """The form of all that could follow: valid calls of these tools, and words unless a `call` is wanted.

        Empty where the model is left free. InputError if no tool can be called.
        """

    def reply(self, text: str, tools: Sequence[Offer], turns: Sequence[Turn] = ()) -> Written:
        """What the model wrote after these turns, taken apart; what calls no offered tool stays text."""


REMEMBERS = "dialogue"
"""The capability of an embedded model that was taught dialogues; others read their last line."""


def dialect_of(family: str, capabilities: Collection[str] = (REMEMBERS,)) -> Dialect:
    """The dialect of a model with these capabilities; one without tools if its family calls none."""
    if family == "embedded":
        return Compact(remembers=REMEMBERS in capabilities)
    return Hermes() if family in ("blip3o", "blip3o-next") else Plain()
