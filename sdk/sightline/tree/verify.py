"""Is the store whole? Every digest is derived again; what is damaged is named, the rest is still checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sightline.errors import CorruptStoreError, SightlineError
from sightline.store.database import Ref, Row, Store
from sightline.tree.refs import redo_list
from sightline.tree.steps import Step
from sightline_tools import image as images


@dataclass(frozen=True)
class Report:
    """What a check found: `problems`, empty when all is well, and how much was looked at."""

    problems: tuple[str, ...]
    steps: int
    images: int
    objects: int


def verify(store: Store) -> Report:
    """Check every step, picture, pointer, move, stage, vector and object of a store, of all its sessions."""
    database = store.database
    steps, pictures, stages = database.all_steps(), database.images(), database.stages()
    known, here = {str(row["id"]) for row in steps}, {str(row["pixels"]) for row in pictures}
    objects, named = list(store.objects.digests()), {str(row["blob"]) for row in (*pictures, *stages)}
    unnamed = [digest for digest in objects if digest not in named]
    problems = [
        *(problem for row in steps for problem in _step_problems(row, known, here)),
        *(problem for row in pictures for problem in _picture_problems(store, row)),
        *(problem for row in stages for problem in _stage_problems(store, row)),
        *_pointer_problems(store, known),
        *_move_problems(store, known),
        *_link_problems(store, known, {str(row["key"]) for row in stages}),
        *_index_problems(store, here),
        *(problem for digest in unnamed for problem in _object_problems(store, digest)),
    ]
    return Report(tuple(problems), len(steps), len(pictures), len(objects))


def _step_problems(row: Row, known: set[str], pictures: set[str]) -> Iterator[str]:
    try:
        step = Step.from_row(row)
    except CorruptStoreError as error:
        yield error.message
        return
    for parent in filter(None, (step.parent, *step.data_parents)):
        if parent not in known:
            yield f"step {step.short} names the missing step {parent[:8]}"
    for digest in _digests(step.outputs):
        if digest not in pictures:
            yield f"step {step.short} names the missing picture {digest[:8]}"


def _digests(value: object) -> list[str]:
    if isinstance(value, dict):
        if set(value) == {"$image"}:
            return [str(value["$image"])]
        return [digest for item in value.values() for digest in _digests(item)]
    return [digest for item in value for digest in _digests(item)] if isinstance(value, list) else []


def _picture_problems(store: Store, row: Row) -> Iterator[str]:
    name = f"picture {str(row['pixels'])[:8]}"
    try:
        array = images.decode_png(store.objects.get(str(row["blob"])))
        height, width, _ = array.shape
        digest, mode = images.pixel_digest(array), images.mode_of(array)
    except (SightlineError, OSError, SyntaxError, ValueError) as error:
        yield f"{name}: {error}"
        return
    if digest != row["pixels"]:
        yield f"{name} holds other pixels than its digest says"
    elif (width, height, mode, "image/png") != (row["width"], row["height"], row["mode"], row["media_type"]):
        yield f"{name} is {mode} {width}x{height}, its row says {row['mode']} {row['width']}x{row['height']}"


def _stage_problems(store: Store, row: Row) -> Iterator[str]:
    name = f"stage {str(row['key'])[:8]}"
    try:
        json.loads(str(row["meta"]))
        store.objects.get(str(row["blob"]))
    except ValueError:
        yield f"{name} has a note that cannot be read"
    except SightlineError as error:
        yield f"{name}: {error}"


def _pointer_problems(store: Store, known: set[str]) -> Iterator[str]:
    refs = store.database.all_refs()
    branches = {(ref.session, ref.name) for ref in refs if ref.kind == "branch"}
    for ref in refs:
        if ref.kind == "head" and (ref.session, ref.target) not in branches:
            yield f"HEAD names the missing branch {ref.target}{_of(ref)}"
        elif ref.kind == "redo":
            yield from _redo_problems(f"{ref.name}{_of(ref)}", ref.target, known)
        elif ref.kind in ("branch", "tag") and ref.target is not None and ref.target not in known:
            yield f"{ref.kind} {ref.name}{_of(ref)} points to the missing step {ref.target[:8]}"


def _of(ref: Ref) -> str:
    return "" if ref.session == "main" else f" of session {ref.session}"


def _move_problems(store: Store, known: set[str]) -> Iterator[str]:
    for move in store.database.all_moves():
        ends = (move["before"], move["after"]) if move["kind"] in ("branch", "tag") else ()
        for step in ends:
            if step is not None and step not in known:
                yield f"a move of {move['kind']} {move['branch']} names the missing step {str(step)[:8]}"


def _link_problems(store: Store, known: set[str], stages: set[str]) -> Iterator[str]:
    for link in store.database.step_stages():
        if link["step"] not in known or link["key"] not in stages:
            ends = f"step {str(link['step'])[:8]} and stage {str(link['key'])[:8]}"
            yield f"{ends} are linked, and one is missing"


def _index_problems(store: Store, pictures: set[str]) -> Iterator[str]:
    """What only makes things harder to find."""
    database = store.database
    for step in database.steps_without_words():
        yield f"step {step[:8]} is not in the index of words"
    for pixels in database.pixels_without_alias():
        yield f"picture {pixels[:8]} has no short number"
    for row in database.all_vectors():
        if row["pixels"] not in pictures:
            yield f"a vector belongs to the missing picture {str(row['pixels'])[:8]}"
        elif not _is_vector(row["vector"]):
            yield f"the vector of picture {str(row['pixels'])[:8]} is damaged"


def _is_vector(data: object) -> bool:
    """Whether bytes are a vector of length 1, or 0 for a picture without features."""
    if not isinstance(data, bytes) or not data or len(data) % 2:
        return False
    length = float(np.linalg.norm(np.frombuffer(data, np.float16).astype(np.float64)))
    return length == 0 or abs(length - 1) < 0.01


def _redo_problems(branch: str, text: str | None, known: set[str]) -> Iterator[str]:
    try:
        steps = redo_list(text) if text else []
    except CorruptStoreError as error:
        yield f"branch {branch}: {error.message}"
        return
    for step in steps:
        if step not in known:
            yield f"branch {branch} could redo the missing step {step[:8]}"


def _object_problems(store: Store, digest: str) -> Iterator[str]:
    """An object without a row is garbage, not a problem, unless its bytes are wrong."""
    try:
        store.objects.get(digest)
    except SightlineError as error:
        yield str(error)
