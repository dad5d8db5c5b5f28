"""The events of one job in order, for readers that come late, come back, or are slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

PING = 15.0
"""Seconds of silence after which a reader is told that the line is alive."""


@dataclass(frozen=True)
class Entry:
    """One event: its offset, from 1, its name, and its data as one line of JSON."""

    id: int
    name: str
    data: str


class EventLog:
    """Grows at one end and is read from any offset; belongs to one event loop.

    Of the previews of a picture only the newest is kept: a slow reader misses the others,
    and never a text. The last entry is the outcome; nothing comes after it.
    """

    def __init__(self) -> None:
        self._entries: list[Entry | None] = []
        self._previews: dict[object, int] = {}
        self._news = asyncio.Event()
        self.ended = False

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, name: str, data: str, *, instead_of: object = None, last: bool = False) -> bool:
        """Add an event, in the place of the one that was told of the same thing; whether it is taken."""
        if self.ended:
            return False
        if instead_of is not None:
            before = self._previews.get(instead_of)
            if before is not None:
                self._entries[before] = None
            self._previews[instead_of] = len(self._entries)
        self._entries.append(Entry(len(self._entries) + 1, name, data))
        self.ended = last
        self._news.set()
        self._news = asyncio.Event()
        return True

    async def after(self, offset: int, *, ping: float = PING) -> AsyncIterator[Entry | None]:
        """The entries behind an offset, as they come, until the outcome; None after each silence."""
        at = offset
        while True:
            while at < len(self._entries):
                entry = self._entries[at]
                at += 1
                if entry is not None:
                    yield entry
            if self.ended:
                return
            try:
                await asyncio.wait_for(self._news.wait(), ping)
            except TimeoutError:
                yield None
