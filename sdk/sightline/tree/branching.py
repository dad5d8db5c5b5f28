"""A branch for work of several steps: its name, and what is said when the work stops midway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from sightline.errors import InputError, SightlineError, StaleHeadError
from sightline.tree.execute import Executor

_NUMBERED = re.compile(r"-(rerun|flat|solve|plan)(-[0-9]+)?$")
_LONGEST = 80


def free_branch(executor: Executor, given: str | None, like: object, what: str) -> str:
    """The given name, or a free one after that of a branch: `main-rerun`, `main-rerun-2`.

    `like` is what the caller named the work by; the current branch stands for what is no branch.
    """
    if given is not None:
        return given
    taken = {*executor.refs.branches(), *executor.refs.tags()}
    old = like if isinstance(like, str) and like in taken else executor.refs.head()[0]
    stem = f"{_NUMBERED.sub('', old)[:_LONGEST]}-{what}"
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(name for name in names if name not in taken)


@contextmanager
def own_branch(executor: Executor, given: str | None, what: str) -> Iterator[str]:
    """A new branch from HEAD for work of several steps; gone again if that fails before its first step.

    Without a given name it is free, also where other threads and processes begin such work now.
    """
    tip = executor.refs.head()[1]
    while True:
        name = free_branch(executor, given, None, what)
        try:
            executor.refs.branch(name, tip)
            break
        except (InputError, StaleHeadError):
            if given is not None or name not in executor.refs.branches():
                raise
    try:
        yield name
    except BaseException:
        if executor.refs.branches().get(name) == tip:
            executor.refs.drop(name)
        raise


@contextmanager
def failing_at(where: str, left: str) -> Iterator[None]:
    """Say where work of several steps stopped, and what it left, in an error of the same kind."""
    try:
        yield
    except SightlineError as error:
        told = type(error).__new__(type(error))
        told.__dict__.update(error.__dict__)
        told.message = f"{where}: {error.message}"
        told.hint = "; ".join(filter(None, (error.hint, left)))
        told.args = (told.message,)
        raise told from error
