"""The application: every room's routes under one roof."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.routing import Route

import sightline
from sightline.errors import SightlineError
from sightline.server import problems
from sightline.server.artifact_routes import router as artifacts
from sightline.server.gate import Gate
from sightline.server.health import router as health
from sightline.server.history_routes import router as history
from sightline.server.house import House
from sightline.server.mcp_http import Door
from sightline.server.openai_chat import router as openai_chat
from sightline.server.openai_images import router as openai_images
from sightline.server.openai_models import router as openai_models
from sightline.server.problem_forms import Problem, refusals
from sightline.server.run_routes import router as runs
from sightline.server.runtime_routes import router as runtime
from sightline.server.session_routes import router as sessions
from sightline.server.tool_routes import router as tools

_TOLD = ("x-request-id", "retry-after", "retry-after-ms", "x-run-id", "idempotency-replayed", "etag")
"""Headers that pages of other origins may read."""
_ERRORS = refusals(404, 408, 413) | {"default": {"model": Problem, "description": "any other error"}}


def create_app(house: House) -> FastAPI:
    """An ASGI application on a house; closing the house is the caller's business."""
    mcp = Door(house)
    app = FastAPI(
        title="Sightline",
        version=sightline.__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=mcp.running,
    )
    app.state.house = house
    app.add_exception_handler(SightlineError, problems.on_error)
    app.add_exception_handler(RequestValidationError, problems.on_invalid)
    app.add_exception_handler(HTTPException, problems.on_http)
    native = (health, sessions, history, tools, runs, artifacts, runtime)
    for router in (*native, openai_images, openai_chat, openai_models):
        app.include_router(router, responses=_ERRORS)
    app.router.routes.append(Route("/mcp", mcp))
    app.add_middleware(Gate, house=house)
    if house.settings.allow_origins:
        _let_in(app, house.settings.allow_origins)
    return app


def _let_in(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Answer browsers that ask whether a page of these origins may call."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=[*_TOLD],
    )
