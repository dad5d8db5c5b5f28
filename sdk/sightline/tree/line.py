"""The line of a step: the steps before it, back to the root; and where two lines part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sightline.errors import CorruptStoreError
from sightline.store.database import Row, Store
from sightline.tree.steps import Step

_FIRST, _LARGEST = 16, 512
"""Rows asked for at once: few at first, as most readers want the newest steps only."""


def walk(store: Store, tip: str | None) -> Iterator[Row]:
    """The rows from a tip back to the root, newest first, read as they are asked for.

    NotFoundError where a step names one that is missing, CorruptStoreError where one
    comes before itself.
    """
    seen: set[str] = set()
    size = _FIRST
    while tip is not None:
        for row in store.database.line(tip, size):
            if str(row["id"]) in seen:
                raise CorruptStoreError(
                    f"step {row['id']!s:.8} comes before itself", hint="check out another branch"
                )
            seen.add(str(row["id"]))
            tip = parent_of(row)
            yield row
        size = min(2 * size, _LARGEST)


def parent_of(row: Row) -> str | None:
    """The id of the step before a row's step."""
    return None if row["parent"] is None else str(row["parent"])


def rows(store: Store, tip: str | None, limit: int | None = None) -> list[Row]:
    """The rows from a tip back to the root, newest first, at most `limit`."""
    return list(islice(walk(store, tip), limit))


def chain(store: Store, tip: str | None, limit: int | None = None) -> list[Step]:
    """The steps from a tip back to the root, newest first, at most `limit`."""
    return [Step.from_row(row) for row in rows(store, tip, limit)]


@dataclass(frozen=True)
class Fork:
    """Where two lines part: the last common step, and the rows of each side after it, oldest first."""

    common: str | None
    only_a: tuple[Row, ...]
    only_b: tuple[Row, ...]


def fork(store: Store, a: str | None, b: str | None) -> Fork:
    """Where the lines that end at two steps part; reads no further back than the last common step."""
    sides = (walk(store, a), walk(store, b))
    found: tuple[dict[str, Row], dict[str, Row]] = ({}, {})
    common, running = None, [0, 1]
    while running and common is None:
        for side in tuple(running):
            row = next(sides[side], None)
            if row is None:
                running.remove(side)
                continue
            found[side][str(row["id"])] = row
            if str(row["id"]) in found[1 - side]:
                common = str(row["id"])
                break
    only = (_until(found[side], common) for side in (0, 1))
    return Fork(common, *only)


def _until(found: dict[str, Row], common: str | None) -> tuple[Row, ...]:
    """What was read before the common step, oldest first."""
    names = list(found)
    stop = names.index(common) if common in found else len(names)
    return tuple(found[name] for name in reversed(names[:stop]))
