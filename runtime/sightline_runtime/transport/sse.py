"""Server-sent events: from the bytes of a stream to events (WHATWG HTML, 9.2.6)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

_END = re.compile(r"\r\n|\n|\r")


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
        self._name, self._id = "", ""
        self._line, self._data = list[str](), list[str]()
        self._after_cr = False
        self.held = 0
        """How many characters came since the last whole event."""

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that end in this piece; each character is looked at once, however long an event is."""
        text = self._text.decode(piece)
        if not text:
            return
        if self._after_cr:  # the second half of a CRLF ends no other line
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r")
        *ends, rest = _END.split(text)
        for end in ends:
            self.held += len(end)
            event = self._ended("".join([*self._line, end]))
            self._line.clear()
            if event is not None:
                yield event
        self._line.append(rest)
        self.held += len(rest)

    def _ended(self, line: str) -> ServerEvent | None:
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
        self._name, self._data, self.held = "", [], 0
        return ServerEvent(name, "\n".join(data), self._id) if data else None
