"""The MCP server: the tools, resources and prompts of a house, whatever the transport.

Everything here is stateless: who calls comes with the request, where it belongs with
its arguments. What a model can mend (wrong arguments, unknown names) is a result that
says so; protocol errors are left to what is no call at all.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

import sightline
from sightline.errors import EngineError, SightlineError
from sightline.server import mcp_completion, mcp_prompts, mcp_resources
from sightline.server.house import House
from sightline.server.late import Late
from sightline.server.mcp_calls import Told, call
from sightline.server.mcp_results import failed
from sightline.server.mcp_tools import Client, Tools

T = TypeVar("T")
Context = ServerRequestContext[Any, Any]
ClientOf = Callable[[Context], Client]
"""Tells who makes a request; raises errors of the tree for who may not."""

log = logging.getLogger("sightline.server")

_KEPT = 300_000
"""Milliseconds for which the lists of tools and prompts may be kept."""

INSTRUCTIONS = """Draw, look at and change pictures in sessions that remember every step.
Name pictures as results do: img1, img2, or last for the newest; never send their bytes.
Previews are small: ask `understand` for facts, `look` for details; the linked resource is the full picture.
Nothing is lost: `undo` and branches go back; `at` goes on from a branch or an earlier step."""


def create_mcp(house: House, client_of: ClientOf, *, late: Late | None = None) -> Server[dict[str, Any]]:
    """An MCP server over a house; `late` is its runtime, if the client is to hear that it is being loaded."""
    return _Handlers(house, client_of, late).server()


class _Handlers:
    """One method for every request of the protocol that is answered."""

    def __init__(self, house: House, client_of: ClientOf, late: Late | None) -> None:
        self._house, self._client_of, self._tools = house, client_of, Tools(house, late)

    def server(self) -> Server[dict[str, Any]]:
        """The server that answers with these."""
        return Server(
            "sightline",
            version=sightline.__version__,
            title="Sightline",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
            on_completion=self._complete,
        )

    async def _list_tools(
        self, context: Context, _: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        client = self._client(context)
        tools = await self._done(lambda: self._tools.listed(client))
        return types.ListToolsResult(tools=tools, ttl_ms=_KEPT, cache_scope="private")

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        structured = True
        try:
            client = self._client_of(context)
            structured = client.structured
            work = partial(self._tools.call, client, params.name, params.arguments or {})
            limit = client.patience or self._house.settings.call_timeout
            return await call(self._house.crew, work, context.session.report_progress, limit=limit)
        except SightlineError as error:
            return failed(error, structured=structured)
        except Exception as error:
            log.error("a tool call failed", exc_info=error)
            broken = EngineError("the call failed on the server", hint="try once more")
            return failed(broken, structured=structured)

    async def _list_resources(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        cursor = params.cursor if params else None
        tenant = self._client(context).tenant
        return await self._done(lambda: mcp_resources.listed(self._house.tenants, tenant, cursor))

    async def _list_templates(
        self, context: Context, _: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(
            resource_templates=mcp_resources.templates(), ttl_ms=_KEPT, cache_scope="private"
        )

    async def _read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        tenant = self._client(context).tenant
        return await self._done(lambda: mcp_resources.read(self._house.tenants, tenant, params.uri))

    async def _list_prompts(
        self, context: Context, _: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        found = mcp_prompts.listed(self._client(context).session)
        return types.ListPromptsResult(prompts=found, ttl_ms=_KEPT, cache_scope="private")

    async def _get_prompt(
        self, context: Context, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        session = self._client(context).session
        return await self._done(lambda: mcp_prompts.filled(session, params.name, params.arguments or {}))

    async def _complete(self, context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        client = self._client(context)
        return await self._done(lambda: mcp_completion.completed(self._house.tenants, client, params))

    def _client(self, context: Context) -> Client:
        try:
            return self._client_of(context)
        except SightlineError as error:
            raise _protocol_error(error) from None

    async def _done(self, work: Callable[[], T]) -> T:
        """Do blocking work that tells no progress; an error of the tree becomes one of the protocol."""

        def quietly(_: Told) -> T:
            return work()

        try:
            return await call(
                self._house.crew, quietly, _say_nothing, limit=self._house.settings.call_timeout
            )
        except SightlineError as error:
            raise _protocol_error(error) from None
        except Exception as error:
            log.error("a request failed", exc_info=error)
            raise _protocol_error(EngineError("the request failed on the server", hint="try again")) from None


def _say_nothing(done: float, total: float | None, message: str) -> Awaitable[None]:
    return _nothing()


async def _nothing() -> None:
    return None


def _protocol_error(error: SightlineError) -> MCPError:
    """An error of the tree where the protocol has no result that could tell it."""
    code = types.INVALID_PARAMS if isinstance(error, ValueError) else types.INTERNAL_ERROR
    told = {"code": error.code, "hint": error.hint, "retryable": error.retryable}
    return MCPError(code, str(error), told)
