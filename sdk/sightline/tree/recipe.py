"""Canonical JSON and the digest of a recipe: what was done, to what, with which seed and model.

No parent is in a recipe, so equal work is found again across branches. Pictures
stand as {"$image": digest}, floats as {"$float": text}: JSON has no one form of
a float, and a text of digits must not look like a number.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sightline.errors import InputError
from sightline_tools.image import Image

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]

_LARGEST = 2**53 - 1


def canonical(value: object) -> Json:
    """Values of a model as canonical data.

    Fields that cannot change a result are left out, and those that a model excludes
    while they hold a default that is younger than the model.
    """
    if isinstance(value, Image):
        return {"$image": value.pixels}
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        held = {name: getattr(value, name) for name, info in fields.items() if not info.exclude}
        return {name: canonical(item) for name, item in held.items() if not _younger(fields[name], item)}
    if isinstance(value, Mapping):
        return {_text(str(key)): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    return _scalar(value)


def _younger(info: FieldInfo, value: object) -> bool:
    return info.exclude_if is not None and info.exclude_if(value)


def _scalar(value: object) -> Json:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{value} cannot be stored", hint="use a finite number")
        return {"$float": repr(value)}
    if isinstance(value, int):
        if abs(value) > _LARGEST:
            raise InputError(f"{value} is too large", hint="use whole numbers up to 2**53 - 1")
        return value
    raise InputError(f"{type(value).__name__} cannot be stored", hint="use text, numbers, lists and pictures")


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{text[:60]!r} holds half a character", hint="give whole Unicode text") from error
    return text


def checked_seed(seed: object) -> int:
    """A seed that can be recorded: a whole number, Python's or numpy's, from 0 to 2**63 - 1."""
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool) and 0 <= seed < 2**63:
        return int(seed)
    raise InputError(f"seed is {seed!r}", hint="use a whole number from 0 to 2**63 - 1")


def plain(value: object) -> object:
    """Canonical data with floats as floats again; pictures stay as they are written."""
    if isinstance(value, Mapping):
        if set(value) == {"$float"}:
            return float(str(value["$float"]))
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def dumps(value: Json) -> str:
    """Canonical data as text: sorted names, no blanks, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Json) -> str:
    """sha256 of canonical data."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()


def recipe_digest(
    tool: tuple[str, str],
    args: Json,
    inputs: Sequence[str],
    seeds: Sequence[int],
    fingerprint: str,
    context: str = "",
) -> str:
    """The digest of a recipe.

    `tool` is its name and version, `inputs` the pixel digests of the pictures it
    reads; `fingerprint` is empty for pure tools, `context` unless the dialogue was read.
    """
    return digest(
        {
            "tool": list(tool),
            "args": args,
            "inputs": list(inputs),
            "seeds": [str(seed) for seed in seeds],
            "fingerprint": fingerprint,
            "context": context,
        }
    )


def dialogue_digest(recipes: Sequence[str]) -> str:
    """The digest of a dialogue that a call read: of the recipes of its steps, oldest first."""
    return digest(list(recipes))
