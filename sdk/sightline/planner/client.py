"""A text model elsewhere that plans: a client of OpenAI's chat form.

    planner = Planner("https://llm.example/v1", "some-model", api_key="…")
    with sl.Session() as s:
        told = drive(planner, s.toolset(), "draw two green stars and check that there are two")

Any server of that form will do, Sightline's own among them. The key is asked for each
planner by itself: it is not the one of a Sightline server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing

from sightline.planner.chat_form import Gathered, JsonObject, Said, TextPiece, said_of
from sightline_runtime.errors import InputError
from sightline_runtime.transport.client import Transport


class Planner:
    """A chat model behind an OpenAI-compatible server.

    `url` is the address with its version, such as https://llm.example/v1. The server may be
    silent for `timeout` seconds. A call is repeated, up to `tries` times, only where the
    server cannot have begun with it: a repeated call would be paid twice. Close it when done.
    """

    def __init__(
        self, url: str, model: str, *, api_key: str | None = None, timeout: float = 120.0, tries: int = 5
    ) -> None:
        self._transport = Transport(url, api_key=api_key, timeout=timeout, tries=tries)
        self.model = model

    def chat(
        self, messages: Sequence[JsonObject], tools: Sequence[JsonObject] = (), **options: object
    ) -> Said:
        """What the model says next; `options` are further fields of the request, such as temperature.

        Raises EngineError if the server fails or gives no answer of the chat form, BusyError
        if it stays busy, InputError for what it refuses.
        """
        return self._transport.wait(self._said(self._body(messages, tools, options)))

    def stream(
        self, messages: Sequence[JsonObject], tools: Sequence[JsonObject] = (), **options: object
    ) -> Iterator[TextPiece | Said]:
        """The same, piece by piece as it is written; the whole comes last. Leaving early stops it."""
        return self._transport.iterate(self._pieces(self._body(messages, tools, options | {"stream": True})))

    async def chat_async(
        self, messages: Sequence[JsonObject], tools: Sequence[JsonObject] = (), **options: object
    ) -> Said:
        """The same as `chat`, awaited, on any loop; a cancelled await ends the call."""
        body = self._body(messages, tools, options)
        return await asyncio.wrap_future(self._transport.start(self._said(body)))

    def close(self) -> None:
        """End what runs and leave the server; harmless when repeated."""
        self._transport.close()

    def __enter__(self) -> Planner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _body(
        self, messages: Sequence[JsonObject], tools: Sequence[JsonObject], options: Mapping[str, object]
    ) -> bytes:
        asked = {"model": self.model, "messages": list(messages), **options}
        if tools:
            asked["tools"] = list(tools)
        try:
            return json.dumps(asked, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise InputError(f"the request is no JSON: {error}", hint="give plain data") from error

    async def _said(self, body: bytes) -> Said:
        reply = await self._transport.send("POST", _CHAT, body=body, repeatable=False)
        return said_of(reply.json())

    async def _pieces(self, body: bytes) -> AsyncGenerator[TextPiece | Said, None]:
        gathered = Gathered()
        async with aclosing(self._transport.events("POST", _CHAT, body=body, repeatable=False)) as events:
            async for event in events:
                if event.data.strip() == "[DONE]":
                    break
                if text := gathered.add(event.data):
                    yield TextPiece(text)
        yield gathered.said()


_CHAT = "/chat/completions"
