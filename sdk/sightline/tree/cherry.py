"""Cherry-picking: a recorded call put on another branch, as it was."""

from __future__ import annotations

import time
from dataclasses import replace

from sightline.errors import InputError
from sightline.results import Result
from sightline.tree.execute import Executor


def cherry_pick(executor: Executor, step_id: str | None, onto: str | None) -> Result:
    """Put a copy of a step on top of a branch.

    The copy has the same recipe, outputs and data parents, so nothing is computed, and
    neither its tool nor its model need be here. NotFoundError if there is no such
    branch, StaleHeadError if another writer moved it, InputError for a step that failed.
    """
    found, refs = executor.step(step_id), executor.refs
    if found.status != "done":
        raise InputError(f"step {found.short} {found.status}", hint="pick a step that has a result")
    executor.store.database.check_writable()
    now = time.time()
    stages = [str(row["key"]) for row in executor.store.database.stages_of(found.id)]
    with refs.lock:
        branch = refs.head()[0] if onto is None else onto
        parent = refs.tip(branch)
        copy = replace(found, parent=parent, started=now, ended=now, usage={}, id="")
        executor.store.database.insert_step(copy.to_row(), made=copy.images(), stages=stages)
        refs.advance(copy.id, branch=branch, why="cherry_pick")
    return executor.show(copy.id)
