"""A branch for work of several steps: its name, and what is said when the work stops midway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from sightline.errors import SightlineError
from sightline.tree.execute import Executor

_NUMBERED = re.compile(r"-(rerun|flat)(-[0-9]+)?$")
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
