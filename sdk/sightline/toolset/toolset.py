"""Toolset: what a chatbot may call in a session, in every vendor's form, and the answers to its calls.

    ts = s.toolset()
    messages += ts.handle_all(client.chat.completions.create(tools=ts.openai(), messages=messages, …))

A toolset never changes; `only`, `without`, `renamed` and `wrapped` give others that share
its budget. Whatever a chatbot sends is answered: an error is a message that it can mend.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Literal

from sightline.errors import InputError, NotFoundError
from sightline.toolset import messages
from sightline.toolset.budgets import Spent
from sightline.toolset.calls import ToolCall, decoded, read_call, read_calls, restored
from sightline.toolset.messages import ToolMessage
from sightline.toolset.naming import near
from sightline.toolset.offers import Offer, names_known, offers, pinned
from sightline.toolset.outcomes import Fault, Outcome
from sightline.toolset.parallel import answered, at_once
from sightline.toolset.running import Terms, Turn, Wrap, run
from sightline.toolset.verbs import Verb
from sightline.tree.execute import Executor
from sightline_tools import vendors
from sightline_tools.schemas import Schema

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_CALLS = 64
"""Calls of one message that are done; more are told to come again."""
_REFUSED = 512
"""Bytes of a message that refuses a call."""


class Toolset:
    """The tools of a session as a chatbot sees them, and the door through which it calls them."""

    def __init__(self, executor: Executor, tools: Sequence[Offer], terms: Terms) -> None:
        self._executor, self._terms = executor, terms
        self._offers = {offer.name: offer for offer in tools}
        wrong = [name for name in self._offers if not _NAME.fullmatch(name)]
        if wrong or len(self._offers) < len(tools):
            what = f"{wrong[0]!r} cannot name a tool" if wrong else "two tools have one name"
            raise InputError(what, hint="use 1 to 64 letters, digits, _ and -, each name once")

    @property
    def tools(self) -> tuple[Offer, ...]:
        """What is offered: names, descriptions, schemas, and hints."""
        return tuple(self._offers.values())

    @property
    def spent(self) -> Spent:
        """What the calls took, of this toolset and of those that were made from it."""
        return self._terms.ledger.spent

    # --- the vendors' forms ------------------------------------------------------------------

    def openai(self, *, strict: bool = True, api: Literal["chat", "responses"] = "chat") -> list[Schema]:
        """The tools for OpenAI: for Chat Completions, or the flat form for Responses.

        A tool whose arguments cannot be listed, as those with free dictionaries, is not strict.
        """
        form = vendors.openai_responses if api == "responses" else vendors.openai_chat
        return [form(offer, strictly=strict) for offer in self.tools]

    def anthropic(self, *, strict: bool = False) -> list[Schema]:
        """The tools for Anthropic's Messages."""
        return [vendors.anthropic(offer, strictly=strict) for offer in self.tools]

    def json_schema(self) -> list[Schema]:
        """The tools as plain data: name, description, the schemas of arguments and result, and hints."""
        return [
            {
                "name": offer.name,
                "description": offer.description,
                "input_schema": deepcopy(dict(offer.input_schema)),
                "output_schema": deepcopy(dict(offer.output_schema)),
                "read_only": offer.read_only,
                "idempotent": offer.idempotent,
            }
            for offer in self.tools
        ]

    # --- other toolsets ----------------------------------------------------------------------

    def only(self, *names: str) -> Toolset:
        """Only the tools of these names; a `*` stands for any letters. NotFoundError for none."""
        kept = {offer.name for name in names for offer in self._named(name)}
        return self._with([offer for offer in self.tools if offer.name in kept])

    def without(self, *names: str) -> Toolset:
        """All but the tools of these names; a `*` stands for any letters. NotFoundError for none."""
        left_out = {offer.name for name in names for offer in self._named(name)}
        return self._with([offer for offer in self.tools if offer.name not in left_out])

    def renamed(self, names: Mapping[str, str]) -> Toolset:
        """Tools under other names; a session still records them under their own."""
        for name in names:
            self._named(name)
        return self._with([replace(offer, name=names.get(offer.name, offer.name)) for offer in self.tools])

    def prefixed(self, prefix: str) -> Toolset:
        """Every name with something before it."""
        return self.renamed({name: prefix + name for name in self._offers}) if prefix else self

    def wrapped(self, wrap: Wrap) -> Toolset:
        """Calls go through `wrap(invocation, go)`, which calls `go` or not, and gives an `Outcome`."""
        return Toolset(self._executor, self.tools, replace(self._terms, wraps=(wrap, *self._terms.wraps)))

    # --- answering ---------------------------------------------------------------------------

    def handle(self, call: object) -> ToolMessage:
        """Do a tool call and give the message that answers it, in the form of the call.

        Takes a tool call of Chat Completions, a `function_call` item of Responses, a
        `tool_use` block of Anthropic, or {"name", "arguments"}, as data or as the vendor's
        object. What is wrong is a message too; nothing is raised.
        """
        return self._answer(read_call(call))

    def handle_all(self, message: object) -> list[dict[str, object]]:
        """Do all tool calls of an assistant's message and give the messages to append, in order.

        Calls that do not need each other run at the same time; every id is answered exactly
        once. For Chat Completions a user message with previews comes last, if there are any.
        """
        calls = read_calls(message)
        todo, refused = calls[:_MOST_CALLS], calls[_MOST_CALLS:]
        share = max(messages.MOST - _REFUSED * len(refused), 0) // max(len(todo), 1)
        done = answered(
            todo,
            lambda call, turn: self._answer(call, share if call.wire == "anthropic" else messages.MOST, turn),
            alone=self._is_alone,
            parallel=self._terms.parallel,
        )
        return messages.together([*done, *map(_too_many, refused)])

    def follow_up(self, answers: Iterable[Mapping[str, object]]) -> dict[str, object] | None:
        """A user message with the previews of what `handle` gave for Chat Completions; None without any.

        Append it after the answers to all calls of a message; `handle_all` does.
        """
        return messages.follow_up(answers)

    def resume(self, pending: Mapping[str, object], *, approved: bool, reason: str = "") -> ToolMessage:
        """Do a call that waited for approval, or tell why not; `pending` is that of its first message.

        It is plain data: any process that has the session open may resume it. InputError for
        what is no pending call of this session.
        """
        call = restored(pending, self._executor.store.session)
        terms = replace(self._terms, approve=lambda _: approved or reason or False)
        return Toolset(self._executor, self.tools, terms)._answer(call)

    def _answer(self, call: ToolCall, most: int = messages.MOST, turn: Turn = at_once) -> ToolMessage:
        outcome = self._outcome(call, turn)
        waits = outcome.fault is not None and outcome.fault.code == "waiting"
        return messages.message(call, outcome, most, self._pending(call) if waits else None)

    def _outcome(self, call: ToolCall, turn: Turn) -> Outcome:
        offer = self._offers.get(call.name)
        if offer is not None:
            return run(self._executor, offer, call.arguments, self._terms, turn)
        self._terms.ledger.note(Spent(steps=1))
        names = tuple(self._offers)
        hint = f"there are {', '.join(names)}" if names else "answer without tools"
        told = f"there is no tool {call.name[:80]!r}"
        return Outcome.failed(Fault("not_found", told, hint, near=near(call.name, names)))

    def _is_alone(self, call: ToolCall) -> bool:
        """Whether a call waits for those before it: it moves the branch, or names what they may make."""
        offer = self._offers.get(call.name)
        if offer is None:
            return False
        try:
            args = decoded(call.arguments)
        except InputError:
            return False
        return isinstance(offer.source, Verb) or not names_known(self._executor, offer, args)

    def _pending(self, call: ToolCall) -> dict[str, object]:
        args = pinned(self._executor, self._offers[call.name], decoded(call.arguments))
        kept = {"wire": call.wire, "id": call.id, "name": call.name, "arguments": args}
        return {"session": self._executor.store.session, **kept}

    def _named(self, name: str) -> list[Offer]:
        found = [offer for offer in self.tools if fnmatch.fnmatchcase(offer.name, name)]
        if not found:
            alike = near(name, tuple(self._offers)) or tuple(self._offers)
            raise NotFoundError(f"the toolset has no tool {name!r}", hint=f"there are {', '.join(alike)}")
        return found

    def _with(self, tools: Sequence[Offer]) -> Toolset:
        return Toolset(self._executor, tools, self._terms)


def toolset(
    executor: Executor, terms: Terms, include: Sequence[str] | None, exclude: Sequence[str], prefix: str
) -> Toolset:
    """The toolset of a session: its toolbox and its verbs, those that are wanted, under a prefix."""
    whole = Toolset(executor, list(offers(executor.toolbox)), terms)
    chosen = whole if include is None else whole.only(*_names(include))
    return chosen.without(*_names(exclude)).prefixed(prefix)


def _names(given: Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def _too_many(call: ToolCall) -> ToolMessage:
    fault = Fault("bad_input", f"more than {_MOST_CALLS} calls at once", "call it again, later")
    return messages.message(call, Outcome.failed(fault))
