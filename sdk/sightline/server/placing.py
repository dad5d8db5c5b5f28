"""Placing: on which branch a call goes when its client says where, whatever the current branch is.

State is explicit: a client names a branch, or the step that it got with its last
answer, and no call depends on where another client left HEAD.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from itertools import count, islice

from sightline.errors import BusyError, InputError, NotFoundError, SightlineError, StaleHeadError
from sightline.session import Session
from sightline.tree.execute import Executor
from sightline.tree.refs import MAIN, Refs

_TRIES = 100
"""Names that are tried for a new branch."""


def executor_of(session: Session) -> Executor:
    """What runs the calls of a session."""
    return session._executor


def on_branch(session: Session, branch: str | None = None, expect: str | None = None) -> Session:
    """The session with another branch as its current one; HEAD stays where it is.

    `branch` None is the current one. `expect` is the step (any name of it) at which the client
    believes the branch to stand: StaleHeadError, with both heads, if it does not, or does not
    any more when the call ends. NotFoundError if there is no such branch.
    """
    executor, view = executor_of(session), copy(session)
    name, there = branch or executor.refs.head()[0], executor.refs.branches()
    if name not in there:
        raise NotFoundError(f"there is no branch {name!r}", hint=f"there are {', '.join(sorted(there)[:20])}")
    moved = executor.on(name)
    view._executor = moved if expect is None else _expecting(moved, name, expect)
    return view


@contextmanager
def going(session: Session, at: str | None = None, expect: str | None = None) -> Iterator[Session]:
    """The session as `on_branch` gives it, for a call that says where it goes.

    `at` None is the current branch, a branch's name that branch. A step is the branch
    that ends there (the current one, `main`, or the first by name); from a step
    at which none ends a new branch parts, `at-` and its short id, which is this call's own,
    and gone again if it was not used.
    """
    executor = executor_of(session)
    branch = _resting(executor, at)
    own = _parted(executor, str(at)) if branch is None else None
    start = None if own is None else executor.refs.branches().get(own)
    try:
        yield on_branch(session, branch or own, expect)
    finally:
        if own is not None and executor.refs.branches().get(own) == start:
            with suppress(SightlineError):  # whoever uses it by now keeps it
                executor.refs.drop(own)


def _resting(executor: Executor, at: str | None) -> str | None:
    """The branch that a call goes on; None if one must part.

    One that parted at the step and has no step of its own is another call's.
    """
    current = executor.refs.head()[0]
    tips = executor.refs.branches()
    if at is None or at in tips:
        return at or current
    step = executor.locate(at)
    ending = sorted(
        (name for name, tip in tips.items() if tip == step), key=lambda n: (n != current, n != MAIN, n)
    )
    free = (name for name in ending if name == current or not name.startswith(_stem(step)))
    return next(free, None)


def _parted(executor: Executor, at: str) -> str:
    """A new branch from a step."""
    step = executor.locate(at)
    taken = {*executor.refs.branches(), *executor.refs.tags()}
    names = (_stem(step) if number == 1 else f"{_stem(step)}-{number}" for number in count(1))
    for name in islice((name for name in names if name not in taken), _TRIES):
        with suppress(InputError, StaleHeadError):  # another call took the name meanwhile
            executor.refs.branch(name, step)
            return name
    raise BusyError("too many calls part from that step at a time", hint="come again")


def _stem(step: str | None) -> str:
    return f"at-{str(step)[:8]}"


def _expecting(there: Executor, branch: str, expect: str) -> Executor:
    """An executor that puts its step on a branch only while that stands at a step."""
    expected, found = there.locate(expect), there.refs.head()[1]
    if expected != found:
        raise StaleHeadError(branch, expected=expected, found=found)
    there.refs = Refs(there.store, branch)
    there.refs.stand(branch, expected)
    return there
