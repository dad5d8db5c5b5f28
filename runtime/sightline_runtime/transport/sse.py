"""Server-sent events: from the bytes of a stream to events (WHATWG HTML, 9.2.6)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r(?!\Z))")
"""A line and its end; a CR at the very end may be half of a CRLF."""


@dataclass(frozen=True)
class ServerEvent:
    """One event: its name ("message" by default), its data, and the last id that the stream gave."""

    name: str
    data: str
    id: str = ""


class Parser:
    """Takes pieces of a stream however they are cut and gives the events that are whole."""

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._rest, self._name, self._id = "", "", ""
        self._data: list[str] = []

    @property
    def held(self) -> int:
        """How many characters of an event that is not whole yet are held."""
        return len(self._rest) + sum(map(len, self._data))

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that end in this piece."""
        self._rest += self._text.decode(piece)
        end = 0
        for line in _LINE.finditer(self._rest):
            end = line.end()
            event = self._line(line[1])
            if event is not None:
                yield event
        self._rest = self._rest[end:]

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._whole()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _whole(self) -> ServerEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return ServerEvent(name, "\n".join(data), self._id) if data else None
