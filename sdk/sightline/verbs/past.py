"""Looking back, doing again, taking away and bringing back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sightline import provenance
from sightline.archive import pack
from sightline.lineage import Lineage
from sightline.results import Result
from sightline.tree import history
from sightline.tree.bisection import Bisection, Check, bisect
from sightline.tree.branching import free_branch
from sightline.tree.diff import Difference, diff
from sightline.tree.drift import Drift, drift
from sightline.tree.explain import Explanation, explain
from sightline.tree.flatten import Flattened, flatten
from sightline.tree.outline import Outline, outline
from sightline.tree.recording import workflow_of
from sightline.tree.recreation import Recreation, recreate
from sightline.tree.replay import Replay, replay
from sightline.tree.rerun import Rerun, rerun
from sightline.tree.search import Found, find
from sightline.tree.steps import Step
from sightline.tree.view import View, at
from sightline.tree.workflow import Workflow

if TYPE_CHECKING:
    pass

from sightline.verbs.base import Verbs
from sightline.verbs.kinds import ImageLike, Ref


class Past(Verbs):
    """The verbs over what was done: to look at it, to do it again, to check it, to carry it."""

    def log(
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
        chosen = history.Filter(tool, since, text)
        return history.log(self._store, self._executor.locate(branch), limit, chosen)

    def reflog(self, limit: int | None = None) -> list[history.Move]:
        """Every move of the branches and tags of this session, newest first: nothing is ever lost."""
        return history.reflog(self._store, limit)

    def tree(self, *, everything: bool = False) -> Outline:
        """All branches as one tree, to print or to read; `everything` shows what is on no branch too."""
        return outline(self._executor, everything=everything)

    def show(self, step: Ref) -> Result:
        """Look at a step again; nothing is computed."""
        return self._executor.show(self._executor.locate(step))

    def at(self, step: Ref) -> View:
        """The session as it was at a step, to look at and to branch from."""
        return at(self._executor, self._executor.locate(step))

    def diff(self, a: Ref, b: Ref) -> Difference:
        """What two steps, or the branches that end at them, differ in: parameters, texts, pixels."""
        return diff(self._executor, self._executor.locate(a), self._executor.locate(b))

    def bisect(self, good: Ref, bad: Ref, check: Check | str) -> Bisection:
        """Find the first step from `good` to `bad` that fails a check, with few checks; moves nothing.

        `check` tells of a result whether it is good; a text is a question to the model,
        and P(yes) of at least one half is good.
        """
        return bisect(self._executor, self._executor.locate(good), self._executor.locate(bad), check)

    def rerun(
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
        name = free_branch(self._executor, branch, ref, "rerun")
        return rerun(self._executor, self._executor.locate(ref), changes or {}, name)

    def flatten(
        self, ref: Ref | None = None, *, branch: str | None = None, one_call: bool = False
    ) -> Flattened:
        """Redo the edits that led to a picture from the first one, at full quality, on a branch of their own.

        `one_call` joins their instructions into a single edit, for models that follow
        several at once; the embedded one seldom does.
        """
        name = free_branch(self._executor, branch, ref, "flat")
        return flatten(self._executor, self._executor.locate(ref), name, one_call=one_call)

    def recipe(self, ref: Ref | None = None) -> Workflow:
        """The branch that ends at a step (the current one) as data, to run on other pictures."""
        return workflow_of(self._executor, self._executor.locate(ref))

    def replay(self, ref: Ref | None = None, *, verify: bool = True) -> Replay:
        """Compute a branch (the current one), or one step, again and compare; moves and stores nothing.

        `verify` measures how far pictures that differ are apart, and blames the first stage
        that gave something else; without it only digests are compared.
        """
        return replay(self._executor, ref, verify=verify)

    def drift(self, ref: Ref | None = None) -> Drift:
        """How far a chain of edits has come from its first picture where nothing was to change.

        The chain is that of the newest edit at or before a step, HEAD by default.
        """
        return drift(self._store, self._executor.locate(ref))

    def export(self, path: str | Path, *, branch: str | None = None) -> Path:
        """Write the session, or one branch with all it was made from, as one file for `import_session`."""
        return pack(self._store, Path(path), branch=branch)

    def recreate(
        self, source: Lineage | str | Path, *, inputs: Mapping[str, ImageLike] | None = None
    ) -> Recreation:
        """Make a picture again from its lineage, or from its file, and say whether it is the same.

        `inputs` gives the pictures that were brought in from outside, by pixel digest or the
        beginning of one; NotFoundError names those that are missing.
        """
        lineage = source if isinstance(source, Lineage) else provenance.read(source)
        return recreate(self._executor, lineage, inputs or {})

    def explain(self, step: Ref | None = None) -> Explanation:
        """Say why a step (the current one by default) was served from the memo, in part, or not at all."""
        return explain(self._executor, self._executor.locate(step))

    def find(self, what: ImageLike, *, limit: int = 10) -> list[Found]:
        """Find steps by the words of their prompts and answers, or pictures by one that they resemble.

        A text is words, unless it names a picture (`img3`); a file to compare is given as a Path.
        InputError if pictures are to be compared by a model that cannot.
        """
        return find(self._executor, what, limit)
