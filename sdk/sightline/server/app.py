"""The application: every room's routes under one roof."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

import sightline
from sightline.errors import SightlineError
from sightline.server import problems
from sightline.server.health import router as health
from sightline.server.house import House


def create_app(house: House) -> FastAPI:
    """An ASGI application on a house; closing the house is the caller's business."""
    app = FastAPI(title="Sightline", version=sightline.__version__)
    app.state.house = house
    app.add_exception_handler(SightlineError, problems.on_error)
    app.add_exception_handler(RequestValidationError, problems.on_invalid)
    app.add_exception_handler(HTTPException, problems.on_http)
    for router in (health,):
        app.include_router(router)
    return app
