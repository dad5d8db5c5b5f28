"""A view: a session as it was at one step, to look at; nothing that is done here moves a branch.

Verbs that compute belong to the session: a result that no branch holds would be
garbage. To go on from a view, `branch` from it and check that branch out; to use
what it shows in the current branch, give its picture to a verb of the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sightline.errors import NotFoundError
from sightline.results import Picture, Result
from sightline.tree import diff, history
from sightline.tree.execute import Executor
from sightline.tree.steps import Step


@dataclass(frozen=True)
class View:
    """A session as it was at one step."""

    step: Step
    _executor: Executor = field(repr=False, compare=False)

    @property
    def id(self) -> str:
        """The id of the step."""
        return self.step.id

    @property
    def images(self) -> tuple[Picture, ...]:
        """The pictures that the step made."""
        return self.show().images

    @property
    def image(self) -> Picture:
        """The first of them; InputError if it made none."""
        return self.show().image

    def show(self) -> Result:
        """The result of the step; nothing is computed."""
        return self._executor.show(self.id)

    def log(
        self,
        limit: int | None = None,
        *,
        tool: str | Sequence[str] | None = None,
        since: datetime | timedelta | None = None,
        text: str | None = None,
    ) -> list[Step]:
        """The steps up to this one, newest first; see `Session.log`."""
        return history.log(self._executor.store, self.id, limit, history.Filter(tool, since, text))

    def back(self, n: int = 1) -> View:
        """The view `n` steps before; NotFoundError beyond the first step."""
        return at(self._executor, self._executor.refs.resolve(f"{self.id}~{n}"))

    def inputs(self) -> tuple[View, ...]:
        """The views of the steps whose pictures this one read."""
        return tuple(at(self._executor, step) for step in self.step.data_parents)

    def branch(self, name: str) -> None:
        """Make a branch here; does not switch to it."""
        self._executor.refs.branch(name, self.id)

    def tag(self, name: str) -> None:
        """Name this step for good."""
        self._executor.refs.tag(name, self.id)

    def diff(self, other: View) -> diff.Difference:
        """What this step and that of another view differ in."""
        return diff.diff(self._executor, self.id, other.id)


def at(executor: Executor, step_id: str | None) -> View:
    """The view of a step; NotFoundError where there is no step."""
    if step_id is None:
        raise NotFoundError("there is no step here yet", hint="add or generate a picture first")
    return View(executor.step(step_id), executor)
