"""Running a plan of calls over many pictures: a branch for each, several at a time, resumed where it stopped.

The branch of an item is named after it and the digest of all that its result follows
from, so that a second run finds what the first one did, whatever the order of inputs.
An item that fails is told of and does not stop the others.
"""

from __future__ import annotations

import contextvars
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sightline.errors import EngineError, InputError, NotFoundError, SightlineError
from sightline.tree import cancelling
from sightline.tree.cancelling import Cancellation
from sightline.tree.execute import Executor
from sightline.tree.pictures import Source
from sightline.tree.plans import Planned
from sightline.tree.playing import ItemReport, Playing, told
from sightline.tree.program import Slot, filled_args
from sightline.tree.recipe import Json, canonical, digest

_ODD = re.compile(r"[^A-Za-z0-9._-]+")

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
"""Files of a folder that count as pictures."""


@dataclass(frozen=True)
class Item:
    """One thing to run a plan on: a name, its pictures by input, and its calls."""

    name: str
    pictures: Mapping[str, object]
    calls: tuple[Planned, ...]


@dataclass(frozen=True, repr=False)
class RunReport:
    """What became of every item, in the order of the inputs."""

    items: tuple[ItemReport, ...]
    out: Path

    @property
    def ok(self) -> bool:
        """Whether no item failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[ItemReport, ...]:
        """The items that failed."""
        return tuple(item for item in self.items if item.status == "failed")

    def __repr__(self) -> str:
        done = len(self.items) - len(self.failed)
        told = [f"  {item.name}: {item.error['message']}" for item in self.failed if item.error]
        return "\n".join([f"<RunReport {done} of {len(self.items)} done in {self.out}>", *told])


def listed(inputs: object) -> list[object]:
    """The items of a run: the pictures of a folder by name, one file, or what was given in its order."""
    if not isinstance(inputs, str | Path):
        if isinstance(inputs, Iterable) and not isinstance(inputs, bytes | Mapping):
            return list(inputs)
        raise InputError(f"the inputs are {type(inputs).__name__}", hint="give a folder, or a list")
    place = Path(inputs)
    if not place.exists():
        raise NotFoundError(f"there is no file or folder {place}", hint="check the path")
    if not place.is_dir():
        return [place]
    found = sorted(path for path in place.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
    if not found:
        raise InputError(f"{place} holds no pictures", hint=f"endings are {' '.join(sorted(ENDINGS))}")
    return list(found)


def run_items(executor: Executor, items: Sequence[Item], out: Path, workers: int) -> tuple[ItemReport, ...]:
    """Run every item, `workers` at a time; a run that is cancelled or interrupted stops as soon as it can."""
    stop = cancelling.current()
    run = _Run(executor, out, stop, _model(executor, items))
    with _bar(len(items)) as tell, ThreadPoolExecutor(workers, "sightline-item") as pool:
        work = [pool.submit(contextvars.copy_context().run, run.one, item, tell) for item in items]
        try:
            return tuple(future.result() for future in work)
        except BaseException:
            stop.cancel()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _model(executor: Executor, items: Sequence[Item]) -> str:
    """The fingerprint of the model, if any call needs one; a model that cannot be loaded fails the run."""
    tools = {call.tool for item in items for call in item.calls}
    needed = any(executor.toolbox.get(tool).uses_runtime for tool in tools)
    return executor.runtime.info.fingerprint if needed else ""


class _Run:
    """What all items of a run share."""

    def __init__(self, executor: Executor, out: Path, stop: Cancellation, model: str) -> None:
        self._executor, self._out, self._stop, self._model = executor, out, stop, model
        self._lock, self._turns = threading.Lock(), defaultdict[str, threading.Lock](threading.Lock)

    def one(self, item: Item, tell: Callable[[ItemReport], None]) -> ItemReport:
        """Run one item; a failure is its report, unless the whole run is being stopped."""
        try:
            report = self._stop.run(lambda: self._reported(item))
        except Exception as error:  # noqa: BLE001 - whatever stops one item must not stop the others
            self._stop.check()
            report = ItemReport(item.name, "failed", error=told(_known(error)))
        tell(report)
        return report

    def _reported(self, item: Item) -> ItemReport:
        self._stop.check()
        incoming = self._executor.pictures.incoming
        sources = {name: incoming(value) for name, value in item.pictures.items()}
        branch = self._branch(item, sources)
        with self._turn(branch):
            if self._executor.store.database.get_ref("branch", branch) is None:
                self._executor.refs.branch(branch, None)
            return self._played(item, Playing(self._executor.on(branch), sources))

    def _played(self, item: Item, playing: Playing) -> ItemReport:
        try:
            playing.play(item.calls)
            return playing.report(item.name, files=playing.saved(self._out / "pictures"))
        except SightlineError as error:
            self._stop.check()
            return playing.report(item.name, error=error)

    def _turn(self, branch: str) -> threading.Lock:
        """Items of one branch are equal: the second finds what the first did."""
        with self._lock:
            return self._turns[branch]

    def _branch(self, item: Item, sources: Mapping[str, Source]) -> str:
        """The branch of an item: its name, and the digest of all that its result follows from."""
        calls: Json = [[call.name, call.tool, call.version, *_plain(call)] for call in item.calls]
        inputs = {name: source.ref.pixels for name, source in sources.items()}
        made_from: Json = {
            "calls": calls,
            "inputs": inputs,
            "model": self._model,
            "seed": str(self._executor.seed),
        }
        stem = _ODD.sub("-", item.name).strip("-._")[:60] or "item"
        return f"{stem}-{digest(made_from)[:8]}"


def _plain(call: Planned) -> list[Json]:
    """The arguments and the seed of a call, with names for pictures."""
    args = filled_args(call.args, lambda slot: {"$from": [slot.step, slot.place]})
    seed = [call.seed.step, call.seed.place] if isinstance(call.seed, Slot) else str(call.seed)
    return [canonical(args), seed]


def _known(error: Exception) -> SightlineError:
    """An error of the tree; any other is a fault of ours or of a tool, which must not stop other items."""
    if isinstance(error, SightlineError):
        return error
    return EngineError(f"{type(error).__name__}: {error}", hint="this is a fault of the program: report it")


@contextmanager
def _bar(total: int) -> Iterator[Callable[[ItemReport], None]]:
    """A bar of progress on standard error, if that is a terminal; told of each item that has ended."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console, failed = Console(stderr=True), []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("items", total=total)

        def tell(report: ItemReport) -> None:
            failed.extend([report] if report.status == "failed" else [])
            told = f"items ({len(failed)} failed)" if failed else "items"
            bar.update(task, advance=1, description=told)

        yield tell
