"""The form of errors in the API's description: which statuses a route answers with, and their body."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class ProblemDetail(BaseModel):
    """What went wrong: `message` holds the hint too, `detail` is the message without it."""

    message: str
    type: Literal["invalid_request_error", "rate_limit_error", "server_error"]
    param: str | None = Field(None, description="the field that is wrong, if one is")
    code: str = Field(description="stable; the same in Python, HTTP and MCP")
    detail: str
    hint: str = Field(description="what to do")
    retryable: bool = Field(description="whether the same call may succeed later")


class Problem(BaseModel):
    """The body of every error."""

    error: ProblemDetail


_MEANING = {
    400: ("bad_input", "the request is not right as it stands"),
    401: ("unauthorized", "no key was given, or one that is not known"),
    403: ("forbidden", "the key may not do this"),
    404: ("not_found", "there is no such thing, or it belongs to another tenant"),
    408: ("deadline", "the request itself came too slowly"),
    409: ("stale_head", "the branch stands elsewhere, or the name is taken"),
    410: ("not_found", "what comes after this offset is not kept any more"),
    413: ("too_large", "more than this server takes"),
    416: ("bad_input", "the range lies outside of the file"),
    422: ("conflict", "this Idempotency-Key stands for another request"),
    429: ("busy", "too many calls; come again after Retry-After"),
    499: ("cancelled", "the call was cancelled"),
    500: ("engine_failed", "the engine or the store failed"),
    503: ("bad_model", "the server has no model that can do this, or is closing"),
    504: ("deadline", "the call did not end in time"),
}
_ALWAYS = (400, 401, 403, 429, 500, 503, 504)


def refusals(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The responses of a route that may answer with these statuses beside those that every route may."""
    return {status: _described(status) for status in sorted({*_ALWAYS, *statuses})}


def _described(status: int) -> dict[str, object]:
    code, meaning = _MEANING[status]
    kind = (
        "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    )
    shown: dict[str, object] = {"message": f"{meaning} (what to do)", "type": kind, "param": None}
    shown |= {"code": code, "detail": meaning, "hint": "what to do", "retryable": status in (429, 500, 504)}
    return {
        "model": Problem,
        "description": meaning,
        "content": {"application/json": {"example": {"error": shown}}},
    }
