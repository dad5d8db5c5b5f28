"""From a picture back through data parents to the pictures that were brought in: its lineage."""

from __future__ import annotations

from collections.abc import Iterator

from sightline.errors import NotFoundError
from sightline.lineage import Lineage, LineageStep, digests_in
from sightline.store.database import Store
from sightline.tree.models import Models
from sightline.tree.steps import Step


def lineage(store: Store, pixels: str, origin: str | None = None) -> Lineage:
    """The lineage of a picture of the store; `origin` is the step that made it, the newest by default.

    NotFoundError if no step made it; CorruptStoreError if one on the way is damaged.
    """
    makers = _Makers(store)
    start = makers.of(pixels, () if origin is None else (origin,))
    if start is None:
        raise NotFoundError(f"no step made picture {pixels[:8]}", hint="add it to the session")
    models = Models(store)
    steps = tuple(_told(step, models) for step in _ordered(start, makers))
    return Lineage(pixels=pixels, steps=steps, verified=True)


class _Makers:
    """Finds the step that made a picture."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Step] = {}

    def of(self, pixels: str, near: tuple[str, ...]) -> Step | None:
        """The step of `near` that made it, else the newest; None if no step did."""
        for step in map(self._step, near):
            if pixels in step.images():
                return step
        maker = self._store.database.producer(pixels)
        return None if maker is None else self._step(maker)

    def parents(self, step: Step) -> Iterator[Step]:
        """The steps that made what a step read."""
        if step.tool != "add":
            for pixels in dict.fromkeys(digests_in(step.args)):
                maker = self.of(pixels, step.data_parents)
                if maker is not None:
                    yield maker

    def _step(self, name: str) -> Step:
        if name not in self._known:
            self._known[name] = Step.from_row(self._store.database.get_step(name))
        return self._known[name]


def _ordered(start: Step, makers: _Makers) -> list[Step]:
    """A step and all before it, each after what it read; without recursion, as chains can be long."""
    done: dict[str, Step] = {}
    path = [(start, makers.parents(start))]
    seen = {start.id}
    while path:
        step, before = path[-1]
        parent = next((found for found in before if found.id not in seen), None)
        if parent is None:
            done[step.id] = step
            path.pop()
        else:
            seen.add(parent.id)
            path.append((parent, makers.parents(parent)))
    return list(done.values())


def _told(step: Step, models: Models) -> LineageStep:
    return LineageStep.model_validate(
        {
            "tool": step.tool,
            "version": step.version,
            "args": dict(step.args),
            "images": tuple(step.images()),
            "seeds": tuple(str(seed) for seed in step.seeds),
            "fingerprint": step.fingerprint,
            "model": models.name(step.fingerprint),
        }
    )
