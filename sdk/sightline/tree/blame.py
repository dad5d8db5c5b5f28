"""Which stage is to blame where a step gives something else than it gave before.

The first stage of a picture is kept with its step: what the backbone planned, and the
features that the diffusion transformer made. The first of these that differs is blamed; if
both agree, what follows them: the decoder.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from sightline.store.database import Store
from sightline.tree.feature_rows import Row, kept_row, row_keys, row_of
from sightline.tree.steps import Step
from sightline_runtime.passing import Passing
from sightline_runtime.protocol import (
    FeatureRequest,
    FeatureResult,
    Job,
    Runtime,
)
from sightline_tools.tool import Tool

Stage = Literal["backbone", "features", "decode", "tool"]


class Noting(Passing):
    """A runtime that notes what was asked of the first stage, and the jobs that answer."""

    def __init__(self, inner: Runtime) -> None:
        super().__init__(inner)
        self._asked: list[tuple[FeatureRequest, Job[FeatureResult]]] = []

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Pass on, and note."""
        job = super().generate_features(request)
        self._asked.append((request, job))
        return job

    def rows(self) -> dict[str, Row]:
        """What the first stage made, by the keys under which it would be kept; for jobs that have ended."""
        return {
            key: row_of(job.result(), at)
            for request, job in self._asked
            for at, key in enumerate(row_keys(request, self.info.fingerprint))
        }


def blamed(store: Store, tool: Tool, step: Step, again: Step, made: dict[str, Row]) -> Stage | None:
    """The first stage that gave something else, None where nothing was kept that could tell."""
    if not tool.uses_runtime:
        return "tool"
    if not step.images() or step.outputs.get("plans") != again.outputs.get("plans"):
        return "backbone"
    kept = {
        key: kept_row(store, key) for key in (str(row["key"]) for row in store.database.stages_of(step.id))
    }
    if not kept:
        return None
    pairs = [(row, made[key]) for key, row in kept.items() if row is not None and key in made]
    if not pairs:
        return "tool" if not made.keys() & kept.keys() else None
    if any((old.plan, old.unchanged) != (new.plan, new.unchanged) for old, new in pairs):
        return "backbone"
    alike = all(np.array_equal(old.features, new.features) for old, new in pairs)
    return "decode" if alike else "features"
