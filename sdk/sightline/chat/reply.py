"""What comes of a turn: what was said, what was called, and why it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sightline.results import Result

Stop = Literal["done", "asks", "failed", "repeated", "calls", "budget", "empty"]
"""Why a turn ended: the model had answered; it asks back; no call could be done; the same call
came twice; there were too many calls; the budget was used up; the model said nothing."""


@dataclass(frozen=True)
class CallMade:
    """A call of a turn: the tool, its arguments, what it answered, and its step if it made one."""

    name: str
    arguments: Mapping[str, object]
    answer: str
    step: str | None = None
    ok: bool = True

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.name}({told}) → {self.answer}"


@dataclass(frozen=True, repr=False)
class Reply(Result):
    """What the model replied: `text`, the pictures it made or showed, and the `calls` it made.

    `step` is the last of the turn's `steps`, `confidence` the probability of the answer, or of the
    call where the answer is a picture. `stopped` says why the turn ended, `why` in words.
    """

    __hash__ = Result.__hash__
    text: str = ""
    confidence: float = 0.0
    calls: tuple[CallMade, ...] = ()
    steps: tuple[str, ...] = ()
    stopped: Stop = "done"
    why: str = ""

    def _line(self) -> str:
        made = f" {super()._line()}" if self.images else ""
        return f"{self.text!r}{made} p={self.confidence:.2f} {self.stopped}"

    def __str__(self) -> str:
        return self.text
