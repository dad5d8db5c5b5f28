"""Errors on the wire: one status and one body for every error of the tree.

The body has OpenAI's form, so that official clients raise their own classes; `code`
and `hint` are those of the tree, so that our client raises ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sightline.errors import BusyError, InputError, SightlineError

STATUS: Mapping[str, int] = {
    "bad_input": 400,
    "bad_image": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "stale_head": 409,
    "conflict": 409,
    "too_large": 413,
    "missing_arrays": 422,
    "busy": 429,
    "over_budget": 429,
    "cancelled": 499,
    "engine_failed": 500,
    "store_failed": 500,
    "store_corrupt": 500,
    "bad_model": 503,
    "deadline": 504,
}
"""HTTP status by the code of an error; what is not here is 500."""


_FORM = "see /openapi.json for the form"


def status_of(error: SightlineError) -> int:
    """The HTTP status of an error."""
    return STATUS.get(error.code, 500)


def body_of(
    error: SightlineError, *, param: str | None = None, status: int | None = None
) -> dict[str, object]:
    """The body of an error."""
    status = status or status_of(error)
    kind = (
        "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    )
    told = {"message": str(error), "type": kind, "param": param, "code": error.code}
    return {"error": told | {"detail": error.message, "hint": error.hint, "retryable": error.retryable}}


def headers_of(error: SightlineError) -> dict[str, str]:
    """Headers that tell a client whether, and when, to come again."""
    headers = {} if error.retryable else {"x-should-retry": "false"}
    if isinstance(error, BusyError):
        headers |= {
            "retry-after": str(max(1, round(error.retry_after))),
            "retry-after-ms": str(round(1000 * error.retry_after)),
        }
    if status_of(error) == 401:
        headers["www-authenticate"] = "Bearer"
    return headers


def response_of(error: SightlineError, status: int | None = None) -> JSONResponse:
    """An error as a response; `status` if it is not that of the error's code."""
    return JSONResponse(body_of(error, status=status), status or status_of(error), headers_of(error))


async def on_error(request: Request, error: Exception) -> Response:
    """Answer with an error of the tree."""
    assert isinstance(error, SightlineError)
    return response_of(error)


async def on_invalid(request: Request, error: Exception) -> Response:
    """Answer with what was wrong in a request's form: the first fault, by its place."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        fault, place = first["ctx"]["error"], first["loc"][-1]
        return response_of(InputError(f"the body is no JSON: {fault}, at character {place}", hint=_FORM))
    if first["loc"] == ("body",) and "json" not in request.headers.get("content-type", "json"):
        return response_of(
            InputError("the body is not sent as JSON", hint="send content-type: application/json")
        )
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    wrong = InputError(f"{where}: {first['msg']}", hint=_FORM)
    return JSONResponse(body_of(wrong, param=where), 400, headers_of(wrong))


async def on_http(request: Request, error: Exception) -> Response:
    """Answer with what the framework refuses (no such route, wrong method) in the same form."""
    assert isinstance(error, HTTPException)
    told: dict[str, object] = {
        "message": str(error.detail),
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found" if error.status_code == 404 else "bad_input",
    }
    told |= {"detail": str(error.detail), "hint": "see /openapi.json for the routes", "retryable": False}
    headers = {**(error.headers or {}), "x-should-retry": "false"}
    return JSONResponse({"error": told}, error.status_code, headers)
