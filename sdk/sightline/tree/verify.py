"""Is the store whole? Every digest is derived again; what is damaged is named, the rest is still checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sightline.errors import CorruptStoreError, SightlineError
from sightline.store.database import Row, Store
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
    """Check every step, picture and object of the whole store, and the pointers of this session."""
    steps, pictures = store.database.all_steps(), store.database.images()
    known, here = {str(row["id"]) for row in steps}, {str(row["pixels"]) for row in pictures}
    objects, named = list(store.objects.digests()), {str(row["blob"]) for row in pictures}
    problems = [
        *(problem for row in steps for problem in _step_problems(row, known, here)),
        *(problem for row in pictures for problem in _picture_problems(store, row)),
        *_pointer_problems(store, known),
        *(
            problem
            for digest in objects
            if digest not in named
            for problem in _object_problems(store, digest)
        ),
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


def _pointer_problems(store: Store, known: set[str]) -> Iterator[str]:
    for kind in ("branch", "tag"):
        for ref in store.database.refs(kind):
            if ref.target is not None and ref.target not in known:
                yield f"{kind} {ref.name} points to the missing step {ref.target[:8]}"
    for head in store.database.refs("head"):
        if head.target is None or store.database.get_ref("branch", head.target) is None:
            yield f"HEAD names the missing branch {head.target}"
    for redo in store.database.refs("redo"):
        yield from _redo_problems(redo.name, redo.target, known)


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
