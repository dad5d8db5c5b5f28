"""The runtime over HTTP: arrays by digest, jobs by an id that the client makes, events as they come.

Everything may be sent twice: an array is its digest, a job its id, and a stream goes
on behind the last event that the client saw.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from sightline.errors import NotFoundError, TooLargeError
from sightline.server import problems
from sightline.server.access import Caller, needs
from sightline.server.event_stream import frame
from sightline.server.house import house_of
from sightline.server.jobs import MissingArrays, jobs_of
from sightline.server.problem_forms import refusals
from sightline.server.running_job import RunningJob
from sightline.server.work import run
from sightline_runtime.protocol import RuntimeInfo
from sightline_runtime.wire.answers import info_data
from sightline_runtime.wire.arrays import PNG, TENSOR, decode, encode
from sightline_runtime.wire.requests import JobForm

router = APIRouter(prefix="/v1/runtime", tags=["runtime"])

May = Annotated[Caller, Depends(needs("runtime"))]
Name = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="sha256 of an array's type, shape and values")
]

_STREAM = "text/event-stream"
_PING = b": ping\n\n"
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_FILES = {PNG: _BYTES, TENSOR: _BYTES}
_EVENTS: dict[int | str, dict[str, object]] = {
    200: {"content": {_STREAM: {"schema": {"type": "string"}}}, "description": "The job's events."}
}


class EventStream(StreamingResponse):
    """The events of a job for one client, who is counted as long as the connection stands."""

    def __init__(self, job: RunningJob, after: int) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(_lines(job, after), headers=headers, media_type=_STREAM)
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until the outcome, or until the client is gone."""
        with self._job.watched():
            await super().__call__(scope, receive, send)


def _lines(job: RunningJob, after: int) -> AsyncIterator[bytes]:
    entries = job.entries(after)

    async def written() -> AsyncIterator[bytes]:
        async for entry in entries:
            yield _PING if entry is None else frame(str(entry.id), entry.name, entry.data)

    return written()


_JOB = {
    "fingerprint": "what GET /v1/runtime says",
    "request": {
        "stage": "features",
        "messages": [{"role": "user", "content": ["a red star"]}],
        "seeds": [7],
    },
}


@router.get("", response_model=RuntimeInfo)
def info(request: Request, caller: May) -> JSONResponse:
    """What the model is and can do; jobs are meant for one `fingerprint`."""
    return JSONResponse(info_data(house_of(request).runtime.info))


@router.put("/arrays/{digest}", status_code=204, openapi_extra={"requestBody": {"content": _FILES}})
async def put_array(request: Request, digest: Name, caller: May) -> None:
    """Bring pixels (8-bit RGB PNG) or features (safetensors with one float32 tensor named "array").

    The digest is sha256 over a head, `uint8 64x64x3` or `float32 64x48` and a line feed,
    and the values in row order. Bringing it again is harmless.
    """
    house = house_of(request)
    shelf = jobs_of(request).shelf(caller.tenant)
    body = await request.body()
    if len(body) > house.settings.max_upload:
        raise TooLargeError(
            f"the array is {len(body):,} bytes", hint=f"at most {house.settings.max_upload:,}"
        )
    media = request.headers.get("content-type", "")
    read = partial(decode, media, body, named=digest, most_pixels=house.settings.max_pixels)
    shelf.bring(digest, await run(request, house.crew, read, limit=house.settings.call_timeout))


@router.get("/arrays/{digest}", response_class=Response, responses={200: {"content": _FILES}})
async def get_array(request: Request, digest: Name, caller: May) -> Response:
    """Fetch an array that was brought, or that a job made, as long as it is kept."""
    house = house_of(request)
    held = jobs_of(request).shelf(caller.tenant).get(digest)
    if held is None:
        raise NotFoundError(
            "there is no such array", hint="it is kept for a while only; make or bring it again"
        )
    write = partial(encode, held.array)
    media, body = await run(request, house.crew, write, limit=house.settings.call_timeout)
    headers = {"cache-control": "private, max-age=31536000, immutable", "etag": f'"{digest}"'}
    return Response(body, media_type=media, headers=headers)


@router.put(
    "/jobs/{job}",
    response_class=EventStream,
    status_code=200,
    responses=_EVENTS | refusals(404, 409, 413, 422),
)
async def start_job(
    request: Request, job: UUID, form: Annotated[JobForm, Body(examples=[_JOB])], caller: May
) -> Response:
    """Start a job, unless it was started before, and stream its events from the first.

    `progress`, `text` and `preview` events come as the work goes on; one `result` or
    `error` ends the stream. A job that names arrays that are not here is answered by 422
    with their digests in `missing`; the same id for other work by 409.
    """
    try:
        return EventStream(jobs_of(request).start(caller.tenant, job.hex, form), 0)
    except MissingArrays as error:
        return JSONResponse(problems.body_of(error) | {"missing": error.missing}, problems.status_of(error))


@router.get("/jobs/{job}/events", response_class=EventStream, status_code=200, responses=_EVENTS)
async def follow_job(
    request: Request,
    job: UUID,
    caller: May,
    after: Annotated[int, Query(ge=0, description="the id of the last event seen")] = 0,
    last_event_id: Annotated[int | None, Header(ge=0, description="the same, as browsers send it")] = None,
) -> Response:
    """Stream the events of a job behind the last one seen; 404 if the job is not kept any more."""
    found = jobs_of(request).find(caller.tenant, job.hex)
    return EventStream(found, after if last_event_id is None else last_event_id)


@router.delete("/jobs/{job}", status_code=204)
async def drop_job(request: Request, job: UUID, caller: May) -> None:
    """Cancel a job, or let go of its outcome."""
    jobs_of(request).drop(caller.tenant, job.hex)
