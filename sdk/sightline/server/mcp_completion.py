"""Completion: what a person may mean who types the name of a session, a branch or a picture."""

from __future__ import annotations

import mcp_types as types

from sightline.server.mcp_tools import Client
from sightline.server.placing import executor_of
from sightline.server.tenants import Tenants
from sightline.tree.naming import alias_of

_MOST = 100
"""Values of an answer, as the protocol allows."""
_BRANCHES = ("first", "second", "at", "branch")


def completed(tenants: Tenants, client: Client, params: types.CompleteRequestParams) -> types.CompleteResult:
    """The names that begin with what was typed, newest pictures first; none for other arguments."""
    given = (params.context.arguments if params.context else None) or {}
    session = given.get("session") or client.session
    found = _names(tenants, client.tenant, session, params.argument.name)
    fitting = [name for name in found if name.startswith(params.argument.value)]
    completion = types.Completion(values=fitting[:_MOST], total=len(fitting), has_more=len(fitting) > _MOST)
    return types.CompleteResult(completion=completion)


def _names(tenants: Tenants, tenant: str, session: str, argument: str) -> list[str]:
    sessions = tenants.names(tenant)
    if argument == "session":
        return sessions
    if argument not in ("image", *_BRANCHES) or session not in sessions:
        return []
    with tenants.session(tenant, session, create=False) as found:
        if argument in _BRANCHES:
            return sorted(found.branches)
        numbers = [number for number, _ in executor_of(found).store.database.numbered_images()]
        return ["last", *(str(alias_of(number)) for number in reversed(numbers))]
