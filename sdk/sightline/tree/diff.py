"""What two branches differ in: their last common step and the steps of each side."""

from dataclasses import dataclass

from sightline.errors import CorruptStoreError
from sightline.store.database import Row, Store
from sightline.tree.steps import Step


@dataclass(frozen=True)
class Diff:
    """Steps on one side only, oldest first, after the last common step."""

    common: str | None
    only_a: tuple[Step, ...]
    only_b: tuple[Step, ...]


def rows(store: Store, tip: str | None, limit: int | None = None) -> list[Row]:
    """The rows of the steps from a tip back to the root, newest first, at most `limit`."""
    found: dict[str, Row] = {}
    while tip is not None and (limit is None or len(found) < limit):
        if tip in found:
            raise CorruptStoreError(f"step {tip[:8]} comes before itself", hint="check out another branch")
        found[tip] = store.database.get_step(tip)
        parent = found[tip]["parent"]
        tip = None if parent is None else str(parent)
    return list(found.values())


def chain(store: Store, tip: str | None, limit: int | None = None) -> list[Step]:
    """The steps from a tip back to the root, newest first, at most `limit`."""
    return [Step.from_row(row) for row in rows(store, tip, limit)]


def diff(store: Store, a: str | None, b: str | None) -> Diff:
    """Compare the histories that end at two steps."""
    left, right = chain(store, a), chain(store, b)
    shared = {step.id for step in left} & {step.id for step in right}
    common = next((step.id for step in left if step.id in shared), None)
    return Diff(
        common,
        tuple(step for step in reversed(left) if step.id not in shared),
        tuple(step for step in reversed(right) if step.id not in shared),
    )
