"""Dialects: how a family of models is told of tools, and how it calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sightline.chat.compact import Compact
from sightline.chat.hermes import Hermes
from sightline.chat.plain import Plain
from sightline.chat.turns import Offer, Reply, Turn
from sightline_runtime.protocol import Message


class Dialect(Protocol):
    """One family's form of a dialogue with tools."""

    @property
    def calls_tools(self) -> bool:
        """Whether the family calls tools at all."""

    def messages(self, turns: Sequence[Turn], tools: Sequence[Offer]) -> tuple[Message, ...]:
        """The dialogue as the runtime takes it; InputError for text that forges the dialect's own marks."""

    def settled(self, turns: Sequence[Turn]) -> str | None:
        """What follows without asking the model, None if it is to be asked."""

    def reply(self, text: str, tools: Sequence[Offer], turns: Sequence[Turn] = ()) -> Reply:
        """What the model wrote after these turns, taken apart; what calls no offered tool stays text."""


DIALECTS: Mapping[str, Dialect] = {"embedded": Compact(), "blip3o": Hermes(), "blip3o-next": Hermes()}
"""The dialect of each family that calls tools."""


def dialect_of(family: str) -> Dialect:
    """The dialect of a family; one without tools if it is not known to call any."""
    return DIALECTS.get(family, Plain())
