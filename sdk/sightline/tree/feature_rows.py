"""Rows of features: the key of each, and its form as a stored object.

What the backbone and the diffusion transformer make for a seed follows from the
messages, the pictures they show, the seed, the sampling, the plan and the model; the
key is the digest of all these. The object names its key, so that a row of the
database that points to another one is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sightline.errors import CorruptStoreError
from sightline.store.database import Store
from sightline.tree.recipe import Json, digest, dumps
from sightline_runtime.protocol import FeatureRequest, FeatureResult, Features, ImageSlot, Message
from sightline_tools.image import pixel_digest


@dataclass(frozen=True)
class Row:
    """What the first stage made for one seed; `plan` and `unchanged` are None where the model tells none."""

    features: Features
    plan: str | None
    unchanged: bool | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Note:
    """What stands beside a row: its seed, the recipe of the call that made it, when, and what it cost."""

    seed: int
    recipe: str
    at: float
    seconds: float

    def dumps(self) -> str:
        """As the text that the store keeps."""
        return dumps({"stage": "features", **{name: str(value) for name, value in asdict(self).items()}})


def notes_of(store: Store, step: str) -> dict[int, tuple[str, Note]]:
    """The rows that a step used, by seed: the key and the note of each; without those that are damaged."""
    found = {}
    for row in store.database.stages_of(step):
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(str(row["meta"]))
            note = Note(int(told["seed"]), told["recipe"], float(told["at"]), float(told["seconds"]))
            found[note.seed] = str(row["key"]), note
    return found


def row_keys(request: FeatureRequest, fingerprint: str) -> list[str]:
    """The key of each row of a request; empty for a request that no runtime would take."""
    plans = request.plans or (None,) * len(request.seeds)
    shown = _shown(request)
    if shown is None or len(plans) != len(request.seeds):
        return []
    asked: dict[str, Json] = {
        "stage": "features",
        "fingerprint": fingerprint,
        "messages": [_turn(message, shown) for message in request.messages],
        "steps": request.steps,
        "guidance": None if request.guidance is None else repr(float(request.guidance)),
    }
    return [
        digest({**asked, "seed": str(seed), "plan": plan})
        for seed, plan in zip(request.seeds, plans, strict=True)
    ]


def _shown(request: FeatureRequest) -> dict[int, str] | None:
    """The digests of the pictures that the messages show; None if they name what is no picture."""
    parts = [part for message in request.messages for part in message.content]
    slots = {part.index for part in parts if isinstance(part, ImageSlot)}
    if not all(0 <= slot < len(request.images) and _is_picture(request.images[slot]) for slot in slots):
        return None
    return {slot: pixel_digest(request.images[slot]) for slot in slots}


def _is_picture(pixels: object) -> bool:
    return isinstance(pixels, np.ndarray) and pixels.ndim == 3 and pixels.dtype == np.uint8


def _turn(message: Message, shown: Mapping[int, str]) -> Json:
    """A turn with digests for its pictures."""
    parts = [
        {"$image": shown[part.index]} if isinstance(part, ImageSlot) else part for part in message.content
    ]
    return [message.role, parts]


def packed(key: str, row: Row) -> bytes:
    """A row as a safetensors object, which names the row it is; equal rows give equal bytes."""
    about: Json = {"key": key, "plan": row.plan, "unchanged": row.unchanged, "warnings": list(row.warnings)}
    text = np.frombuffer(dumps(about).encode(), np.uint8)
    return save({"features": np.ascontiguousarray(row.features, np.float32), "about": text})


def kept_row(store: Store, key: str) -> Row | None:
    """A kept row; one that is lost or damaged is no row."""
    try:
        found = store.database.get_stage(key)
        return None if found is None else _unpacked(key, store.objects.get(str(found["blob"])))
    except (CorruptStoreError, SafetensorError, ValueError, KeyError, TypeError):
        return None


def _unpacked(key: str, data: bytes) -> Row:
    tensors = load(data)
    about = json.loads(tensors["about"].tobytes())
    if about["key"] != key:
        raise ValueError("the object is another row")
    return Row(tensors["features"], about["plan"], about["unchanged"], tuple(about["warnings"]))


def row_of(made: FeatureResult, at: int) -> Row:
    """One row of a call's result."""
    plan = made.plans[at] if made.plans else None
    return Row(made.features[at], plan, made.unchanged[at] if made.unchanged else None, made.warnings)


def separable(made: FeatureResult, at: int) -> bool:
    """Whether a row's warnings are known: a call's warnings hold for each of its rows if all rows are alike.

    Where some pictures were left unchanged and some were not, what was warned of is
    that; a changed picture of such a call is computed again rather than warned of.
    """
    mixed = len(set(made.unchanged)) > 1 and bool(made.warnings)
    return not mixed or made.unchanged[at]
