"""OpenAI's messages as turns of a dialogue, and what a request asks of the answer; nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sightline.chat.turns import Offer, ToolCall, Turn, check
from sightline.errors import InputError
from sightline.server.openai_forms import (
    CallForm,
    ChatForm,
    ImagePart,
    MessageForm,
    NamedTool,
    ResponseFormat,
    TextPart,
    ToolForm,
)
from sightline.server.openai_pictures import MOST
from sightline.strict_json import parsed, written
from sightline_runtime.protocol import ImageSlot

REFUSED = {
    "logprobs": "confidence, in the field sightline, is the probability of an answer to a picture",
    "top_logprobs": "confidence, in the field sightline, is the probability of an answer to a picture",
    "logit_bias": "leave it out",
    "functions": "send tools",
    "function_call": "send tool_choice",
    "modalities": "ask for text; /v1/images/generations draws",
    "audio": "ask for text",
    "web_search_options": "leave it out",
}
_CHOICES = "send a json_schema that is an enum of texts, or an object with one such property"


@dataclass(frozen=True)
class Asked:
    """A checked request: turns, where their pictures are, offered tools, and the choices of an answer.

    `wrapped` is the name of the property that a choice stands in, None for a bare one.
    """

    form: ChatForm
    turns: tuple[Turn, ...]
    places: tuple[str, ...]
    offers: tuple[Offer, ...] = ()
    choices: tuple[str, ...] = ()
    wrapped: str | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts at which the answer ends."""
        stop = self.form.stop
        return tuple(text for text in ([stop] if isinstance(stop, str) else stop or []) if text)

    @property
    def most_tokens(self) -> int | None:
        """The longest answer in tokens, None where the request does not say."""
        return self.form.max_completion_tokens or self.form.max_tokens

    @property
    def only_looks(self) -> bool:
        """Whether it is one question about one picture: what the tool `understand` does."""
        turn = self.turns[-1]
        plain = not (self.offers or self.form.temperature or self.stops)
        return plain and len(self.turns) == 1 and len(self.places) == 1 and bool(turn.text.strip())


def asked(form: ChatForm) -> Asked:
    """Check a request and take it apart; InputError for what no model could follow."""
    if form.n not in (None, 1):
        raise InputError(f"n is {form.n}", hint="ask for one answer a request")
    places: list[str] = []
    turns = tuple(_turn(message, places) for message in form.messages)
    if len(places) > MOST:
        raise InputError(f"{len(places)} pictures were sent, this server takes {MOST}", hint="send fewer")
    check(turns)
    choices, wrapped = _choices(form.response_format)
    offers = _offers(form)
    if offers and choices:
        raise InputError("tools and a response_format exclude each other", hint="send one of them")
    return Asked(form, turns, tuple(places), offers, choices, wrapped)


# --- messages ------------------------------------------------------------------------------------


def _turn(message: MessageForm, places: list[str]) -> Turn:
    role = "system" if message.role == "developer" else message.role
    content = tuple(_part(part, role, places) for part in _parts(message))
    if role == "tool":
        return Turn("tool", content, answers=message.tool_call_id or "")
    calls = tuple(_called(call) for call in message.tool_calls or ())
    if calls and role != "assistant":
        raise InputError(f"a message of the role {message.role} holds calls", hint="only an assistant calls")
    return Turn(role, content, calls)


def _parts(message: MessageForm) -> Sequence[str | TextPart | ImagePart]:
    if message.content is None or isinstance(message.content, str):
        return [message.content] if message.content else []
    texts = [part if not hasattr(part, "refusal") else part.refusal for part in message.content]
    return [part for part in texts if part]


def _part(part: str | TextPart | ImagePart, role: str, places: list[str]) -> str | ImageSlot:
    if isinstance(part, str):
        return part
    if isinstance(part, TextPart):
        return part.text
    if role != "user":
        raise InputError(f"a message of the role {role} holds a picture", hint="users show pictures")
    places.append(part.image_url.url)
    return ImageSlot(len(places) - 1)


def _called(call: CallForm) -> ToolCall:
    try:
        arguments = parsed(call.function.arguments or "{}")
    except ValueError as error:
        raise InputError(
            f"the arguments of the call {call.id[:80]!r} are no JSON: {error}", hint="send an object as text"
        ) from error
    if not isinstance(arguments, dict):
        raise InputError(f"the arguments of the call {call.id[:80]!r} are no object", hint="send {} for none")
    return ToolCall(call.function.name, arguments, call.id)


# --- tools ---------------------------------------------------------------------------------------


def _offers(form: ChatForm) -> tuple[Offer, ...]:
    """The tools that the model may call: all, the one that is named, or none."""
    offers = tuple(_offer(tool) for tool in form.tools or ())
    names = [offer.name for offer in offers]
    if len(set(names)) != len(names):
        raise InputError("two tools have the same name", hint="give each its own")
    if isinstance(form.tool_choice, NamedTool):
        name = form.tool_choice.function.name
        if name not in names:
            raise InputError(
                f"tool_choice names {name!r}, which is not offered", hint="name one of the tools"
            )
        return tuple(offer for offer in offers if offer.name == name)
    if form.tool_choice == "required" and not offers:
        raise InputError("tool_choice is required, but no tool is offered", hint="send tools")
    return () if form.tool_choice == "none" else offers


def _offer(tool: ToolForm) -> Offer:
    function = tool.function
    offer = Offer(function.name, function.description or "", function.parameters)
    try:
        written(offer.parameters)
    except ValueError as error:
        raise InputError(f"the parameters of {offer.name} are no JSON schema: {error}") from error
    return offer


# --- the form of the answer ----------------------------------------------------------------------


def _choices(form: ResponseFormat | None) -> tuple[tuple[str, ...], str | None]:
    """The choices that a schema leaves, and the property that holds them; InputError for any other schema."""
    if form is None or form.type == "text":
        return (), None
    schema: object = None if form.json_schema is None else form.json_schema.schema_
    if not isinstance(schema, Mapping):
        raise InputError(f"response_format {form.type} is not possible with this model", hint=_CHOICES)
    bare = _enum(schema)
    if bare:
        return bare, None
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and len(properties) == 1:
        ((name, inner),) = properties.items()
        if isinstance(inner, Mapping) and (found := _enum(inner)):
            return found, str(name)
    raise InputError("this schema is not possible with this model", hint=_CHOICES)


def _enum(schema: Mapping[str, object]) -> tuple[str, ...]:
    values = schema.get("enum")
    if (
        not isinstance(values, list)
        or not values
        or not all(isinstance(v, str) and v.strip() for v in values)
    ):
        return ()
    return tuple(values) if len(set(values)) == len(values) and len(values) <= 100 else ()
