"""The calls of a plan put on the branch of one item, after those that are there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sightline.errors import InputError, SightlineError, StoreError
from sightline.results import Picture, Result
from sightline.tree import cancelling
from sightline.tree.branching import failing_at
from sightline.tree.execute import Executor, added
from sightline.tree.line import chain
from sightline.tree.pictures import Source
from sightline.tree.plans import Planned
from sightline.tree.program import Slot, filled_args
from sightline.tree.steps import Step


@dataclass(frozen=True)
class ItemReport:
    """What became of one item.

    `computed` and `reused` count its steps; `answers` are its answers by the name of the
    step; `files` are the pictures of the last step that made any; `error` is code, message
    and hint of what stopped it.
    """

    name: str
    status: Literal["done", "failed"]
    branch: str | None = None
    head: str | None = None
    computed: int = 0
    reused: int = 0
    answers: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    error: Mapping[str, str] | None = None


def told(error: SightlineError) -> dict[str, str]:
    """An error as data."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


class Playing:
    """Puts the calls of one item on its branch, after those that are there."""

    def __init__(self, executor: Executor, sources: Mapping[str, Source]) -> None:
        self._executor, self._sources = executor, sources
        self._branch, tip = executor.refs.head()
        self._line = chain(executor.store, tip)[::-1]
        self._made: dict[str, Step] = {}
        self._computed = 0

    def report(
        self, name: str, *, files: tuple[Path, ...] = (), error: SightlineError | None = None
    ) -> ItemReport:
        """What became of the item."""
        said = {step: made.outputs.get("text") for step, made in self._made.items()}
        return ItemReport(
            name,
            "done" if error is None else "failed",
            self._branch,
            self._executor.refs.head()[1],
            self._computed,
            len(self._made) - self._computed,
            {step: text for step, text in said.items() if isinstance(text, str)},
            files,
            None if error is None else told(error),
        )

    def play(self, calls: Sequence[Planned]) -> None:
        """Bring the pictures in, then do the calls."""
        for name, source in self._sources.items():
            self._made[name] = self._recorded(added(source).recipe) or self._counted(
                self._executor.bring(source)
            )
        for number, call in enumerate(calls, 1):
            where = f"step {number} of {len(calls)}, {call.name}"
            with failing_at(where, f"the branch {self._branch!r} holds what was done; run it again to go on"):
                cancelling.current().check()
                args, seed = filled_args(call.args, self._picture), self._seed(call.seed)
                prepared = self._executor.prepare(call.tool, args, seed)
                recorded = self._recorded(prepared.recipe)
                self._made[call.name] = recorded or self._counted(self._executor.finish(prepared))

    def _recorded(self, recipe: str) -> Step | None:
        """The next step of the branch, if there is one; StoreError if it is not of this recipe."""
        if len(self._made) >= len(self._line):
            return None
        step = self._line[len(self._made)]
        if step.recipe != recipe:
            raise StoreError(
                f"step {step.short} of the branch {self._branch!r} is not of this run",
                hint="rename or drop that branch",
            )
        return step

    def _counted(self, result: Result) -> Step:
        self._computed += result.cache.status != "hit"
        return result.step

    def _seed(self, seed: int | Slot | None) -> int | None:
        if not isinstance(seed, Slot):
            return seed
        seeds = self._made[seed.step or ""].seeds
        if seed.place >= len(seeds):
            raise InputError(
                f"it draws with seed {seed.place + 1} of {seed.step}, which has {len(seeds)}",
                hint="change whose seed it takes",
            )
        return seeds[seed.place]

    def _picture(self, slot: Slot) -> Picture:
        step = self._made[slot.step or ""]
        made = step.images()
        if slot.place >= len(made):
            raise InputError(
                f"it reads picture {slot.place + 1} of {slot.step}, which made {len(made)}",
                hint="change which picture it reads",
            )
        return self._executor.pictures.bound(self._executor.pictures.reference(made[slot.place]), step.id)

    def saved(self, folder: Path) -> tuple[Path, ...]:
        """Files of the pictures of the last step that made any, written where they are not there."""
        steps = [step for name, step in self._made.items() if name not in self._sources and step.images()]
        if not steps:
            return ()
        result = self._executor.show(steps[-1].id)
        files = []
        for number, picture in enumerate(result.images, 1):
            files.append(folder / f"{self._branch}{'' if number == 1 else f'-{number}'}.png")
            if not files[-1].exists():
                _written(picture, files[-1])
        return tuple(files)


def _written(picture: Picture, file: Path) -> None:
    """Write a file as a whole or not at all."""
    part = picture.save(file.with_name(f".{file.stem}.part.png"))
    try:
        part.replace(file)
    except OSError as error:
        raise StoreError(
            f"{file} cannot be written: {error.strerror}", hint="check space and rights"
        ) from error
