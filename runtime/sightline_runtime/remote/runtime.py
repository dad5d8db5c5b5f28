"""RemoteRuntime: the model of a server, behind the runtime protocol.

Calls return a job at once; a loop of one thread follows all of them. What the model
says, its results and its errors are those it would give in this process.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import Future
from typing import cast

from sightline_runtime.errors import CancelledError, DeadlineError, EngineError, SightlineError
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    EmbedResult,
    FeatureRequest,
    FeatureResult,
    Job,
    PixelResult,
    R,
    RuntimeInfo,
    TextRequest,
    TextResult,
)
from sightline_runtime.remote.carrying import Carrier
from sightline_runtime.remote.following import Conversation
from sightline_runtime.transport.client import Transport
from sightline_runtime.wire.answers import info_of
from sightline_runtime.wire.requests import Request, form_of

_AT_ONCE = 3 / 4
"""The share of the connections that jobs may hold; the rest carries arrays and cancels."""


class RemoteRuntime:
    """The model of a server.

    It stays with the model that it found: when the server comes back with another one,
    calls fail with ModelError, so that no result is ever noted under the wrong weights.
    Raises EngineError if the server cannot be reached, UnauthorizedError for a wrong key.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        connections: int = 64,
        tries: int = 5,
    ) -> None:
        self._transport = Transport(
            url, api_key=api_key, timeout=timeout, connections=connections, tries=tries
        )
        self._tries, self._carrier = tries, Carrier(self._transport)
        self._places = asyncio.Semaphore(max(1, int(connections * _AT_ONCE)))
        try:
            self._info = info_of(self._transport.wait(self._transport.send("GET", "/v1/runtime")).json())
        except BaseException:
            self._transport.close()
            raise

    @property
    def info(self) -> RuntimeInfo:
        """What the server's model is and can do."""
        return self._info

    def __repr__(self) -> str:
        return f"<RemoteRuntime {self._info.model} at {self._transport.place}>"

    def close(self) -> None:
        """Cancel what runs and leave the server; harmless when repeated."""
        self._transport.close()

    def generate_text(self, request: TextRequest) -> Job[TextResult]:
        """Answer in text, or score choices."""
        return self._start(request, _RemoteJob[TextResult]())

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Make the CLIP features of pictures."""
        return self._start(request, _RemoteJob[FeatureResult]())

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Paint features as pixels."""
        return self._start(request, _RemoteJob[PixelResult]())

    def embed_images(self, request: EmbedRequest) -> Job[EmbedResult]:
        """Give the CLIP features of pictures."""
        return self._start(request, _RemoteJob[EmbedResult]())

    def _start(self, request: Request, job: _RemoteJob[R]) -> Job[R]:
        form, arrays = form_of(request)
        talk = Conversation(
            self._transport,
            self._carrier,
            job,
            form,
            arrays,
            fingerprint=self._info.fingerprint,
            tries=self._tries,
        )
        job.done_by(self._transport.start(_done(talk, job, request.deadline, self._places)))
        return job


class _RemoteJob(Job[R]):
    """A job that is followed by a task of the loop, which cancelling reaches at once."""

    def __init__(self) -> None:
        super().__init__()
        self.id = uuid.uuid4().hex
        self._task: Future[None] | None = None

    def done_by(self, task: Future[None]) -> None:
        """Name the task that ends this job."""
        self._task = task

    def cancel(self) -> None:
        """Stop waiting, and have the server stop."""
        super().cancel()
        self.fail(CancelledError("the call was cancelled"))
        if self._task is not None:
            self._task.cancel()


async def _done(talk: Conversation, job: Job[R], deadline: float | None, places: asyncio.Semaphore) -> None:
    """Follow a job to its one outcome; whatever ends it early is told to the server."""
    ends = None if deadline is None else time.monotonic() + deadline
    try:
        async with asyncio.timeout(deadline), places:
            job.finish(cast(R, await talk.result(ends)))
    except TimeoutError:
        job.fail(DeadlineError(f"not done within {deadline} s", hint="give more time or fewer steps"))
        await talk.leave()
    except SightlineError as error:
        job.fail(error)
    except asyncio.CancelledError:
        job.fail(CancelledError("the call was cancelled"))
        await talk.leave()
        raise
    except Exception as error:  # noqa: BLE001 - whoever waits for the job must be told
        job.fail(EngineError(f"the client failed: {type(error).__name__}: {error}", hint="please report it"))
        await talk.leave()
