"""What all verbs stand on: the store, and the executor that puts steps on branches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sightline.results import Result
from sightline.store.database import Store
from sightline.tree.execute import Executor

if TYPE_CHECKING:
    pass


class Verbs:
    """The base of the verbs; a session sets both."""

    _store: Store
    _executor: Executor

    def _run(self, tool: str, args: Mapping[str, object], *, seed: int | None = None) -> Result:
        return self._executor.run(tool, args, seed=seed)
