"""Was this recipe done before? Equal work is found again, in any session, after any restart."""

from __future__ import annotations

import time
from dataclasses import replace

from sightline.errors import CorruptStoreError
from sightline.results import Cache
from sightline.store.database import Store
from sightline.tree.pictures import Pictures
from sightline.tree.recipe import dumps
from sightline.tree.stages import Stages
from sightline.tree.steps import Step
from sightline_tools.tool import Tool

_CALL = ("tool", "version", "seeds", "fingerprint", "context")


def lookup(store: Store, asked: Step) -> Step | None:
    """A finished step of the same call whose pictures can all be read, None without one.

    A recipe is only where to look: a step that somebody brought in under the recipe of
    another call does not serve.
    """
    row = store.database.find_recipe(asked.recipe)
    try:
        step = None if row is None else Step.from_row(row)
    except CorruptStoreError:
        return None  # what is damaged is computed again
    if step is None or not _same_call(step, asked) or not all(map(Pictures(store).whole, step.images())):
        return None
    return step if store.database.touch_images(step.images()) else None  # a sweep leaves them from now on


def _same_call(step: Step, asked: Step) -> bool:
    same = all(getattr(step, name) == getattr(asked, name) for name in _CALL)
    return same and dumps(step.args) == dumps(asked.args)


def again(found: Step) -> Step:
    """The step of a call whose work was found: it took no time and cost nothing."""
    now = time.time()
    return replace(found, started=now, ended=now, usage={}, id="")


def told(tool: Tool, found: Step | None, stages: Stages | None) -> Cache:
    """What a call's result says of the memo."""
    if found is not None:
        return Cache("hit", f"step {found.short} has the same recipe")
    if tool.stateful:
        return Cache("miss", "the tool is stateful: it runs every time")
    return (
        stages.cache if stages is not None else Cache("miss", "no whole step of this recipe is in the store")
    )


def added(found: Step | None) -> Cache:
    """What bringing a picture in says of the memo."""
    if found is None:
        return Cache("miss", "the picture was brought in from outside")
    return Cache("hit", f"step {found.short} brought the same picture in")
