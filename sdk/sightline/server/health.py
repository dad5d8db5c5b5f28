"""Health: whether the process lives, and whether it takes work."""

from __future__ import annotations

from fastapi import APIRouter, Request

from sightline.server.house import house_of

router = APIRouter(tags=["health"])


@router.get("/healthz")
def alive() -> dict[str, str]:
    """Say that the process lives."""
    return {"status": "ok"}


@router.get("/readyz")
def ready(request: Request) -> dict[str, object]:
    """Say that the model is there, and which."""
    info = house_of(request).runtime.info
    return {"status": "ok", "model": info.model}
