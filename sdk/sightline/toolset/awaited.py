"""AsyncToolset: the toolset for asyncio, a thin twin; only what runs calls is awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal, ParamSpec, Protocol, TypeVar

from sightline.toolset.budgets import Spent
from sightline.toolset.messages import ToolMessage
from sightline.toolset.offers import Offer
from sightline.toolset.running import Wrap
from sightline.toolset.toolset import Toolset
from sightline_tools.schemas import Schema

P = ParamSpec("P")
T = TypeVar("T")


class Awaits(Protocol):
    """Runs a function in a thread; cancelling the await stops what it runs."""

    def __call__(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Run it, to be awaited."""


class AsyncToolset:
    """A toolset whose calls are awaited; see `Toolset`."""

    def __init__(self, toolset: Toolset, awaited: Awaits) -> None:
        self._toolset, self._awaited = toolset, awaited

    @property
    def tools(self) -> tuple[Offer, ...]:
        """What is offered: names, descriptions, schemas, and hints."""
        return self._toolset.tools

    @property
    def spent(self) -> Spent:
        """What the calls took, of this toolset and of those that were made from it."""
        return self._toolset.spent

    def openai(self, *, strict: bool = True, api: Literal["chat", "responses"] = "chat") -> list[Schema]:
        """The tools for OpenAI: for Chat Completions, or the flat form for Responses.

        A tool whose arguments cannot be listed, as those with free dictionaries, is not strict.
        """
        return self._toolset.openai(strict=strict, api=api)

    def anthropic(self, *, strict: bool = False) -> list[Schema]:
        """The tools for Anthropic's Messages."""
        return self._toolset.anthropic(strict=strict)

    def json_schema(self) -> list[Schema]:
        """The tools as plain data: name, description, the schemas of arguments and result, and hints."""
        return self._toolset.json_schema()

    def only(self, *names: str) -> AsyncToolset:
        """Only the tools of these names; a `*` stands for any letters. NotFoundError for none."""
        return AsyncToolset(self._toolset.only(*names), self._awaited)

    def without(self, *names: str) -> AsyncToolset:
        """All but the tools of these names; a `*` stands for any letters. NotFoundError for none."""
        return AsyncToolset(self._toolset.without(*names), self._awaited)

    def renamed(self, names: Mapping[str, str]) -> AsyncToolset:
        """Tools under other names; a session still records them under their own."""
        return AsyncToolset(self._toolset.renamed(names), self._awaited)

    def prefixed(self, prefix: str) -> AsyncToolset:
        """Every name with something before it."""
        return AsyncToolset(self._toolset.prefixed(prefix), self._awaited)

    def wrapped(self, wrap: Wrap) -> AsyncToolset:
        """Calls go through `wrap(invocation, go)`, which calls `go` or not, and gives an `Outcome`."""
        return AsyncToolset(self._toolset.wrapped(wrap), self._awaited)

    async def handle(self, call: object) -> ToolMessage:
        """Do a tool call and give the message that answers it, in the form of the call.

        Takes a tool call of Chat Completions, a `function_call` item of Responses, a
        `tool_use` block of Anthropic, or {"name", "arguments"}, as data or as the vendor's
        object. What is wrong is a message too; nothing is raised.
        """
        return await self._awaited(self._toolset.handle, call)

    async def handle_all(self, message: object) -> list[dict[str, object]]:
        """Do all tool calls of an assistant's message and give the messages to append, in order.

        Calls that do not need each other run at the same time; every id is answered exactly
        once. For Chat Completions a user message with previews comes last, if there are any.
        """
        return await self._awaited(self._toolset.handle_all, message)

    def follow_up(self, answers: Iterable[Mapping[str, object]]) -> dict[str, object] | None:
        """A user message with the previews of what `handle` gave for Chat Completions; None without any.

        Append it after the answers to all calls of a message; `handle_all` does.
        """
        return self._toolset.follow_up(answers)

    async def resume(self, pending: Mapping[str, object], *, approved: bool, reason: str = "") -> ToolMessage:
        """Do a call that waited for approval, or tell why not; `pending` is that of its first message.

        It is plain data: any process that has the session open may resume it. InputError for
        what is no pending call of this session.
        """
        return await self._awaited(self._toolset.resume, pending, approved=approved, reason=reason)
