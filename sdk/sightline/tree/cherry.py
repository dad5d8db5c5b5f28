"""Cherry-picking: a recorded call put on another branch, as it was."""

from __future__ import annotations

import time
from dataclasses import replace

from sightline.errors import InputError
from sightline.results import Result
from sightline.tree.execute import Executor
from sightline.tree.steps import Step


def cherry_pick(executor: Executor, step_id: str | None, onto: str | None) -> Result:
    """Put a copy of a step on top of a branch.

    The copy has the same recipe, outputs and data parents, so nothing is computed, and
    neither its tool nor its model need be here. NotFoundError if there is no such
    branch, StaleHeadError if another writer moved it, InputError for a step that failed.
    """
    found = executor.step(step_id)
    if found.status != "done":
        raise InputError(f"step {found.short} {found.status}", hint="pick a step that has a result")
    executor.store.database.check_writable()
    return executor.show(copied(executor, found, onto=onto, why="cherry_pick").id)


def copied(
    executor: Executor,
    found: Step,
    *,
    onto: str | None = None,
    why: str,
    data_parents: tuple[str, ...] | None = None,
) -> Step:
    """A copy of a step on top of a branch, made from other steps if they are given."""
    now, refs = time.time(), executor.refs
    stages = [str(row["key"]) for row in executor.store.database.stages_of(found.id)]
    made_from = found.data_parents if data_parents is None else data_parents
    with refs.lock:
        branch = refs.head()[0] if onto is None else onto
        copy = replace(
            found, parent=refs.tip(branch), data_parents=made_from, started=now, ended=now, usage={}, id=""
        )
        executor.store.database.insert_step(copy.to_row(), made=copy.images(), stages=stages)
        refs.advance(copy.id, branch=branch, why=why)
    return copy
