"""Health: whether the process lives, whether it takes work, and what it has done."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from sightline.errors import BusyError
from sightline.server.access import Caller, needs
from sightline.server.house import house_of

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """That the process lives."""

    status: Literal["ok"] = "ok"


class Ready(Alive):
    """That calls are taken, and which model does them."""

    model: str


@router.get("/healthz", summary="Whether the process lives")
async def alive() -> Alive:
    """Say that the process lives."""
    return Alive()


@router.get("/readyz", summary="Whether calls are taken")
async def ready(request: Request) -> Ready:
    """Say that the model is there, and which; 429 while the server closes."""
    house = house_of(request)
    if not house.crew.open:
        raise BusyError("the server is closing", hint="ask another", retry_after=5.0)
    return Ready(model=house.runtime.info.model)


@router.get(
    "/metrics",
    summary="What the server has done",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request, caller: Annotated[Caller, Depends(needs("metrics"))]) -> Response:
    """Give the counters in the text form of Prometheus."""
    told = house_of(request).metrics
    return Response(told.text(), media_type=told.content_type)
