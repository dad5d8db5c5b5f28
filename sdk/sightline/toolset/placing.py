"""A call of a tool in two parts: what takes time, and putting its step on the branch.

So calls of one message compute at the same time, and their steps stand on the branch,
and their pictures have numbers, in the order in which the model asked for them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sightline.errors import SightlineError
from sightline.results import Result
from sightline.tree.context import Context
from sightline.tree.execute import Call, Executor
from sightline.tree.steps import Step

Place = Callable[[], Result]
"""Puts a step on the branch and gives its result."""


def computed(executor: Executor, call: Call) -> Place:
    """Compute a checked call, unless it is found; give what puts it on the branch."""
    context = executor.remembering(call)
    known = not call.tool.stateful and executor.found(call) is not None
    step = None if known else executor.compute(call, context)
    return partial(_Placing(executor, step).finish, call, context=context)


def failed(executor: Executor, call: Call, error: SightlineError) -> Result:
    """Record that a call failed, and raise its error."""
    return _Placing(executor, error).finish(call)


class _Placing(Executor):
    """An executor whose work was done before."""

    def __init__(self, executor: Executor, outcome: Step | SightlineError | None) -> None:
        vars(self).update(vars(executor))
        self._outcome = outcome

    def compute(self, call: Call, context: Context) -> Step:
        """What had been computed; computed now if it was found then, and is gone."""
        if isinstance(self._outcome, SightlineError):
            raise self._outcome
        return super().compute(call, context) if self._outcome is None else self._outcome
