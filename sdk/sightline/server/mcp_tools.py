"""The tools in MCP: a toolset's, each with the session and the branch that a call is for.

The protocol has no session, so every call says where it belongs: `session` by name, and
`at`, the branch or step that it goes on from. What is left out is the client's own
session, and the branch that is current in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

import mcp_types as types

from sightline.errors import InputError, NotFoundError
from sightline.server.house import House
from sightline.server.late import Late
from sightline.server.mcp_calls import Told
from sightline.server.mcp_results import told
from sightline.server.placing import executor_of, going
from sightline.session import Session
from sightline.toolset.offers import Offer, offers
from sightline.toolset.previews import EDGE
from sightline.tree.context import Context, Watch
from sightline.tree.execute import Call, Executor

_PLACE: Mapping[str, Mapping[str, object]] = {
    "session": {
        "type": "string",
        "description": "session by name: a-z, 0-9, _ and -; a new name begins a new session",
    },
    "at": {
        "type": "string",
        "description": "branch to go on, or a step (main~1, img3, an id) from which a new branch parts; "
        "by default the current branch",
    },
}
_TOLD: Mapping[str, Mapping[str, object]] = {"session": {"type": "string"}, "branch": {"type": "string"}}


@dataclass(frozen=True)
class Client:
    """Who calls: the tenant, the session of calls that name none, and what results he wants.

    `patience` is how many seconds he waits for a call, None for as long as the server allows.
    """

    tenant: str
    session: str = "main"
    previews: bool = True
    structured: bool = True
    patience: float | None = None


class Tools:
    """The tools of a house, for any client; `late` is its runtime if that is not loaded yet."""

    def __init__(self, house: House, late: Late | None = None) -> None:
        self._house, self._late = house, late

    @cached_property
    def _offers(self) -> dict[str, Offer]:
        """What is offered, by name; imports the tools of others, which may take its time."""
        return {offer.name: offer for offer in offers(self._house.toolbox)}

    def listed(self, client: Client) -> list[types.Tool]:
        """The tools as the protocol lists them, blocking."""
        return [_listed(offer, structured=client.structured) for offer in self._offers.values()]

    def call(
        self, client: Client, name: str, given: Mapping[str, object], news: Told
    ) -> types.CallToolResult:
        """Call a tool, blocking. Raises errors of the tree for what is wrong with the place of a call."""
        offer = self._offers.get(name)
        own = offer.input_schema.get("properties", {}) if offer else {}
        args = dict(given)
        place = {key: args.pop(key, None) for key in _PLACE if isinstance(own, Mapping) and key not in own}
        adds = offer is not None and not offer.read_only
        if self._late and not self._late.loaded and offer:
            news.say("loading the model")
        with self._session(client, _text(place, "session"), adds) as session:
            with _at(session, _text(place, "at")) as view:
                view._executor = _Watched(executor_of(view), news.watch)
                tools = view.toolset(
                    timeout=self._house.settings.call_timeout, previews=EDGE if client.previews else 0
                )
                outcome = tools.handle({"name": name, "arguments": args}).outcome
                where = {"session": view.name, "branch": view.head[0]}
            return told(outcome, where, previews=client.previews, structured=client.structured)

    @contextmanager
    def _session(self, client: Client, name: str | None, adds: bool) -> Iterator[Session]:
        """The session that a call names; looking for something makes none but the client's own."""
        wanted, tenants = name or client.session, self._house.tenants
        with ExitStack() as held:
            make = adds or wanted == client.session
            try:
                session = held.enter_context(tenants.session(client.tenant, wanted, create=make))
            except NotFoundError as error:
                there = ", ".join(tenants.names(client.tenant)[:20]) or "none yet"
                raise NotFoundError(error.message, hint=f"there are: {there}") from None
            yield session


class _Watched(Executor):
    """An executor that tells the events of what it runs."""

    def __init__(self, executor: Executor, watch: Watch) -> None:
        vars(self).update(vars(executor))
        self._watch = watch

    def context(self, call: Call, watch: Watch | None = None) -> Context:
        """What the call's tool is given."""
        return super().context(call, watch or self._watch)


@contextmanager
def _at(session: Session, at: str | None) -> Iterator[Session]:
    """The session on the branch of a call.

    Where the call checks another branch out, that is the session's current one from then on.
    """
    head = executor_of(session).store.database.get_ref("head", "HEAD")
    with going(session, at or (head and head.target) or None) as view:
        branch = view.head[0]
        yield view
        if view.head[0] != branch:
            session.checkout(view.head[0])


def _text(place: Mapping[str, object], name: str) -> str | None:
    value = place.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{name} is {repr(value)[:40]}, not a text", hint=str(_PLACE[name]["description"]))
    return value or None


def _listed(offer: Offer, *, structured: bool) -> types.Tool:
    takes, gives = dict(offer.input_schema), dict(offer.output_schema)
    return types.Tool(
        name=offer.name,
        title=offer.name.replace("_", " ").capitalize(),
        description=offer.description,
        input_schema=_with(takes, _PLACE),
        output_schema=_with(gives, _TOLD) if structured else None,
        annotations=types.ToolAnnotations(
            read_only_hint=offer.read_only,
            idempotent_hint=offer.idempotent,
            destructive_hint=False,  # steps are never deleted
            open_world_hint=False,
        ),
    )


def _with(schema: dict[str, object], more: Mapping[str, object]) -> dict[str, object]:
    """A schema with more properties; one that has such a property keeps its own."""
    own = schema.get("properties")
    return {**schema, "properties": {**more, **(own if isinstance(own, Mapping) else {})}}
