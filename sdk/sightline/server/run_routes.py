"""Routes of runs: look at one, follow its events, cancel it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from sightline.errors import InputError
from sightline.server.event_stream import frame, offset_of, streamed
from sightline.server.house import house_of
from sightline.server.problem_forms import refusals
from sightline.server.run_forms import RunInfo, run_info
from sightline.server.runs import Run
from sightline.server.tool_routes import SessionCaller

router = APIRouter(prefix="/v1/runs/{run}", tags=["runs"])

RunId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", examples=["0b6f7d3a9c1e4f5d8a2b7c6e5f4d3a21"])]
_SOON = 1.0
"""Seconds that a cancelled run is waited for."""
_STREAM: dict[int | str, dict[str, object]] = {
    200: {
        "description": "server-sent events: started, progress, preview, text; done, failed or cancelled",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'id: 2\\nevent: progress\\ndata: {"stage":"features","done":1,"total":4}\\n\\n',
            }
        },
    },
    204: {"description": "the outcome was sent before: do not come again"},
}


@router.get("", summary="Look at a run", responses=refusals(404))
async def get_run(request: Request, caller: SessionCaller, run: RunId) -> RunInfo:
    """Give the state of a run, and what came of it. Runs are kept for an hour, not over a restart."""
    return run_info(house_of(request).runs.get(caller.tenant, run))


@router.get(
    "/events",
    summary="Follow a run",
    response_class=Response,
    responses={**_STREAM, **refusals(404)},
)
async def follow_run(
    request: Request,
    caller: SessionCaller,
    run: RunId,
    after: Annotated[str | None, Query(pattern="^[0-9]{0,9}$", description="an event's id")] = None,
) -> Response:
    """Stream the events of a run, from the first or after an offset, until its outcome."""
    followed, offset = house_of(request).runs.get(caller.tenant, run), _number(offset_of(request, after))
    return Response(status_code=204) if followed.is_over(offset) else streamed(_lines(followed, offset))


@router.delete("", summary="Cancel a run", responses=refusals(404))
async def cancel_run(request: Request, caller: SessionCaller, run: RunId) -> RunInfo:
    """Stop a run; one that has ended stays as it is."""
    found = house_of(request).runs.get(caller.tenant, run)
    found.cancel()
    with suppress(TimeoutError):
        await asyncio.wait_for(found.ended.wait(), _SOON)
    return run_info(found)


def _number(offset: str) -> int:
    if offset and not (offset.isascii() and offset.isdigit() and len(offset) < 10):
        raise InputError(f"{offset[:40]!r} is not the id of an event", hint="give the last id that came")
    return int(offset or 0)


async def _lines(run: Run, after: int) -> AsyncIterator[bytes | None]:
    async for entry in run.entries(after):
        yield None if entry is None else frame(str(entry.id), entry.name, entry.data)
