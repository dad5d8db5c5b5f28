"""Standing: a session on the branch that a request names, wherever its HEAD is.

A client of a server says with every call where it goes on, so two clients of one
session do not move each other. All of them are one writer of the session's branches:
calls on the same branch follow one another, and none is stale because of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

from sightline.errors import CorruptStoreError
from sightline.session import Session
from sightline.tree.branching import free_branch
from sightline.tree.refs import Refs


class _Standing(Refs):
    """The same writer on a branch of its own, which it sees as it is now."""

    def __init__(self, writer: Refs, branch: str) -> None:
        vars(self).update(vars(writer))  # the lock, and what was seen, are shared
        with self.lock:
            self._branch, self._lost = branch, False
            self._seen |= self._tip_of(branch)


class _Looking(Refs):
    """A reader that stands at a step as if a branch ended there; none does, so nothing can be added."""

    def __init__(self, writer: Refs, step: str | None, name: str) -> None:
        vars(self).update(vars(writer))
        self._branch, self._lost = name, False
        self._seen = {**self._seen, name: step}


@contextmanager
def standing(session: Session, at: str | None = None, *, adds: bool = True) -> Iterator[Session]:
    """The session on a branch: HEAD's own by default; HEAD does not move.

    `at` is a branch, or any name of a step (`main~2`, `img3`, `@tag`): then a new branch
    begins there, and is gone again if nothing was added to it. A call that only looks says
    `adds=False` and makes none. NotFoundError if there is no such thing.
    """
    writer = session._executor.refs
    branches = writer.branches()
    branch = _head(session) if at is None else at
    if branch in branches:
        yield _with(session, _Standing(writer, branch))
        return
    start = writer.resolve(branch)
    if not adds:
        yield _with(session, _Looking(writer, start, branch))
        return
    branch = free_branch(session._executor, None, at, "try")
    writer.branch(branch, start)
    try:
        yield _with(session, _Standing(writer, branch))
    finally:
        if writer.branches().get(branch) == start and _head(session) != branch:
            writer.drop(branch)


def _with(session: Session, refs: Refs) -> Session:
    view, executor = copy(session), copy(session._executor)
    executor.refs = refs
    view._executor = executor
    return view


def _head(session: Session) -> str:
    """The branch that HEAD names now, whoever moved it."""
    head = session._store.database.get_ref("head", "HEAD")
    if head is None or head.target is None:
        raise CorruptStoreError("the session has no HEAD", hint="open it with Session, which makes one")
    return head.target
