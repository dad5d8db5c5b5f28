"""Who calls: from the key of a request to a caller, and what he may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from sightline.errors import ForbiddenError, UnauthorizedError
from sightline.server.house import house_of
from sightline.server.keys import SCOPES, ApiKey, Keys, Scope

LOCAL = "local"
"""The tenant of a server without keys, which listens on loopback only."""


@dataclass(frozen=True)
class Caller:
    """Who calls: the name of the key, and the tenant whose store it opens."""

    key: str
    tenant: str
    scopes: frozenset[Scope]


def needs(*scopes: Scope) -> Callable[[HTTPConnection], Awaitable[Caller]]:
    """A dependency that gives the caller, if his key has one of the scopes."""

    async def caller(connection: HTTPConnection) -> Caller:
        found = caller_of(connection)
        if not found.scopes.intersection(scopes):
            raise ForbiddenError(
                f"this key may not use {' or '.join(scopes)}", hint="ask for a key with that scope"
            )
        return found

    return caller


def caller_of(connection: HTTPConnection) -> Caller:
    """The caller of a request; UnauthorizedError without a key that is known."""
    key = key_of(connection, house_of(connection).keys)
    return Caller(LOCAL, LOCAL, SCOPES) if key is None else Caller(key.name, key.tenant, key.scopes)


def key_of(connection: HTTPConnection, keys: Keys) -> ApiKey | None:
    """The key of a request, None if the server has none; UnauthorizedError without one that is known."""
    if keys.open:
        return None
    key = keys.find(_given(connection))
    if key is None:
        raise UnauthorizedError("there is no such key", hint="send Authorization: Bearer <key>")
    return key


def _given(connection: HTTPConnection) -> str:
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
