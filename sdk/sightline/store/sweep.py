"""Is the store whole, and what in it is garbage."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from sightline.errors import SightlineError
from sightline.store.database import Row, Store


@dataclass(frozen=True)
class Report:
    """What a check found: `problems`, empty when all is well, and how much was looked at."""

    problems: tuple[str, ...]
    steps: int
    images: int
    objects: int


def verify(store: Store, *, step_id: Callable[[Row], str], pixels: Callable[[bytes], str]) -> Report:
    """Derive every digest again; what is damaged is named, the rest is still checked.

    `step_id` derives a step's id from its row, `pixels` a picture's digest from
    its file: both belong to rooms above this one.
    """
    steps, images = store.database.steps(), store.database.images()
    problems: list[str] = []
    known, pictures = {str(row["id"]) for row in steps}, {str(row["pixels"]) for row in images}
    for row in steps:
        problems += _step_problems(row, known, pictures, step_id)
    for row in images:
        problems += _image_problems(store, row, pixels)
    for kind in ("branch", "tag"):
        for ref in store.database.refs(kind):
            if ref.target is not None and ref.target not in known:
                problems.append(f"{kind} {ref.name} points to the missing step {ref.target[:8]}")
    count = 0
    for digest in store.objects.digests():
        count += 1
        if not any(row["blob"] == digest for row in images):
            problems += _object_problems(store, digest)
    return Report(tuple(problems), len(steps), len(images), count)


def _step_problems(row: Row, known: set[str], pictures: set[str], step_id: Callable[[Row], str]) -> list[str]:
    name = f"step {str(row['id'])[:8]}"
    try:
        if step_id(row) != row["id"]:
            return [f"{name} does not match its digest"]
        parents = [row["parent"]] if row["parent"] else []
        missing = [p for p in [*parents, *json.loads(str(row["data_parents"]))] if p not in known]
        lost = [d for d in _digests(json.loads(str(row["outputs"]))) if d not in pictures]
    except (ValueError, KeyError, TypeError) as error:
        return [f"{name} cannot be read: {error}"]
    return [f"{name} names the missing step {str(p)[:8]}" for p in missing] + [
        f"{name} names the missing picture {d[:8]}" for d in lost
    ]


def _digests(value: object) -> list[str]:
    if isinstance(value, dict):
        if set(value) == {"$image"}:
            return [str(value["$image"])]
        return [digest for item in value.values() for digest in _digests(item)]
    return [digest for item in value for digest in _digests(item)] if isinstance(value, list) else []


def _image_problems(store: Store, row: Row, pixels: Callable[[bytes], str]) -> list[str]:
    name = f"picture {str(row['pixels'])[:8]}"
    try:
        if pixels(store.objects.get(str(row["blob"]))) != row["pixels"]:
            return [f"{name} holds other pixels than its digest says"]
    except (SightlineError, OSError, SyntaxError, ValueError) as error:
        return [f"{name}: {error}"]
    return []


def _object_problems(store: Store, digest: str) -> list[str]:
    """An object without a row is garbage, not a problem, unless its bytes are wrong."""
    try:
        data = store.objects.get(digest)
    except SightlineError as error:
        return [str(error)]
    return [] if hashlib.sha256(data).hexdigest() == digest else [f"object {digest[:8]} is damaged"]


def sweep(store: Store, *, older_than: float = 3600.0) -> list[str]:
    """Delete objects that no picture names and that are older than so many seconds."""
    named = {str(row["blob"]) for row in store.database.images()}
    garbage = [d for d in store.objects.digests() if d not in named and store.objects.age(d) >= older_than]
    for digest in garbage:
        store.objects.delete(digest)
    return garbage
