"""What in a store nobody can reach any more, and how it is removed beside writers at work.

Kept are the steps that a branch, a tag, a list of steps to redo, or a young move of
any session leads to, over both kinds of parents; what is young by itself; and the
pictures and stages of all these. A tag so pins what it names. Rows go first, in one
transaction that keeps writers out, then the objects that no row names: a kill in
between leaves garbage for the next sweep. A writer that finds old work again dates
it anew, and so keeps it; what a sweep took in spite of that, it is told.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

from sightline.errors import CorruptStoreError, InputError, StoreError
from sightline.store.database import Database, Row, Store
from sightline.store.objects import Objects

DEFAULT_AGE = 14 * 86400.0
"""Two weeks, in seconds: as long as git keeps what nothing leads to."""


@dataclass(frozen=True)
class Swept:
    """What a sweep removed, or in a dry run would remove: ids, pixel digests, keys, object digests, bytes."""

    dry_run: bool
    steps: tuple[str, ...]
    images: tuple[str, ...]
    stages: tuple[str, ...]
    objects: tuple[str, ...]
    bytes: int

    def __repr__(self) -> str:
        counts = [(self.steps, "steps"), (self.images, "pictures"), (self.stages, "stages")]
        said = ", ".join(f"{len(ids)} {name}" for ids, name in [*counts, (self.objects, "objects")])
        return f"<Swept {said}, {self.bytes:,} bytes{' (dry run)' if self.dry_run else ''}>"


def gc(store: Store, *, dry_run: bool = True, older_than: float = DEFAULT_AGE) -> Swept:
    """Remove what nothing leads to and what is older than so many seconds; a dry run only tells.

    With `older_than` 0 nobody else may be writing: what is not yet on a branch would go.
    Raises CorruptStoreError, and removes nothing, if damage hides what leads where.
    """
    cutoff = time.time() - _checked(older_than)
    if not dry_run:
        store.database.check_writable()
    _check_owned(store)
    with nullcontext() if dry_run else store.database.alone():
        found = _garbage(store.database, cutoff)
        if not dry_run:
            _remove_rows(store.database, found)
    objects, size = _sweep_objects(store.objects, found.blobs, time.time() - cutoff, dry_run)
    return Swept(dry_run, found.steps, found.images, found.stages, objects, size)


@dataclass(frozen=True)
class _Garbage:
    """Rows that nothing leads to, and the blobs that all other rows name."""

    steps: tuple[str, ...]
    images: tuple[str, ...]
    stages: tuple[str, ...]
    blobs: frozenset[str]


def _checked(older_than: object) -> float:
    if isinstance(older_than, int | float) and not isinstance(older_than, bool) and older_than >= 0:
        return float(older_than)
    raise InputError(f"older_than is {older_than!r}", hint="give seconds, 0 or more")


def _check_owned(store: Store) -> None:
    others = store.objects.owners() - {store.database.get_shared("id")}
    if others:
        raise StoreError(
            "another store keeps its pictures in the same place: what it needs cannot be told from garbage",
            hint="give each store objects of its own",
        )


def _garbage(database: Database, cutoff: float) -> _Garbage:
    rows = {str(row["id"]): row for row in database.all_steps()}
    kept = reachable(rows, _roots(database, rows, cutoff))
    shown = {digest for step in kept for digest in _pictures(rows[step])}
    used = {str(row["key"]) for row in database.step_stages() if row["step"] in kept}
    young = {pixels for pixels, touched in database.images_touched().items() if touched >= cutoff}
    images, stages = database.images(), database.stages()
    kept_images = [row for row in images if row["pixels"] in shown or row["pixels"] in young]
    kept_stages = [row for row in stages if row["key"] in used or float(str(row["touched"])) >= cutoff]
    return _Garbage(
        tuple(step for step in rows if step not in kept),
        _without(images, kept_images, "pixels"),
        _without(stages, kept_stages, "key"),
        frozenset(str(row["blob"]) for row in (*kept_images, *kept_stages)),
    )


def _without(rows: Iterable[Row], kept: Iterable[Row], name: str) -> tuple[str, ...]:
    names = {row[name] for row in kept}
    return tuple(str(row[name]) for row in rows if row[name] not in names)


def _roots(database: Database, rows: Mapping[str, Row], cutoff: float) -> Iterator[str]:
    """Steps that are kept by themselves."""
    for ref in database.all_refs():
        if ref.kind == "redo":
            yield from _listed(ref.target or "[]", "a list of steps to redo")
        elif ref.kind != "head" and ref.target is not None:
            yield ref.target
    for move in database.all_moves():
        if float(str(move["at"])) >= cutoff and move["kind"] in ("branch", "tag"):
            yield from (str(move[side]) for side in ("before", "after") if move[side] is not None)
    yield from (step for step, row in rows.items() if float(str(row["touched"])) >= cutoff)


def reachable(rows: Mapping[str, Row], roots: Iterable[str]) -> set[str]:
    """The steps that roots lead to over both kinds of parents."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        step = waiting.pop()
        if step in found or step not in rows:
            continue
        found.add(step)
        parent = rows[step]["parent"]
        waiting += [] if parent is None else [str(parent)]
        waiting += _listed(str(rows[step]["data_parents"]), f"step {step[:8]}")
    return found


def _listed(text: str, what: str) -> list[str]:
    value = _parsed(text, what)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _unclear(what)
    return value


def _pictures(row: Row) -> Iterator[str]:
    """The pictures that a step read or made."""
    for column in ("args", "outputs"):
        yield from _digests(_parsed(str(row[column]), f"step {str(row['id'])[:8]}"))


def _digests(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"$image"}:
            yield str(value["$image"])
        for item in value.values():
            yield from _digests(item)
    elif isinstance(value, list):
        for item in value:
            yield from _digests(item)


def _parsed(text: str, what: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _unclear(what) from error


def _unclear(what: str) -> CorruptStoreError:
    return CorruptStoreError(
        f"{what} is damaged, so what it leads to is unknown; nothing was removed",
        hint="verify_store() names the damage",
    )


def _remove_rows(database: Database, found: _Garbage) -> None:
    database.delete_steps(found.steps)
    database.delete_images(found.images)
    database.delete_stages(found.stages)
    database.delete_texts()


def _sweep_objects(
    objects: Objects, named: frozenset[str], older_than: float, dry_run: bool
) -> tuple[tuple[str, ...], int]:
    """Remove old objects that no row names; gives them and their bytes."""
    gone, size = [], 0
    for digest in [digest for digest in objects.digests() if digest not in named]:
        if objects.age(digest) >= older_than:
            held = objects.size(digest)
            if dry_run or objects.discard(digest, older_than=older_than):
                gone.append(digest)
                size += held
    if not dry_run:
        objects.sweep_halves(older_than=older_than)
    return tuple(gone), size
