"""One job on a server, from its request to its outcome, over as many connections as that takes.

Before the first event a lost job is started again: it is a function of its request.
After it, the stream goes on behind the last event, or the job fails with one error.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from sightline_runtime.errors import EngineError, SightlineError
from sightline_runtime.protocol import Job
from sightline_runtime.remote.carrying import Carrier
from sightline_runtime.transport.client import Answer, Transport
from sightline_runtime.transport.faults import Transient, error_from, unreachable
from sightline_runtime.transport.retrying import bearable, pause
from sightline_runtime.transport.sse import ServerEvent
from sightline_runtime.wire.answers import Result, arrays_of, event_of, named_of, result_of, text_of
from sightline_runtime.wire.arrays import Array
from sightline_runtime.wire.requests import Asked, JobForm

_GONE, _MISSING = 404, 422
_LEAVING = 2.0
"""Seconds that telling the server to stop may take; it stops by itself somewhat later."""
_ROUNDS = 3
"""How often the arrays of a job are brought: the server may let go of some before the job begins."""


class Conversation:
    """What is said about one job."""

    def __init__(
        self,
        transport: Transport,
        carrier: Carrier,
        job: Job[Any],
        asked: Asked,
        arrays: Mapping[str, Array],
        *,
        fingerprint: str,
        tries: int,
    ) -> None:
        self._transport, self._carrier, self._job = transport, carrier, job
        self._asked, self._arrays, self._fingerprint = asked, arrays, fingerprint
        self._tries, self._failures, self._rounds, self._seen = tries, 0, 0, 0
        self._begun = False
        self._path = f"/v1/runtime/jobs/{job.id}"

    async def result(self, ends: float | None) -> Result:
        """Start the job and follow it to its result; raises its error. `ends` is on the monotonic clock."""
        while True:
            left = None if ends is None else max(0.0, ends - time.monotonic())
            try:
                data = await self._listen(left)
            except Transient as failure:
                await self._recover(failure, left)
            else:
                if data is not None:
                    return await self._received(data)

    async def leave(self) -> None:
        """Tell the server that nobody waits for the job any more."""
        if not self._begun:
            return
        with suppress(SightlineError, Transient, TimeoutError):
            async with asyncio.timeout(_LEAVING), self._transport.stream("DELETE", self._path):
                pass

    async def _listen(self, left: float | None) -> object:
        """The data of the result; None if the job has to be asked for once more."""
        async with self._opened(left) as answer:
            if answer.status == _MISSING:
                await self._bring((await answer.read()).json())
                return None
            if answer.status == _GONE:
                raise EngineError("the server lost the job midway", hint="it was started anew; call again")
            async for event in answer.events():
                data = self._take(event)
                if data is not None:
                    return data
        raise unreachable(self._transport.place, EOFError("the stream ended early"), sent=True)

    def _opened(self, left: float | None) -> AbstractAsyncContextManager[Answer]:
        """The stream of events: from the start, or behind the last one that was seen."""
        if self._seen:
            after = {"last-event-id": str(self._seen)}
            return self._transport.stream("GET", f"{self._path}/events", headers=after, accept=(_GONE,))
        self._begun = True
        form = JobForm(fingerprint=self._fingerprint, request=self._asked, deadline=left)
        body = form.model_dump_json().encode()
        return self._transport.stream("PUT", self._path, body=body, accept=(_MISSING,))

    def _take(self, event: ServerEvent) -> object:
        """Hand an event on, once; gives the data of the result, raises the error that ends the job."""
        data = _data(event)
        if event.name == "error":
            raise error_from(data.get("error"))
        if event.name == "result":
            return data
        number = int(event.id) if event.id.isdecimal() else 0
        if number > self._seen:
            self._seen, self._failures = number, 0
            told = event_of(event.name, data)
            if told is not None:
                self._job.emit(told)
        return None

    async def _recover(self, failure: Transient, left: float | None) -> None:
        """Wait before another try; raises the error if there is none."""
        self._failures += 1
        wait = pause(failure, self._failures)
        late = left is not None and wait >= left
        if self._failures >= self._tries or late or not bearable(failure):
            raise failure.error from failure.__cause__
        await asyncio.sleep(wait)

    async def _bring(self, told: object) -> None:
        """Give the server the arrays that it says it does not have."""
        body = told if isinstance(told, dict) else {}
        missing = body.get("missing")
        if not isinstance(missing, list):
            raise error_from(body.get("error"), status=_MISSING)
        self._rounds += 1
        if self._rounds > _ROUNDS or not self._arrays.keys() >= set(map(str, missing)):
            raise EngineError("the server does not keep what it is sent", hint="send fewer pictures at once")
        await self._carrier.bring({str(digest): self._arrays[str(digest)] for digest in missing})

    async def _received(self, data: object) -> Result:
        """The result, its arrays fetched."""
        if self._asked.stage == "text":
            return text_of(data)
        answer = named_of(self._asked.stage, data)
        return result_of(answer, await self._carrier.fetch(arrays_of(answer)))


def _data(event: ServerEvent) -> Mapping[str, object]:
    try:
        data = json.loads(event.data)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise EngineError("an event of the server cannot be read", hint="is it a Sightline server?")
    return data
