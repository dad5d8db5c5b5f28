"""Requests as JSON: forms that mirror those of the protocol, arrays by digest.

The forms are written out, not derived: a field that the protocol gains changes
the wire only on purpose. They bound what may be asked of a server in one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sightline_runtime.errors import InputError
from sightline_runtime.patterns import MAX_LENGTH
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    FeatureRequest,
    ImageSlot,
    Message,
    TextRequest,
)
from sightline_runtime.wire.arrays import Array, digest

Request = TextRequest | FeatureRequest | DecodeRequest | EmbedRequest

_MANY = 1024


class Form(BaseModel):
    """A part of the wire: closed, frozen; numbers that are not finite are written as text."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


Digest = Annotated[
    str, Field(pattern="^[0-9a-f]{64}$", description="sha256 of an array's type, shape, values")
]
Arrays = Annotated[tuple[Digest, ...], Field(max_length=_MANY)]
Seeds = Annotated[tuple[int, ...], Field(max_length=_MANY)]


class Slot(Form):
    """The place of picture `image` among the request's images."""

    image: int


class Turn(Form):
    """One turn of a dialogue: texts and pictures in order."""

    role: Literal["system", "user", "assistant"]
    content: Annotated[tuple[str | Slot, ...], Field(max_length=_MANY)]


Turns = Annotated[tuple[Turn, ...], Field(max_length=_MANY)]


class TextForm(Form):
    """Ask for text, or for the probabilities of choices."""

    stage: Literal["text"] = "text"
    messages: Turns
    images: Arrays = ()
    features: Arrays = ()
    choices: Annotated[tuple[str, ...], Field(max_length=_MANY)] = ()
    pattern: Annotated[str, Field(max_length=MAX_LENGTH)] = ""
    max_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0


class FeaturesForm(Form):
    """Ask for the features of one picture per seed."""

    stage: Literal["features"] = "features"
    messages: Turns
    seeds: Seeds
    images: Arrays = ()
    steps: int | None = None
    guidance: float | None = None
    preview_every: int = 0
    plans: Annotated[tuple[str, ...], Field(max_length=_MANY)] = ()


class DecodeForm(Form):
    """Ask for the pixels of each set of features."""

    stage: Literal["decode"] = "decode"
    features: Arrays
    seeds: Seeds
    size: tuple[int, int] | None = None
    steps: int | None = None


class EmbedForm(Form):
    """Ask for the features of pictures."""

    stage: Literal["embed"] = "embed"
    images: Arrays


Asked = Annotated[TextForm | FeaturesForm | DecodeForm | EmbedForm, Field(discriminator="stage")]


class JobForm(Form):
    """A job to do: the request, the model that it is meant for, and how many seconds are left for it."""

    fingerprint: Annotated[str, Field(max_length=128, description="that of GET /v1/runtime")]
    request: Asked
    deadline: float | None = None

    def same_work(self, other: JobForm) -> bool:
        """Whether this asks for what the other asks for; the time that is left may differ."""
        return (self.fingerprint, self.request) == (other.fingerprint, other.request)


T = TypeVar("T", bound=Form)


def form_of(request: Request) -> tuple[TextForm | FeaturesForm | DecodeForm | EmbedForm, dict[str, Array]]:
    """A request as a form, and the arrays that it names; InputError for what no server would take."""
    arrays: dict[str, Array] = {}

    def name(array: Array) -> str:
        key = digest(array)
        arrays[key] = array
        return key

    told = {key: value for key, value in vars(request).items() if key not in ("deadline", "messages")}
    told |= {key: tuple(map(name, told[key])) for key in ("images", "features") if key in told}
    match request:
        case TextRequest():
            return _checked(TextForm, told | {"messages": _turns(request.messages)}), arrays
        case FeatureRequest():
            return _checked(FeaturesForm, told | {"messages": _turns(request.messages)}), arrays
        case DecodeRequest():
            return _checked(DecodeForm, told), arrays
        case EmbedRequest():
            return _checked(EmbedForm, told), arrays


def request_of(
    form: TextForm | FeaturesForm | DecodeForm | EmbedForm,
    arrays: Mapping[str, Array],
    *,
    deadline: float | None,
) -> Request:
    """The request of a form whose arrays are all at hand."""
    told = {name: getattr(form, name) for name in type(form).model_fields if name != "stage"}
    told |= {key: tuple(arrays[item] for item in told[key]) for key in ("images", "features") if key in told}
    if isinstance(form, TextForm | FeaturesForm):
        told["messages"] = tuple(_message(turn) for turn in form.messages)
    kind = {"text": TextRequest, "features": FeatureRequest, "decode": DecodeRequest, "embed": EmbedRequest}
    made: Request = kind[form.stage](**told, deadline=deadline)
    return made


def named_arrays(form: TextForm | FeaturesForm | DecodeForm | EmbedForm) -> tuple[str, ...]:
    """The digests of the arrays that a request names, each once."""
    return tuple(dict.fromkeys([*getattr(form, "images", ()), *getattr(form, "features", ())]))


def _checked(kind: type[T], told: Mapping[str, object]) -> T:
    try:
        return kind.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where}: {first['msg']}", hint="no server takes such a request") from error


def _turns(messages: tuple[Message, ...]) -> tuple[Mapping[str, object], ...]:
    return tuple(
        {
            "role": message.role,
            "content": tuple(
                {"image": part.index} if isinstance(part, ImageSlot) else part for part in message.content
            ),
        }
        for message in messages
    )


def _message(turn: Turn) -> Message:
    return Message(
        turn.role, tuple(ImageSlot(part.image) if isinstance(part, Slot) else part for part in turn.content)
    )
