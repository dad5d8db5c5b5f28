"""Looking back: the log of a branch."""

from sightline.errors import InputError
from sightline.store.database import Store
from sightline.tree.diff import chain
from sightline.tree.refs import Refs
from sightline.tree.steps import Step


def log(store: Store, refs: Refs, limit: int | None = None, branch: str | None = None) -> list[Step]:
    """The steps from a branch's tip back to its root, newest first, at most `limit`."""
    if limit is not None and not (isinstance(limit, int) and limit >= 1):
        raise InputError(f"limit is {limit!r}", hint="ask for at least one step")
    return chain(store, refs.resolve("HEAD" if branch is None else branch), limit)
