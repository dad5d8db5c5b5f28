"""Placing: on which branch a call goes when its client says where, whatever the current branch is.

State is explicit: a client names a branch, or the step that it got with its last
answer, and no call depends on where another client left HEAD.
"""

from __future__ import annotations

from copy import copy
from itertools import count

from sightline.errors import StaleHeadError
from sightline.session import Session
from sightline.tree.execute import Executor
from sightline.tree.refs import MAIN, Refs


def executor_of(session: Session) -> Executor:
    """What runs the calls of a session."""
    return session._executor


def placed(session: Session, at: str | None = None, expect: str | None = None) -> Session:
    """The session with another current branch: where a call says that it goes; HEAD stays where it is.

    `at` None is the current branch, a branch's name that branch. A step is the branch
    that ends there (the current one, `main`, or the first by name); from a step
    at which none ends a new branch parts, `at-` and its short id. `expect` is the step (any name
    of it) at which the client believes the branch to stand: StaleHeadError, with both
    heads, if it does not, or does not any more when the call ends.
    """
    executor, view = executor_of(session), copy(session)
    branch = executor.refs.head()[0] if at is None else _branch(executor, at)
    there = executor.on(branch)
    view._executor = there if expect is None else _expecting(there, branch, expect)
    return view


def _branch(executor: Executor, at: str) -> str:
    tips = executor.refs.branches()
    if at in tips:
        return at
    step = executor.locate(at)
    current = executor.refs.head()[0]
    ending = sorted(
        (name for name, tip in tips.items() if tip == step), key=lambda n: (n != current, n != MAIN, n)
    )
    return ending[0] if ending else _parted(executor, tips, str(step))


def _parted(executor: Executor, tips: dict[str, str | None], step: str) -> str:
    """A new branch from a step."""
    taken = {*tips, *executor.refs.tags()}
    stem = f"at-{step[:8]}"
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    name = next(name for name in names if name not in taken)
    executor.refs.branch(name, step)
    return name


def _expecting(there: Executor, branch: str, expect: str) -> Executor:
    """An executor that puts its step on a branch only while that stands at a step."""
    expected, found = there.locate(expect), there.refs.head()[1]
    if expected != found:
        raise StaleHeadError(branch, expected=expected, found=found)
    there.refs = Refs(there.store, branch)
    there.refs.stand(branch, expected)
    return there
