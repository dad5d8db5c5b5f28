"""From a model folder to a served model: which family it is, by its config.json."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sightline_runtime.engine import placement
from sightline_runtime.engine.placement import Wish
from sightline_runtime.engine.served import Served
from sightline_runtime.errors import InputError, ModelError
from sightline_runtime.models import blip3o_next, convert
from sightline_runtime.models.release import read_json


@dataclass(frozen=True)
class Family:
    """Models of one architecture: what they are, how their config.json is known, what loads them."""

    name: str
    known: Callable[[Mapping[str, Any]], bool]
    load: Callable[[Path, Wish], Served]


def _embedded(folder: Path, wish: Wish) -> Served:
    from sightline_runtime.engine.embedded import Embedded

    if wish != Wish(wish.device):
        raise InputError(
            f"{folder.name} is a small model that computes in float32 and fits anywhere",
            hint="leave dtype, memory and quantize out",
        )
    return Embedded(folder, device=wish.device)


def _converted(folder: Path, wish: Wish) -> Served:
    with convert.opened(folder) as own:
        return _embedded(own, wish)


def _blip3o(folder: Path, wish: Wish) -> Served:
    from sightline_runtime.engine import blip3o

    return blip3o.Served(folder, wish)


def _blip3o_next(folder: Path, wish: Wish) -> Served:
    from sightline_runtime.engine import blip3o_next

    return blip3o_next.Served(folder, wish)


FAMILIES = (
    Family("embedded", lambda data: "family" in data, _embedded),
    Family("embedded in the released layout", lambda data: convert.is_converted(dict(data)), _converted),
    Family("blip3o_next", blip3o_next.is_next, _blip3o_next),
    Family("blip3o", lambda data: str(data.get("model_type")).startswith("blip3o"), _blip3o),
)
"""The first that knows a config.json loads its folder."""


def load(folder: Path, wish: Wish) -> Served:
    """Load a model folder of any family; raises ModelError if it is none, or not whole."""
    data = read_json(folder / "config.json")
    for family in FAMILIES:
        if family.known(data):
            try:
                return family.load(folder, wish)
            except torch.OutOfMemoryError as error:
                raise ModelError(
                    f"{folder.name} did not fit the memory of {wish.device}: {placement.brief(error)}",
                    hint=placement.LESS,
                ) from error
    raise ModelError(
        f"{folder / 'config.json'} is of no family that is known here: its model_type is "
        f"{data.get('model_type')!r}; known are {', '.join(family.name for family in FAMILIES)}",
        hint="give the folder of a BLIP3-o release, or of a model that this project has trained",
    )
