"""The features of pictures are kept, one row a seed: a runtime that makes only those that are not there.

Another seed of the pixels, another size or a draft find the rows again, and of five
pictures after three only two are computed. Rows of a call are stored when its step
is, and not before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sightline.errors import SightlineError
from sightline.results import Cache
from sightline.store.database import Store
from sightline.tree.feature_rows import Note, Row, kept_row, packed, row_keys, row_of, separable
from sightline_runtime.passing import Passing
from sightline_runtime.protocol import (
    Event,
    FeatureRequest,
    FeatureResult,
    Job,
    Preview,
    Progress,
    Runtime,
)


@dataclass(frozen=True)
class _Fresh:
    """A row that this call computed, and what is noted beside it; `whole` if it can be kept."""

    row: Row
    note: Note
    whole: bool


class Stages(Passing):
    """A runtime for one call: serves the rows that are kept, has the others computed and holds them."""

    def __init__(self, inner: Runtime, store: Store, recipe: str) -> None:
        super().__init__(inner)
        self._store, self._recipe = store, recipe
        self._fresh: dict[str, _Fresh] = {}
        self._kept: dict[str, Row] = {}
        self._blobs: dict[str, str] = {}

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Give the rows that are kept, and have the missing ones computed in one call."""
        keys = row_keys(request, self.info.fingerprint)
        if not keys:  # not a request that can be answered: the inner runtime says why
            return self._inner.generate_features(request)
        missing = [at for at, key in enumerate(keys) if key not in keys[:at] and self._known(key) is None]
        if not missing:
            return _done(self._joined(keys, FeatureResult(())))
        inner = self._inner.generate_features(_only(request, missing))

        def join(made: FeatureResult) -> FeatureResult:
            self._hold([keys[at] for at in missing], [request.seeds[at] for at in missing], made)
            return self._joined(keys, made)

        return _Rest(inner, missing, join)

    def write(self) -> None:
        """Store the objects of what was computed; rows are named by `keep`, which is then quick."""
        for key, fresh in self._fresh.items():
            if fresh.whole and key not in self._blobs:
                self._blobs[key] = self._store.objects.put(packed(key, fresh.row))

    def keep(self) -> tuple[str, ...]:
        """Store what was computed, objects before rows; gives the keys of all rows that the call used."""
        self.write()
        for key, blob in self._blobs.items():
            self._store.database.insert_stage(key, blob, self._fresh[key].note.dumps())
        return (*self._kept, *self._blobs)

    @property
    def cache(self) -> Cache:
        """Whether features were there: "partial" if some were, else "miss"."""
        kept, rows = len(self._kept), len(self._kept) + len(self._fresh)
        if not kept:
            return Cache("miss", "no step of this recipe is in the store")
        return Cache("partial", f"the features of {kept} of {rows} pictures were kept from earlier steps")

    def _known(self, key: str) -> Row | None:
        """A row of this call or of the store."""
        if key in self._fresh:
            return self._fresh[key].row
        if key not in self._kept and (row := kept_row(self._store, key)) is not None:
            self._kept[key] = row
        return self._kept.get(key)

    def _hold(self, keys: Sequence[str], seeds: Sequence[int], made: FeatureResult) -> None:
        """Take the rows of a call apart."""
        seconds = made.usage.seconds / max(1, len(keys))
        for at, key in enumerate(keys):
            note = Note(seeds[at], self._recipe, time.time(), seconds)
            self._fresh[key] = _Fresh(row_of(made, at), note, separable(made, at))

    def _joined(self, keys: Sequence[str], made: FeatureResult) -> FeatureResult:
        """All rows in the order of the request; only what was computed now has a cost."""
        rows = [self._fresh[key].row if key in self._fresh else self._kept[key] for key in keys]
        plans = tuple(row.plan for row in rows if row.plan is not None)
        unchanged = tuple(row.unchanged for row in rows if row.unchanged is not None)
        warnings = dict.fromkeys(warning for row in rows for warning in row.warnings)
        return FeatureResult(
            tuple(row.features for row in rows), plans, unchanged, tuple(warnings), made.usage
        )


class _Rest(Job[FeatureResult]):
    """The job of the missing rows, which ends with all; events and cancelling are those of the inner job."""

    def __init__(
        self, inner: Job[FeatureResult], places: Sequence[int], join: Callable[[FeatureResult], FeatureResult]
    ) -> None:
        super().__init__()
        self._inner, self._places, self._join = inner, places, join

    @property
    def cancelled(self) -> bool:
        """Whether someone asked for the work to stop."""
        return self._inner.cancelled

    @property
    def ended(self) -> bool:
        """Whether the outcome is there."""
        return self._inner.ended

    def cancel(self) -> None:
        """Ask for the work to stop."""
        self._inner.cancel()

    def fail(self, error: SightlineError) -> None:
        """End with an error, unless the job already ended."""
        self._inner.fail(error)

    def __iter__(self) -> Iterator[Event]:
        for event in self._inner:
            yield replace(event, index=self._places[event.index]) if isinstance(event, Preview) else event

    def result(self, timeout: float | None = None) -> FeatureResult:
        """Wait for the missing rows and give all."""
        return self._join(self._inner.result(timeout))


def _only(request: FeatureRequest, places: Sequence[int]) -> FeatureRequest:
    """The request for some of its rows."""
    seeds = tuple(request.seeds[at] for at in places)
    return replace(request, seeds=seeds, plans=tuple(request.plans[at] for at in places if request.plans))


def _done(result: FeatureResult) -> Job[FeatureResult]:
    """A job whose rows were all there."""
    job: Job[FeatureResult] = Job()
    job.emit(Progress("features", len(result.features), len(result.features)))
    job.finish(result)
    return job
