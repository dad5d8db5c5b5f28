"""Routes that look back: the tree, the log, one step, the report, and steps as they come."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from sightline.report import report_page
from sightline.server.borrowing import on_session
from sightline.server.event_stream import offset_of, streamed
from sightline.server.house import house_of
from sightline.server.placing import executor_of
from sightline.server.problem_forms import refusals
from sightline.server.problems import response_of
from sightline.server.session_feed import Feed, GoneError
from sightline.server.session_forms import RefText, SessionName, StepInfo, StepList, TreeInfo
from sightline.server.showing import step_info, steps_info, tree_info
from sightline.server.tool_routes import SessionCaller
from sightline.session import Session

router = APIRouter(prefix="/v1/sessions/{name}", tags=["sessions"])

_PAGE = {
    "content-security-policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; sandbox",
    "cache-control": "no-store",
}
"""A report holds its pictures and its style, runs nothing and loads nothing."""
_HTML: dict[int | str, dict[str, object]] = {
    200: {
        "description": "one page that needs nothing else",
        "content": {"text/html": {"example": "<!doctype html>"}},
    }
}
_STREAM: dict[int | str, dict[str, object]] = {
    200: {
        "description": "server-sent events: a `step` for each step, then `end`",
        "content": {
            "text/event-stream": {"schema": {"type": "string"}, "example": "event: end\\ndata: {}\\n\\n"}
        },
    }
}


@router.get("/tree", summary="See all branches as one tree", responses=refusals(404))
async def get_tree(
    request: Request,
    caller: SessionCaller,
    name: SessionName,
    everything: Annotated[bool, Query(description="also what is on no branch")] = False,
) -> TreeInfo:
    """Give the tree of a session, as data and as text."""
    return await on_session(
        request, caller, name, lambda session: tree_info(session.tree(everything=everything))
    )


@router.get("/log", summary="Go through the steps of a branch", responses=refusals(404))
async def get_log(
    request: Request,
    caller: SessionCaller,
    name: SessionName,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    branch: Annotated[
        RefText | None, Query(description="a branch or step; the current branch by default")
    ] = None,
    tool: Annotated[list[str] | None, Query(description="only these tools")] = None,
    text: Annotated[
        str | None, Query(max_length=1000, description="a text in what was asked or answered")
    ] = None,
) -> StepList:
    """Give the steps of a branch, newest first. The next page begins at `branch=<last id>~1`."""

    def look(session: Session) -> StepList:
        steps = session.log(limit, branch=branch, tool=tool, text=text)
        return StepList(steps=steps_info(executor_of(session), steps))

    return await on_session(request, caller, name, look)


@router.get("/steps/{ref:path}", summary="Look at a step", responses=refusals(404))
async def get_step(
    request: Request,
    caller: SessionCaller,
    name: SessionName,
    ref: Annotated[RefText, Path(examples=["HEAD~1"])],
) -> StepInfo:
    """Give a step by any of its names: `HEAD`, `main~2`, `@tag`, `img3`, `sha256:…`, or an id."""

    def look(session: Session) -> StepInfo:
        return step_info(executor_of(session), session.show(ref).step)

    return await on_session(request, caller, name, look)


@router.get(
    "/report",
    summary="See the whole session as a page",
    response_class=Response,
    responses={**_HTML, **refusals(404)},
)
async def get_report(request: Request, caller: SessionCaller, name: SessionName) -> Response:
    """Give one HTML page with every step and its pictures."""
    page = await on_session(request, caller, name, lambda session: report_page(executor_of(session)))
    return Response(page, media_type="text/html", headers=_PAGE)


@router.get(
    "/events",
    summary="Follow a session",
    response_class=Response,
    responses={**_STREAM, **refusals(404, 410)},
)
async def follow_session(
    request: Request,
    caller: SessionCaller,
    name: SessionName,
    after: Annotated[
        str | None, Query(max_length=40, description="an event's id; 0 is the beginning")
    ] = None,
    follow: Annotated[
        bool, Query(description="wait for what comes; without, end after the last step")
    ] = True,
) -> Response:
    """Stream the steps of all branches in the order they were stored, whoever made them.

    Offsets outlive the server. The stream ends after a while: go on after the last id.
    """
    house = house_of(request)
    feed = Feed(house.tenants, caller.tenant, name)
    try:
        start = await asyncio.to_thread(feed.start, offset_of(request, after))
    except GoneError as error:
        return response_of(error, 410)
    ends = time.monotonic() + house.settings.call_timeout
    return streamed(
        feed.frames(start, goes_on=lambda: follow and house.crew.open and time.monotonic() < ends)
    )
