"""Borrowing: a look at a caller's session, or at his store, in a thread of the crew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request

from sightline.server.access import Caller
from sightline.server.house import house_of
from sightline.server.work import run
from sightline.session import Session

T = TypeVar("T")


async def on_session(request: Request, caller: Caller, name: str, look: Callable[[Session], T]) -> T:
    """What a look at one of the caller's sessions gives; NotFoundError if he has none of that name."""
    house = house_of(request)

    def work() -> T:
        with house.tenants.session(caller.tenant, name, create=False) as session:
            return look(session)

    return await run(request, house.crew, work)
