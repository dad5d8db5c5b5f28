"""The form of a recorded step: what the verbs of a session take for granted when they read one.

Steps that a session wrote have it. An archive may come from anyone, and a step that is
whole, but of no form, would break whatever meets it later, the memo first of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sightline.tree.recipe import plain, recipe_digest
from sightline.tree.steps import Step
from sightline_tools.locality import Locality

_LAST = 253402300799.0
"""The last second that a calendar knows, in the year 9999."""

_Time = Annotated[float, Field(ge=0, le=_LAST)]
_Float = Annotated[float, Field(allow_inf_nan=False)]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True)


class _Picture(_Form):
    model_config = ConfigDict(extra="forbid")

    digest: str = Field(alias="$image", pattern="^[0-9a-f]{64}$")


class _Any(_Form):
    """Every step: its tool and version, its times, what it cost, and its warnings."""

    tool: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    started: _Time
    ended: _Time
    usage: dict[str, int | _Float]
    warnings: list[str] = []


class _Error(_Form):
    code: str
    message: str
    hint: str


class _Added(_Form):
    image: _Picture
    notes: list[str] = []


class _EditArgs(_Form):
    image: _Picture
    instruction: str


class _Made(_Form):
    """Of a tool of anybody: pictures are where they are looked for."""

    image: object = None
    images: object = None


class _Drawn(_Form):
    images: list[_Picture]
    plans: list[str]


class _Edited(_Drawn):
    before: _Picture
    changed: bool
    localities: list[Locality] = []


class _Answered(_Form):
    text: str
    confidence: _Float
    probabilities: dict[str, _Float]


_ARGS: dict[str, type[_Form]] = {"add": _Added, "edit": _EditArgs}
_OUTPUTS: dict[str, type[_Form]] = {
    "add": _Added,
    "generate": _Drawn,
    "edit": _Edited,
    "understand": _Answered,
}

_OURS = frozenset(
    [
        "add",
        "understand",
        "generate",
        "edit",
        "draw_best",
        "crop",
        "resize",
        "annotate",
        "grid",
        "composite",
        "compare",
        "zoom",
        "isolate",
    ]
)
"""Tools whose recipes follow from what their steps hold; others may read what they do not record."""


def misfit(step: Step) -> str | None:
    """What is wrong with the form of a step, None if nothing is."""
    try:
        _check(step)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"[:200]
    return None


def _pictures(value: object) -> Iterator[Mapping[str, object]]:
    """Whatever stands for a picture in recorded data."""
    if isinstance(value, Mapping) and set(value) == {"$image"}:
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _pictures(item)


def _recipe(step: Step) -> str:
    """The recipe of a step, derived again; pictures stand in the arguments of our tools as they are read."""
    named = (step.tool, step.version)
    inputs = [str(picture["$image"]) for picture in _pictures(step.args)]
    return recipe_digest(named, step.args, inputs, step.seeds, step.fingerprint, step.context)


def _check(step: Step) -> None:
    args, outputs = plain(step.args), plain(step.outputs)
    for picture in _pictures((step.args, step.outputs)):
        _Picture.model_validate(picture)
    names = ("tool", "version", "started", "ended")
    about = {name: getattr(step, name) for name in names} | {"usage": plain(step.usage)}
    warned = {"warnings": step.outputs["warnings"]} if "warnings" in step.outputs else {}
    _Any.model_validate({**about, **warned})
    _ARGS.get(step.tool, _Form).model_validate(args)
    if step.tool in _OURS and step.recipe != _recipe(step):
        raise ValueError("its recipe is that of another call")
    if step.status != "done":
        _Error.model_validate(step.error)
        _Form.model_validate(outputs)
        return
    _OUTPUTS.get(step.tool, _Made).model_validate(outputs)
    made = step.images()
    if step.tool in ("generate", "edit") and len(step.seeds) != len(made):
        raise ValueError(f"{len(step.seeds)} seeds, {len(made)} pictures")
