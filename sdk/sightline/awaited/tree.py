"""The verbs that move pointers, awaited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sightline.results import Result
from sightline.tree.steps import Step
from sightline.verbs.kinds import Ref

if TYPE_CHECKING:
    pass

from sightline.awaited.base import AsyncVerbs, awaited


class AsyncTree(AsyncVerbs):
    """See `verbs.tree`."""

    @property
    def branches(self) -> Mapping[str, str | None]:
        """Every branch and the step it stands at."""
        return self._session.branches

    @property
    def tags(self) -> Mapping[str, str | None]:
        """Every tag and the step it names."""
        return self._session.tags

    @property
    def head(self) -> tuple[str, str | None]:
        """The current branch and its step."""
        return self._session.head

    async def branch(self, name: str, *, at: Ref | None = None) -> None:
        """Make a branch at a step (the current one by default); does not switch to it."""
        await awaited(self._session.branch, name, at=at)

    async def checkout(self, name: str) -> None:
        """Switch to a branch."""
        await awaited(self._session.checkout, name)

    async def drop(self, name: str) -> None:
        """Remove a branch that is not the current one; its steps stay, the reflog names them.

        StaleHeadError if another writer moved it since this session saw it.
        """
        await awaited(self._session.drop, name)

    async def tag(self, name: str, *, at: Ref | None = None) -> None:
        """Name a step for good."""
        await awaited(self._session.tag, name, at=at)

    async def undo(self, n: int = 1) -> Step | None:
        """Move the branch back `n` steps; nothing is deleted. Gives the step it now stands at."""
        return await awaited(self._session.undo, n)

    async def redo(self, n: int = 1) -> Step | None:
        """Take back an undo."""
        return await awaited(self._session.redo, n)

    async def cherry_pick(self, step: Ref, *, onto: str | None = None) -> Result:
        """Put a step's call on top of another branch (the current one by default); nothing is computed."""
        return await awaited(self._session.cherry_pick, step, onto=onto)
