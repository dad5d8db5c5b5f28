"""Why a step was computed, or was not: what was found of it, or what the nearest earlier step differs in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sightline.errors import CorruptStoreError
from sightline.results import Cache
from sightline.store.database import Row, Store
from sightline.tree.diff import Change, changes, shown, written
from sightline.tree.execute import Executor
from sightline.tree.feature_rows import Note, notes_of
from sightline.tree.line import walk
from sightline.tree.recipe import plain
from sightline.tree.steps import Step

_LOOKED_AT = 200
"""Earlier steps of a tool among which the nearest is looked for: the newest."""


@dataclass(frozen=True)
class KeptFeatures:
    """The features of one picture of a step: its seed, whether they were there, what they cost to make.

    `maker` is the step that made them, None if it is not in the store any more.
    """

    seed: int
    kept: bool
    seconds: float
    maker: Step | None = None


@dataclass(frozen=True, repr=False)
class Explanation:
    """How much of a step had been computed before, and why no more; print it to read it.

    Of a hit, `source` is the step whose work was found, with its session and the branches
    of this session that hold it. Of what was computed, `features` tells for each picture
    whether its features were kept, `nearest` is the earlier step of the same tool that
    differs least, and `differs` in what: each change is (name, its value, this step's).
    """

    step: Step
    cache: Cache
    source: Step | None = None
    session: str | None = None
    branches: tuple[str, ...] = ()
    features: tuple[KeptFeatures, ...] = ()
    nearest: Step | None = None
    differs: tuple[Change, ...] = ()

    @property
    def status(self) -> str:
        """One of "hit", "partial" and "miss"."""
        return self.cache.status

    def __str__(self) -> str:
        return "\n".join(self._lines())

    __repr__ = __str__

    def _lines(self) -> Iterator[str]:
        yield f"<Explanation {self.step.short} {self.step.tool}: {self.status}> {self.cache.why}"
        if self.source is not None:
            where = f"session {self.session}, branches {', '.join(self.branches) or 'none of this session'}"
            yield f"  found in {self.source.short}: {where}"
        for row in self.features:
            made = f"kept{f' from {row.maker.short}' if row.maker else ''}, made" if row.kept else "computed"
            yield f"  seed {row.seed}: features {made} in {row.seconds:.2f} s"
        if self.nearest is not None:
            yield f"  nearest earlier step: {self.nearest.short}"
        yield from (f"    {change.name}: {shown(change.a)} → {shown(change.b)}" for change in self.differs)


def explain(executor: Executor, step_id: str | None) -> Explanation:
    """Say why a step was served from the memo, in part, or not at all."""
    step, database = executor.step(step_id), executor.store.database
    seq = int(str(database.get_step(step.id)["seq"]))
    same = database.earlier(step.recipe, seq)
    if step.status != "done":
        return Explanation(step, Cache("miss", f"it {step.status}: what failed is never served"))
    if step.found_again or (step.tool == "add" and same):
        return _hit(executor, step, same)
    if step.tool == "add":
        return Explanation(step, Cache("miss", "the picture was brought in from outside"))
    features = _features(executor.store, step)
    nearest = _nearest(executor.store, step, seq)
    cache = status(executor.store, step)
    if cache.status == "miss":
        cache = Cache("miss", _why(executor, step, same, nearest))
    return Explanation(
        step,
        cache,
        features=features,
        nearest=nearest,
        differs=() if nearest is None else tuple(changes(_parts(nearest), _parts(step))),
    )


def status(store: Store, step: Step) -> Cache:
    """How much of a recorded step had been computed before."""
    if step.found_again:
        return Cache("hit", "a step of the same recipe was there")
    rows = _features(store, step)
    kept = sum(row.kept for row in rows)
    if kept:
        return Cache("partial", f"the features of {kept} of {len(step.seeds)} pictures were kept")
    return Cache("miss", "it was computed")


def _hit(executor: Executor, step: Step, row: Row | None) -> Explanation:
    if row is None:
        return Explanation(step, Cache("hit", "the step whose work was found is not in the store any more"))
    source = Step.from_row(row)
    why = "an earlier step has the same recipe"
    return Explanation(
        step, Cache("hit", why), source, str(row["session"]), tuple(_branches(executor, source.id))
    )


def _branches(executor: Executor, step_id: str) -> Iterator[str]:
    """The branches of this session on which a step stands."""
    for name, tip in executor.refs.branches().items():
        if any(str(row["id"]) == step_id for row in walk(executor.store, tip)):
            yield name


def _features(store: Store, step: Step) -> tuple[KeptFeatures, ...]:
    """The rows of features that a step used, by picture; those made before it began were kept."""
    notes = notes_of(store, step.id)
    return tuple(_told(store, step, notes[seed][1]) for seed in dict.fromkeys(step.seeds) if seed in notes)


def _told(store: Store, step: Step, note: Note) -> KeptFeatures:
    kept = note.at < step.started
    row = store.database.find_recipe(note.recipe) if kept else None
    return KeptFeatures(note.seed, kept, note.seconds, _readable(row) if row else None)


def _nearest(store: Store, step: Step, seq: int) -> Step | None:
    """The earlier finished step of the tool that differs least; of equals the newest."""
    rows = store.database.of_tool(step.tool, before=seq, limit=_LOOKED_AT)
    earlier = [found for row in rows if (found := _readable(row)) is not None]
    parts = _parts(step)
    return min(earlier, key=lambda other: len(list(changes(_parts(other), parts))), default=None)


def _readable(row: Row) -> Step | None:
    try:
        return Step.from_row(row)
    except CorruptStoreError:
        return None


def _why(executor: Executor, step: Step, same: Row | None, nearest: Step | None) -> str:
    if step.tool in executor.toolbox and executor.toolbox.get(step.tool).stateful:
        return "the tool is stateful: it runs every time"
    if same is not None:
        at_once = float(str(same["ended"])) >= step.started
        reason = "was computed at the same time" if at_once else "could not be read then"
        return f"step {same['id']!s:.8} has the same recipe but {reason}"
    return "no earlier step has this recipe" if nearest else f"no earlier step used {step.tool}"


def _parts(step: Step) -> dict[str, object]:
    """What a recipe is made of, by name."""
    arguments = {name: written(plain(value)) for name, value in step.args.items()}
    fixed = {"tool version": step.version, "model": step.fingerprint, "seeds": step.seeds}
    return {**arguments, **fixed, "dialogue": step.context}
