"""What a model and a program are told of a result: every picture by name, size, digest and link."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from sightline.errors import SightlineError
from sightline.results import Picture, Result
from sightline.toolset.naming import reference
from sightline.toolset.outcomes import Fault, Outcome, Preview
from sightline.toolset.previews import preview
from sightline.tree.execute import Executor
from sightline_tools.image import Image
from sightline_tools.schemas import Schema
from sightline_tools.tool import ToolUsage

MOST_TEXT = 40_000
"""Bytes of a text as JSON."""
MOST_DATA = 100_000
"""Bytes of structured content as JSON."""
_MOST_SHOWN = 4
"""Pictures of a result of which previews are made."""
_SHORT = 400
"""Characters of a value that is told in the text; longer ones are in the structured content only."""

STEP: Schema = {
    "type": "object",
    "description": "the step of the session that was recorded",
    "properties": {
        "id": {"type": "string"},
        "tool": {"type": "string"},
        "cache": {"enum": ["hit", "partial", "miss"]},
        "seeds": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["id", "tool", "cache", "seeds"],
}
"""What is told of the step of a result."""


def told(executor: Executor, result: Result, edge: int) -> Outcome:
    """The outcome of a call that made a step; previews of at most `edge` pixels, none if it is 0."""
    structured = _values(executor, result)
    size = len(json.dumps(structured))
    if size > MOST_DATA:
        return Outcome.failed(_too_large(result, size))
    lines = [*_pictures(result), *_rest(structured), *(f"warning: {text}" for text in result.warnings)]
    lines += ["This had been made before; nothing was computed."] if result.cache.status == "hit" else []
    lines += [f"(step {result.step.short}, {result.step.tool})"]
    return Outcome(cut("\n".join(lines)), structured, tuple(_shown(result.images, edge)), result)


def data(executor: Executor, value: object) -> object:
    """A value of a result as JSON, its pictures by reference."""
    if isinstance(value, Image):
        return reference(executor, value)
    if isinstance(value, BaseModel):
        return {name: data(executor, getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        if set(value) == {"$image"}:
            return reference(executor, executor.pictures.reference(str(value["$image"])))
        return {str(name): data(executor, each) for name, each in value.items()}
    return [data(executor, each) for each in value] if isinstance(value, list | tuple) else value


def cut(text: str) -> str:
    """A text that fits into a message."""
    whole, size = text, MOST_TEXT
    while len(json.dumps(text)) > MOST_TEXT:
        text = f"{whole[:size]} … (cut: it has {len(whole):,} characters)"
        size = size * 2 // 3
    return text.encode("utf-8", "replace").decode()


def seen(label: str, pixels_of: Picture, edge: int) -> Preview | None:
    """A preview of a picture; None if it cannot be read."""
    try:
        return preview(label, pixels_of.numpy(), edge)
    except SightlineError:  # the text still says what was made
        return None


def _values(executor: Executor, result: Result) -> dict[str, object]:
    """The fields of the tool's result, what they cost, and the step."""
    step = result.step
    values = {name: data(executor, value) for name, value in step.values().items()}
    whole = {name: amount for name, amount in result.usage.items() if name in ToolUsage.model_fields}
    about = {"id": step.id, "tool": step.tool, "cache": result.cache.status}
    usage = ToolUsage.model_validate(whole).model_dump()
    return {"step": {**about, "seeds": [str(seed) for seed in step.seeds]}, "usage": usage, **values}


def _pictures(result: Result) -> Iterator[str]:
    caption = result.step.summary() or result.step.tool
    for picture in result.images:
        size = f"{picture.width}x{picture.height}"
        yield f"{picture.alias} ({size}, sha256:{picture.ref.pixels[:12]}): {caption[:_SHORT]}"


def _rest(structured: Mapping[str, object]) -> Iterator[str]:
    """What is no picture and is not empty, in short; the answer of a question comes first."""
    for name, value in sorted(structured.items(), key=lambda pair: pair[0] != "text"):
        if name in ("step", "usage", "warnings") or _is_picture(value):
            continue
        empty = value is None or (isinstance(value, Sequence | Mapping) and not any(value))
        written = value if isinstance(value, str) else json.dumps(_rounded(value), ensure_ascii=False)
        if not empty and (name == "text" or len(written) <= _SHORT):
            yield f"{name}: {written}"


def _rounded(value: object) -> object:
    """A value to read: numbers of few digits."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


def _is_picture(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_picture, value))
    return isinstance(value, Mapping) and {"digest", "uri"} <= value.keys()


def _shown(pictures: Sequence[Picture], edge: int) -> Iterator[Preview]:
    for picture in pictures[:_MOST_SHOWN] if edge else ():
        made = seen(f"{picture.alias}, which is {picture.width}x{picture.height}", picture, edge)
        if made is not None:
            yield made


def _too_large(result: Result, size: int) -> Fault:
    return Fault(
        "too_large",
        f"{result.step.tool} gave {size // 1024} KB, too much for a message; it is kept as step "
        f"{result.step.short}",
        "ask for less at a time",
    )
