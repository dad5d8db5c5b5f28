"""OpenAI's route of dialogues, `/v1/chat/completions`: whole answers, streams, and tool calls."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from sightline.server.access import Caller, needs
from sightline.server.deadlines import limit_of
from sightline.server.house import house_of
from sightline.server.openai_answers import Answer, Desk
from sightline.server.openai_dialogue import REFUSED, asked
from sightline.server.openai_extras import unheeded
from sightline.server.openai_forms import ChatForm
from sightline.server.openai_pictures import given
from sightline.server.openai_shown import ANSWER
from sightline.server.openai_stream import data, streamed
from sightline.server.work import run, told
from sightline_runtime.protocol import RuntimeInfo

router = APIRouter(tags=["openai"])

Chat = Annotated[Caller, Depends(needs("chat"))]


@router.post("/v1/chat/completions", summary="Go on with a dialogue", response_model=None, responses=ANSWER)
async def completions(request: Request, form: ChatForm, caller: Chat) -> Response:
    """Answer the last message of a dialogue about pictures, or call one of the tools that it offers.

    OpenAI's form and answer. One question about one picture is a step of the session (`session`,
    `branch`); `sightline` in the answer says which, and how sure the model is. A picture is a
    data: URI, or one of the session by name (`img3`, `sha256:…`) or link.
    """
    house, warnings, parts = house_of(request), unheeded(form, REFUSED), asked(form)
    pictures = tuple([await given(house, place) for place in parts.places])
    desk, frame = Desk(house, caller, parts, pictures), _Frame.of(form)
    if form.stream:
        return await streamed(request, _frames(request, desk, frame, warnings))
    answer = await run(request, house.crew, partial(desk.answer, lambda _: None))
    return JSONResponse(frame.whole(_warned(answer, warnings), house.runtime.info))


@dataclass(frozen=True)
class _Frame:
    """What an answer and all its chunks have in common."""

    id: str
    created: int
    model: str
    counts: bool

    @classmethod
    def of(cls, form: ChatForm) -> _Frame:
        counts = form.stream_options is not None and bool(form.stream_options.include_usage)
        return cls(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), form.model, counts)

    def _head(self, kind: str) -> dict[str, object]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def whole(self, answer: Answer, info: RuntimeInfo) -> dict[str, object]:
        """An answer in one piece."""
        text = None if answer.calls and not answer.text else answer.text
        message: dict[str, object] = {"role": "assistant", "content": text, "refusal": None}
        if answer.calls:
            message["tool_calls"] = _calls(answer)
        choice = {"index": 0, "message": message, "finish_reason": answer.finish, "logprobs": None}
        head = self._head("chat.completion") | {"system_fingerprint": info.fingerprint[:16]}
        return {**head, "choices": [choice], "usage": _usage(answer.usage), **_beside(answer)}

    def chunk(
        self, delta: Mapping[str, object], finish: str | None = None, **beside: object
    ) -> dict[str, object]:
        """A piece of an answer."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        counted: dict[str, object] = {"usage": None} if self.counts else {}
        return {**self._head("chat.completion.chunk"), "choices": [choice], **counted, **beside}

    def count(self, usage: Mapping[str, float]) -> dict[str, object]:
        """The last chunk, which tells what the answer cost."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": _usage(usage)}


async def _frames(
    request: Request, desk: Desk, frame: _Frame, warnings: tuple[str, ...]
) -> AsyncGenerator[bytes]:
    """Chunks as they come: the role, text, calls, why it ended, and what it cost if that was asked."""
    crew, begun, spoke = desk.house.crew, False, False

    def work(tell: Callable[[str | Answer], None]) -> None:
        tell(desk.answer(tell))

    async with aclosing(told(crew, work, limit=limit_of(request, crew.most_seconds))) as events:
        async for event in events:
            if not begun:
                begun = True
                yield data(frame.chunk({"role": "assistant", "content": ""}))
            if isinstance(event, str):
                spoke = True
                yield data(frame.chunk({"content": event}))
            else:
                for chunk in _ending(frame, _warned(event, warnings), spoke):
                    yield data(chunk)
    yield b"data: [DONE]\n\n"


def _ending(frame: _Frame, answer: Answer, spoke: bool) -> list[dict[str, object]]:
    """The last chunks of an answer; its text among them if none was told on the way."""
    chunks = []
    if answer.text and not spoke:
        chunks.append(frame.chunk({"content": answer.text}))
    for index, call in enumerate(_calls(answer)):
        chunks.append(frame.chunk({"tool_calls": [{"index": index, **call}]}))
    chunks.append(frame.chunk({}, answer.finish, **_beside(answer)))
    return [*chunks, frame.count(answer.usage)] if frame.counts else chunks


def _calls(answer: Answer) -> list[dict[str, object]]:
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
        }
        for call in answer.calls
    ]


def _usage(usage: Mapping[str, float]) -> dict[str, int]:
    read = int(usage.get("prompt_tokens", 0)) + int(usage.get("image_tokens", 0))
    written = int(usage.get("completion_tokens", 0))
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _beside(answer: Answer) -> dict[str, object]:
    """Our own fields."""
    noted: dict[str, object] = {"sightline": dict(answer.noted)} if answer.noted else {}
    return noted | ({"warnings": list(answer.warnings)} if answer.warnings else {})


def _warned(answer: Answer, warnings: tuple[str, ...]) -> Answer:
    return replace(answer, warnings=(*warnings, *answer.warnings))
