"""What two branches differ in: their last common step and the steps of each side."""

from dataclasses import dataclass

from sightline.store.database import Store
from sightline.tree.steps import Step


@dataclass(frozen=True)
class Diff:
    """Steps on one side only, oldest first, after the last common step."""

    common: str | None
    only_a: tuple[Step, ...]
    only_b: tuple[Step, ...]


def chain(store: Store, tip: str | None, limit: int | None = None) -> list[Step]:
    """The steps from a tip back to the root, newest first, at most `limit`."""
    steps: list[Step] = []
    while tip is not None and (limit is None or len(steps) < limit):
        steps.append(Step.from_row(store.database.get_step(tip)))
        tip = steps[-1].parent
    return steps


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
