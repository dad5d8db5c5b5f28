"""Archive: one file that holds a whole session, to send and to keep: its form, and how it is written.

It is a zip: `manifest.json` (form, seed, names of models, digests of the other texts),
`steps.jsonl` and `images.jsonl` (one JSON object a line, steps after those they build
on), `refs.json`, and the bytes of pictures as `objects/ab/cdef…`, stored as they are. The
same session gives the same file. Features that were kept are not in it: they are made
again.
"""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from sightline.errors import InputError, NotFoundError
from sightline.lineage import digests_in
from sightline.store.database import Row, Store
from sightline.tree.line import rows
from sightline.tree.models import Models
from sightline.tree.recipe import dumps
from sightline.tree.refs import redo_list
from sightline.tree.steps import Step
from sightline_tools.image import Image

SCHEMA = "sightline.session/1"
TEXTS = ("steps.jsonl", "images.jsonl", "refs.json")
_REF = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$"
_MADE = (1980, 1, 1, 0, 0, 0)
"""The date of every member: a zip needs one, and the same session gives the same file."""
Name = Annotated[str, Field(pattern=_REF)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Manifest(_Strict):
    """What the archive is, the digests of its texts, the session's seed, and names of models."""

    form: Literal["sightline.session/1"] = Field(alias="schema")
    digests: dict[str, Digest]
    seed: Annotated[str, Field(pattern="^[0-9]{1,19}$")] | None = None
    models: dict[Annotated[str, Field(max_length=200)], str] = {}


class Pointers(_Strict):
    """The current branch, the branches, tags, and what each branch could redo."""

    head: Name
    branches: dict[Name, Digest | None]
    tags: dict[Name, Digest]
    redo: dict[Name, tuple[Digest, ...]] = {}


class StepRow(_Strict):
    """One line of `steps.jsonl`."""

    id: Digest
    tool: str
    version: str
    args: dict[str, JsonValue]
    seeds: tuple[str, ...]
    outputs: dict[str, JsonValue]
    usage: dict[str, JsonValue]
    status: Literal["done", "failed", "cancelled"]
    fingerprint: str
    recipe: str
    context: str
    parent: Digest | None
    data_parents: tuple[Digest, ...]
    started: float
    ended: float
    error: dict[str, JsonValue] | None


@dataclass(frozen=True)
class Archive:
    """A checked archive: steps, each after those it builds on, pictures, and pointers."""

    path: Path
    steps: tuple[Step, ...]
    images: tuple[Image, ...]
    pointers: Pointers
    seed: str | None
    models: Mapping[str, str]


def pack(store: Store, path: Path, *, branch: str | None = None) -> Path:
    """Write a session, or one branch of it with all that it was made from, as one file.

    NotFoundError for an unknown branch, CorruptStoreError if what is stored is not whole,
    InputError if the file cannot be written. A file that is there is replaced at the end.
    """
    pointers = _pointers(store, branch)
    steps = _gathered(store, pointers, branch)
    pictures = _pictures(store, steps)
    texts = {
        "steps.jsonl": "".join(f"{_line(step)}\n" for step in steps),
        "images.jsonl": "".join(f"{image.model_dump_json()}\n" for image in pictures),
        "refs.json": pointers.model_dump_json(),
    }
    models, fingerprints = Models(store), {step.fingerprint for step in steps} - {""}
    manifest = {
        "schema": SCHEMA,
        "digests": {name: sha256(text.encode()) for name, text in texts.items()},
        "seed": store.database.get_meta("seed"),
        "models": {mark: models.name(mark) for mark in sorted(fingerprints)},
    }
    unfinished = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(unfinished, "w") as file:
            for name, text in {"manifest.json": dumps(manifest), **texts}.items():
                file.writestr(_member(name, zipfile.ZIP_DEFLATED), text)
            for image in pictures:
                file.writestr(_member(place_of(image.blob)), store.objects.get(image.blob))
        unfinished.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", hint="give another path") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _pointers(store: Store, branch: str | None) -> Pointers:
    database = store.database
    branches = {ref.name: ref.target for ref in database.refs("branch")}
    if branch is not None and branch not in branches:
        raise NotFoundError(f"there is no branch {branch!r}", hint=f"the branches are {', '.join(branches)}")
    head = database.get_ref("head", "HEAD")
    current = head.target if head and head.target in branches else next(iter(branches))
    redo = {
        ref.name: tuple(redo_list(ref.target))
        for ref in database.refs("redo")
        if ref.target and ref.name in branches  # that of a dropped branch is left behind
    }
    tags = {ref.name: ref.target for ref in database.refs("tag") if ref.target is not None}
    if branch is None:
        return Pointers(head=current, branches=branches, tags=tags, redo=redo)
    line = {row["id"] for row in rows(store, branches[branch])}
    kept = {name: step for name, step in tags.items() if step in line}
    return Pointers(head=branch, branches={branch: branches[branch]}, tags=kept)


def _gathered(store: Store, pointers: Pointers, branch: str | None) -> list[Step]:
    """The steps to write, and all that they build on, in the order in which they were stored."""
    found: dict[str, Row] = {str(row["id"]): row for row in store.database.steps()} if branch is None else {}
    redo = [step for steps in pointers.redo.values() for step in steps]
    todo = [*filter(None, pointers.branches.values()), *pointers.tags.values(), *redo, *found]
    done: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in done:
            done.add(name)
            row = found.setdefault(name, store.database.get_step(name) if name not in found else found[name])
            step = Step.from_row(row)
            todo += [*filter(None, (step.parent,)), *step.data_parents]
    return [Step.from_row(row) for row in sorted(found.values(), key=lambda row: int(str(row["seq"])))]


def _pictures(store: Store, steps: Iterable[Step]) -> list[Image]:
    """The pictures that steps read or made and that are here."""
    named = dict.fromkeys(digest for step in steps for digest in digests_in([step.args, step.outputs]))
    stored = (store.database.get_image(digest) for digest in named)
    return [Image.model_validate(row) for row in stored if row is not None]


def _line(step: Step) -> str:
    row = step.to_row()
    for name in ("args", "seeds", "outputs", "usage", "data_parents", "error"):
        row[name] = None if row[name] is None else json.loads(str(row[name]))
    return json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _member(name: str, packing: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _MADE)
    info.compress_type, info.external_attr = packing, (stat.S_IFREG | 0o644) << 16
    return info


def place_of(blob: str) -> str:
    """Where the bytes of a digest stand in the archive."""
    return f"objects/{blob[:2]}/{blob[2:]}"


def sha256(data: bytes) -> str:
    """The digest of bytes."""
    return hashlib.sha256(data).hexdigest()
