"""Stops: an answer ends where one of some texts begins, also if it comes in pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sightline_runtime.protocol import Usage


class Stopped(Exception):
    """The answer has reached a stop; what comes after it need not be written."""


class Cut:
    """Passes pieces of text on, but for what may be the beginning of a stop; raises Stopped at one."""

    def __init__(self, stops: Sequence[str], tell: Callable[[str], None]) -> None:
        self._stops, self._tell = stops, tell
        self._held, self._pieces = "", 0
        self.said = ""

    @property
    def usage(self) -> Usage:
        """What was written, about a token a piece."""
        return Usage(completion_tokens=self._pieces)

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        self._pieces += 1
        self._held += piece
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self._pass(min(found))
            raise Stopped
        self._pass(len(self._held) - max((self._open(stop) for stop in self._stops), default=0))

    def close(self) -> None:
        """Pass on what was held: no stop came of it."""
        self._pass(len(self._held))

    def _open(self, stop: str) -> int:
        """How many letters at the end may begin a stop."""
        most = min(len(stop) - 1, len(self._held))
        return next((n for n in range(most, 0, -1) if self._held.endswith(stop[:n])), 0)

    def _pass(self, count: int) -> None:
        if count:
            self.said += self._held[:count]
            self._tell(self._held[:count])
            self._held = self._held[count:]
