"""The tree: branches, tags, undo and redo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sightline.results import Result
from sightline.tree.cherry import cherry_pick
from sightline.tree.steps import Step

if TYPE_CHECKING:
    pass

from sightline.verbs.base import Verbs
from sightline.verbs.kinds import Ref


class Tree(Verbs):
    """The verbs that move pointers; no step is made or lost."""

    @property
    def branches(self) -> Mapping[str, str | None]:
        """Every branch and the step it stands at."""
        return self._executor.refs.branches()

    @property
    def tags(self) -> Mapping[str, str | None]:
        """Every tag and the step it names."""
        return self._executor.refs.tags()

    @property
    def head(self) -> tuple[str, str | None]:
        """The current branch and its step."""
        return self._executor.refs.head()

    def branch(self, name: str, *, at: Ref | None = None) -> None:
        """Make a branch at a step (the current one by default); does not switch to it."""
        self._executor.refs.branch(name, self._executor.locate(at))

    def checkout(self, name: str) -> None:
        """Switch to a branch."""
        self._executor.refs.checkout(name)

    def drop(self, name: str) -> None:
        """Remove a branch that is not the current one; its steps stay, the reflog names them.

        StaleHeadError if another writer moved it since this session saw it.
        """
        self._executor.refs.drop(name)

    def tag(self, name: str, *, at: Ref | None = None) -> None:
        """Name a step for good."""
        self._executor.refs.tag(name, self._executor.locate(at))

    def undo(self, n: int = 1) -> Step | None:
        """Move the branch back `n` steps; nothing is deleted. Gives the step it now stands at."""
        return self._executor.moved(self._executor.refs.undo(n))

    def redo(self, n: int = 1) -> Step | None:
        """Take back an undo."""
        return self._executor.moved(self._executor.refs.redo(n))

    def cherry_pick(self, step: Ref, *, onto: str | None = None) -> Result:
        """Put a step's call on top of another branch (the current one by default); nothing is computed."""
        return cherry_pick(self._executor, self._executor.locate(step), onto)
