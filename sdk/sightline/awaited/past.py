"""The verbs over what was done, awaited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.lineage import Lineage
from sightline.results import Result
from sightline.tree.bisection import Bisection, Check
from sightline.tree.diff import Difference
from sightline.tree.drift import Drift
from sightline.tree.explain import Explanation
from sightline.tree.flatten import Flattened
from sightline.tree.history import Move
from sightline.tree.outline import Outline
from sightline.tree.recreation import Recreation
from sightline.tree.replay import Replay
from sightline.tree.rerun import Rerun
from sightline.tree.search import Found
from sightline.tree.steps import Step
from sightline.tree.view import View
from sightline.tree.workflow import Workflow
from sightline.verbs.kinds import ImageLike, Ref

if TYPE_CHECKING:
    pass

from sightline.awaited.base import AsyncVerbs, awaited


class AsyncPast(AsyncVerbs):
    """See `verbs.past`."""

    async def log(
        self,
        limit: int | None = None,
        *,
        branch: Ref | None = None,
        tool: str | Sequence[str] | None = None,
        since: datetime | timedelta | None = None,
        text: str | None = None,
    ) -> list[Step]:
        """The steps of a branch (the current one by default), newest first, at most `limit`.

        Kept are those of a tool or of several, that ended since a time (or so long ago),
        and that hold a text in what was asked or answered.
        """
        return await awaited(self._session.log, limit, branch=branch, tool=tool, since=since, text=text)

    async def reflog(self, limit: int | None = None) -> list[Move]:
        """Every move of the branches and tags of this session, newest first: nothing is ever lost."""
        return await awaited(self._session.reflog, limit)

    async def tree(self, *, everything: bool = False) -> Outline:
        """All branches as one tree, to print or to read; `everything` shows what is on no branch too."""
        return await awaited(self._session.tree, everything=everything)

    async def show(self, step: Ref) -> Result:
        """Look at a step again; nothing is computed."""
        return await awaited(self._session.show, step)

    async def at(self, step: Ref) -> View:
        """The session as it was at a step, to look at and to branch from."""
        return await awaited(self._session.at, step)

    async def diff(self, a: Ref, b: Ref) -> Difference:
        """What two steps, or the branches that end at them, differ in: parameters, texts, pixels."""
        return await awaited(self._session.diff, a, b)

    async def bisect(self, good: Ref, bad: Ref, check: Check | str) -> Bisection:
        """Find the first step from `good` to `bad` that fails a check, with few checks; moves nothing.

        `check` tells of a result whether it is good; a text is a question to the model,
        and P(yes) of at least one half is good.
        """
        return await awaited(self._session.bisect, good, bad, check)

    async def rerun(
        self,
        ref: Ref | None = None,
        *,
        changes: Mapping[Ref, Mapping[str, object]] | None = None,
        branch: str | None = None,
    ) -> Rerun:
        """Run the branch that ends at a step (the current one) again with changes, onto a new branch.

        `changes` is {step: {argument: value}}; `seed` is an argument of what draws, `image`
        that of a picture that was brought in. Only what depends on the changes is computed.
        No other branch moves; `branch` names the new one. A failure midway leaves it with
        what was done. InputError, before anything is computed, for a change that cannot be.
        """
        return await awaited(self._session.rerun, ref, changes=changes, branch=branch)

    async def flatten(
        self, ref: Ref | None = None, *, branch: str | None = None, one_call: bool = False
    ) -> Flattened:
        """Redo the edits that led to a picture from the first one, at full quality, on a branch of their own.

        `one_call` joins their instructions into a single edit, for models that follow
        several at once; the embedded one seldom does.
        """
        return await awaited(self._session.flatten, ref, branch=branch, one_call=one_call)

    async def recipe(self, ref: Ref | None = None) -> Workflow:
        """The branch that ends at a step (the current one) as data, to run on other pictures."""
        return await awaited(self._session.recipe, ref)

    async def replay(self, ref: Ref | None = None, *, verify: bool = True) -> Replay:
        """Compute a branch (the current one), or one step, again and compare; moves and stores nothing.

        `verify` measures how far pictures that differ are apart, and blames the first stage
        that gave something else; without it only digests are compared.
        """
        return await awaited(self._session.replay, ref, verify=verify)

    async def drift(self, ref: Ref | None = None) -> Drift:
        """How far a chain of edits has come from its first picture where nothing was to change.

        The chain is that of the newest edit at or before a step, HEAD by default.
        """
        return await awaited(self._session.drift, ref)

    async def export(self, path: str | Path, *, branch: str | None = None) -> Path:
        """Write the session, or one branch with all it was made from, as one file for `import_session`."""
        return await awaited(self._session.export, path, branch=branch)

    async def recreate(
        self, source: Lineage | str | Path, *, inputs: Mapping[str, ImageLike] | None = None
    ) -> Recreation:
        """Make a picture again from its lineage, or from its file, and say whether it is the same.

        `inputs` gives the pictures that were brought in from outside, by pixel digest or the
        beginning of one; NotFoundError names those that are missing.
        """
        return await awaited(self._session.recreate, source, inputs=inputs)

    async def explain(self, step: Ref | None = None) -> Explanation:
        """Say why a step (the current one by default) was served from the memo, in part, or not at all."""
        return await awaited(self._session.explain, step)

    async def find(self, what: ImageLike, *, limit: int = 10) -> list[Found]:
        """Find steps by the words of their prompts and answers, or pictures by one that they resemble.

        A text is words, unless it names a picture (`img3`); a file to compare is given as a Path.
        InputError if pictures are to be compared by a model that cannot.
        """
        return await awaited(self._session.find, what, limit=limit)
