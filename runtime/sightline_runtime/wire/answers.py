"""Answers as JSON: what a runtime is, the events of a job, and its result, arrays by digest.

Previews are small and never kept: they stand in their event as base64.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Literal, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from sightline_runtime.errors import EngineError
from sightline_runtime.protocol import (
    EmbedResult,
    Event,
    FeatureResult,
    PixelResult,
    Preview,
    Progress,
    RuntimeInfo,
    TextDelta,
    TextResult,
    Usage,
)
from sightline_runtime.wire.arrays import PNG, Array, decode, digest, encode
from sightline_runtime.wire.requests import Arrays, Digest, Form

Result = TextResult | FeatureResult | PixelResult | EmbedResult

_INFO = TypeAdapter(RuntimeInfo).validate_python
_TEXT = TypeAdapter(TextResult).validate_python
_PROGRESS = TypeAdapter(Progress).validate_python
_DELTA = TypeAdapter(TextDelta).validate_python


class PreviewForm(Form):
    """What picture `index` looks like so far, as a PNG in base64."""

    index: int
    digest: Digest
    png: str


class FeaturesAnswer(Form):
    """Features, one set per seed."""

    features: Arrays
    plans: tuple[str, ...] = ()
    unchanged: tuple[bool, ...] = ()
    warnings: tuple[str, ...] = ()
    usage: Usage = Usage()


class PixelsAnswer(Form):
    """Pictures."""

    images: Arrays
    usage: Usage = Usage()


class EmbedAnswer(Form):
    """Features, one set per picture."""

    features: Arrays
    usage: Usage = Usage()


Named = FeaturesAnswer | PixelsAnswer | EmbedAnswer
EventName = Literal["progress", "text", "preview"]


def info_data(info: RuntimeInfo) -> dict[str, object]:
    """What a runtime is, as JSON data."""
    return asdict(info) | {"capabilities": sorted(info.capabilities)}


def info_of(data: object) -> RuntimeInfo:
    """What a runtime is; EngineError if a server says something else."""
    return _understood(_INFO, data)


def event_data(event: Event) -> tuple[EventName, dict[str, object]]:
    """The name and the JSON data of an event."""
    match event:
        case Progress():
            return "progress", asdict(event)
        case TextDelta():
            return "text", asdict(event)
        case Preview():
            png = base64.b64encode(encode(event.pixels)[1]).decode()
            return "preview", {"index": event.index, "digest": digest(event.pixels), "png": png}


def event_of(name: str, data: object) -> Event | None:
    """The event of a name and JSON data; None for one of a newer server, which is no harm to miss."""
    if name == "progress":
        return _understood(_PROGRESS, data)
    if name == "text":
        return _understood(_DELTA, data)
    if name != "preview":
        return None
    form = _understood(PreviewForm.model_validate, data)
    try:
        pixels = decode(PNG, base64.b64decode(form.png, validate=True), named=form.digest)
    except ValueError as error:  # not base64, or not that picture
        raise _strange() from error
    return Preview(form.index, pixels)  # type: ignore[arg-type]  # a PNG holds uint8


def result_data(result: Result) -> tuple[dict[str, object], dict[str, Array]]:
    """A result as JSON data, and the arrays that it names."""
    told = vars(result) | {"usage": asdict(result.usage)}
    if isinstance(result, TextResult):
        return told | {"probabilities": dict(result.probabilities)}, {}
    arrays: dict[str, Array] = {}
    for field in ("features", "images"):
        if field in told:
            keys = [digest(array) for array in told[field]]
            arrays |= dict(zip(keys, told[field], strict=True))
            told[field] = keys
    return told, arrays


def text_of(data: object) -> TextResult:
    """A text result; EngineError if a server says something else."""
    return _understood(_TEXT, data)


def named_of(stage: Literal["features", "decode", "embed"], data: object) -> Named:
    """A result whose arrays are still to be fetched; EngineError if a server says something else."""
    if stage == "features":
        return _understood(FeaturesAnswer.model_validate, data)
    if stage == "decode":
        return _understood(PixelsAnswer.model_validate, data)
    return _understood(EmbedAnswer.model_validate, data)


def arrays_of(answer: Named) -> tuple[str, ...]:
    """The digests of the arrays that an answer names, each once."""
    return tuple(dict.fromkeys(answer.images if isinstance(answer, PixelsAnswer) else answer.features))


def result_of(answer: Named, arrays: Mapping[str, Array]) -> FeatureResult | PixelResult | EmbedResult:
    """The result of an answer whose arrays are all at hand."""
    told = {name: getattr(answer, name) for name in type(answer).model_fields}
    for field, kind in (("features", np.float32), ("images", np.uint8)):
        if field in told:
            told[field] = tuple(arrays[key] for key in told[field])
            if any(array.dtype != kind for array in told[field]):
                raise _strange()
    if isinstance(answer, FeaturesAnswer):
        return FeatureResult(**told)
    return PixelResult(**told) if isinstance(answer, PixelsAnswer) else EmbedResult(**told)


T = TypeVar("T")


def _understood(validate: Callable[[object], T], data: object) -> T:
    try:
        return validate(data)
    except ValidationError as error:
        raise _strange() from error


def _strange() -> EngineError:
    return EngineError(
        "the server's answer is not of the runtime protocol", hint="is it a Sightline server of this version?"
    )
