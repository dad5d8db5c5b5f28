"""Looking at a tree without changing it: the log of a branch, and whether the store is whole."""

from sightline.errors import InputError
from sightline.store import sweep
from sightline.store.database import Store
from sightline.tree.diff import chain
from sightline.tree.refs import Refs
from sightline.tree.steps import Step
from sightline_tools import image as images


def log(store: Store, refs: Refs, limit: int | None = None, branch: str | None = None) -> list[Step]:
    """The steps from a branch's tip back to its root, newest first, at most `limit`."""
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit}", hint="ask for at least one step")
    return chain(store, refs.head()[1] if branch is None else refs.resolve(branch), limit)


def verify(store: Store) -> sweep.Report:
    """Derive every digest of the store again."""
    return sweep.verify(store, step_id=lambda row: Step.from_row(row).derived_id(), pixels=_pixels)


def _pixels(blob: bytes) -> str:
    return images.pixel_digest(images.decode_png(blob))
