"""Routes that make steps: a tool call, and a picture that is brought in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.datastructures import UploadFile

from sightline.errors import InputError, TooLargeError
from sightline.server.access import Caller, needs
from sightline.server.deadlines import limit_of
from sightline.server.house import House, house_of
from sightline.server.idempotency import ReusedKeyError
from sightline.server.pictures import read_upload
from sightline.server.problem_forms import refusals
from sightline.server.problems import response_of
from sightline.server.run_forms import RunInfo, run_info
from sightline.server.session_forms import Answer, RefText, SessionName, ToolCall, ToolList
from sightline.server.showing import tool_info
from sightline.server.starting import Asked, outcome, start

router = APIRouter(prefix="/v1", tags=["sessions"])

SessionCaller = Annotated[Caller, Depends(needs("sessions"))]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="the same key and request are done once, for a day; another request is refused with 422",
    ),
]
Tool = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,100}$", examples=["generate"])]
_ACCEPTED: dict[int | str, dict[str, object]] = {
    202: {"model": RunInfo, "description": "with wait=false: the run that does it"}
}
_IMAGE: dict[str, object] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "string", "format": "binary"}},
                    "required": ["image"],
                }
            },
        },
    }
}


@router.get("/tools", summary="List the tools", responses=refusals())
async def list_tools(request: Request, caller: SessionCaller) -> ToolList:
    """Give every tool with the schema of its arguments."""
    return ToolList(tools=[tool_info(tool) for tool in house_of(request).toolbox])


@router.post(
    "/sessions/{name}/tools/{tool}",
    summary="Call a tool as a step of a session",
    response_model=Answer,
    responses={**_ACCEPTED, **refusals(404, 409, 422, 499)},
)
async def call_tool(
    request: Request,
    caller: SessionCaller,
    name: SessionName,
    tool: Tool,
    call: ToolCall,
    wait: Annotated[bool, Query(description="wait for the answer; going away cancels the call")] = True,
    key: Key = None,
) -> Response:
    """Run a tool, or find the same call again, and put its step on a branch.

    With `wait=false` the answer is a run, at once: follow its events, or cancel it.
    """
    asked = Asked.of_tool(caller, name, tool, call, key)
    return await _made(request, house_of(request), asked, wait=wait)


@router.post(
    "/sessions/{name}/images",
    summary="Bring a picture into a session",
    response_model=Answer,
    responses=refusals(404, 409, 413, 422, 499),
    openapi_extra=_IMAGE,
)
async def upload_image(
    request: Request,
    caller: SessionCaller,
    name: SessionName,
    at: Annotated[RefText | None, Query(description="the branch or step it goes on")] = None,
    expect: Annotated[RefText | None, Query(description="the step at which the branch is to stand")] = None,
    key: Key = None,
) -> Response:
    """Add a picture as a step: the body itself, or the part `image` of a form; PNG, JPEG, WebP or GIF."""
    house = house_of(request)
    data = await _picture(request, house.settings.max_upload)
    asked = Asked.of_picture(
        caller, name, data, lambda given: read_upload(house.settings, given), key, at=at, expect=expect
    )
    return await _made(request, house, asked, wait=True)


async def _made(request: Request, house: House, asked: Asked, *, wait: bool) -> Response:
    try:
        limit = limit_of(request, house.settings.call_timeout) if wait else house.settings.call_timeout
        started = await start(house, asked, detached=not wait, limit=limit)
    except ReusedKeyError as error:
        return response_of(error, 422)
    headers = {"x-run-id": started.run.id} | ({"idempotency-replayed": "true"} if started.again else {})
    told = await outcome(started.run, request) if wait else run_info(started.run)
    return Response(
        told.model_dump_json(), 200 if wait else 202, headers=headers, media_type="application/json"
    )


async def _picture(request: Request, most: int) -> bytes:
    """The bytes of the picture in a request, at most `most`."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await _body(request, most)
    async with request.form(max_files=1, max_fields=4, max_part_size=most) as form:
        given = next((form[part] for part in ("image", "image[]", "file") if part in form), None)
        if not isinstance(given, UploadFile):
            raise InputError("the form has no file", hint="send the picture as the part `image`")
        data = await given.read(most + 1)
    _check_size(len(data), most)
    return data


async def _body(request: Request, most: int) -> bytes:
    pieces = bytearray()
    async for piece in request.stream():
        pieces += piece
        _check_size(len(pieces), most)
    if not pieces:
        raise InputError("the request has no body", hint="send the file of a picture")
    return bytes(pieces)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise TooLargeError(f"the picture is larger than {most:,} bytes", hint="make it smaller")
