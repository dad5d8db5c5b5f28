"""What the session tree costs: the store's own time per step, its size, and what a late change saves.

A rule-based runtime draws, so that what is measured is the tree and the store, on
disk as a session uses them. Times are wall-clock of a verb less the tool's own.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from sightline.results import Result
from sightline.session import Session
from sightline.tree.steps import Step
from sightline_runtime.protocol import DecodeRequest, FeatureRequest, FeatureResult, Job, PixelResult
from sightline_runtime.testing import FakeRuntime

Tell = Callable[[str, int, int], None]
"""Told (what, done, total)."""
_STAGE_SECONDS = 0.1
"""What a stage takes in the workflow that is run twice."""
_COLORS = ("blue", "green", "yellow", "orange", "purple", "cyan", "black", "white", "gray", "brown")


def measure(
    *, steps: int = 1000, large: int = 10_000, rounds: int = 50, tell: Tell = lambda *_: None
) -> Mapping[str, object]:
    """Measure a session of `steps` pictures and one of `large` steps; milliseconds and megabytes."""
    with tempfile.TemporaryDirectory(prefix="sightline-bench-") as scratch:
        folder = Path(scratch)
        overhead, size = _committed(folder / "steps", steps, tell)
        return {
            "machine": f"{platform.machine()} {platform.system()}, Python {platform.python_version()}",
            "overhead_ms": overhead,
            "database_mb": {"steps": steps, "mb": size},
            "moves_ms": _moves(folder / "moves", rounds),
            "open_and_log_ms": _opened(folder / "large", large, tell),
            "late_change": _late_change(folder / "late"),
        }


def _committed(folder: Path, steps: int, tell: Tell) -> tuple[Mapping[str, Mapping[str, float]], float]:
    """The store's own milliseconds per committed step of each verb, and megabytes of database afterwards."""
    spent: dict[str, list[float]] = {}
    with Session(folder, runtime=FakeRuntime(), seed=1) as session:
        for done, (name, verb) in enumerate(_verbs(session, steps), 1):
            started = time.perf_counter()
            made = verb()
            own = 1000 * (time.perf_counter() - started - made.step.seconds)
            if done > steps // 10:  # the first ones make folders
                spent.setdefault(name, []).append(own)
            tell("steps", done, steps)
    spent["all"] = [own for times in spent.values() for own in times]
    return {name: _spread(times) for name, times in spent.items()}, round(_database_bytes(folder) / 1e6, 2)


def _verbs(session: Session, steps: int) -> Iterator[tuple[str, Callable[[], Result]]]:
    """Drawing, editing, looking and cutting in turn, no two calls alike."""
    picture = session.generate("a red star left of a blue ring")
    for number in range(steps):
        verbs: tuple[tuple[str, Callable[[], Result]], ...] = (
            ("generate", partial(session.generate, f"a red star {number}")),
            ("edit", partial(session.edit, picture, f"make the star blue {number}")),
            ("understand", partial(session.understand, picture, f"what color is the star {number} ?")),
            ("crop", partial(session.crop, picture, (0, 0, 1 + number % 61, 1 + number // 61))),
        )
        yield verbs[number % 4]


def _database_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("session.db*"))


def _moves(folder: Path, rounds: int) -> Mapping[str, Mapping[str, float]]:
    with Session(folder, runtime=FakeRuntime(), seed=1) as session:
        for number in range(20):
            session.generate(f"a red star {number}")
        times: dict[str, list[float]] = {}
        for number in range(rounds):
            for name, verb in (
                ("branch", partial(session.branch, f"b{number}")),
                ("checkout", partial(session.checkout, f"b{number}")),
                ("undo", session.undo),
                ("redo", session.redo),
            ):
                times.setdefault(name, []).append(_milliseconds(verb))
    return {name: _spread(spent) for name, spent in times.items()}


def _opened(folder: Path, steps: int, tell: Tell) -> Mapping[str, float]:
    """Milliseconds to open a store of many steps and read the last fifty of its log."""
    with Session(folder, runtime=FakeRuntime(), seed=1) as session:
        picture = session.generate("a red star")
        for number in range(steps):
            session.crop(picture, (0, 0, 1 + number % 61, 1 + number // 61 % 61))
            tell("large store", number + 1, steps)

    def look() -> list[Step]:
        with Session(folder, runtime=FakeRuntime()) as session:
            return session.log(50)

    return _spread([_milliseconds(look) for _ in range(9)])


class _Counting(FakeRuntime):
    """Counts what it is asked for; every stage takes a while, as a model's does."""

    def __init__(self) -> None:
        super().__init__()
        self.drawings = 0

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Draw."""
        self.drawings += 1
        time.sleep(_STAGE_SECONDS)
        return super().generate_features(request)

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Paint."""
        time.sleep(_STAGE_SECONDS)
        return super().decode_features(request)


def _late_change(folder: Path) -> Mapping[str, float]:
    """A chain of twenty pictures, then a change of the sixteenth: calls of the model, and the time saved."""
    runtime = _Counting()
    with Session(folder, runtime=runtime, seed=1) as session:
        started = time.perf_counter()
        chain: list[Result] = [session.generate("a red star")]
        for number in range(19):
            what, color = ("star", "background")[number % 2], _COLORS[number // 2 % len(_COLORS)]
            chain.append(session.edit(chain[-1], f"make the {what} {color}"))
        whole, first = time.perf_counter() - started, runtime.drawings
        started = time.perf_counter()
        session.rerun(changes={chain[15].step.id: {"instruction": "add a small pink ring"}})
        late = time.perf_counter() - started
    again = runtime.drawings - first
    return {
        "calls_first": first,
        "calls_after_change": again,
        "times_faster": round(whole / late, 2),
        "times_less_work": round(first / again, 2),
    }


def _milliseconds(verb: Callable[[], object]) -> float:
    started = time.perf_counter()
    verb()
    return 1000 * (time.perf_counter() - started)


def _spread(times: list[float]) -> Mapping[str, float]:
    ordered = sorted(times)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 2),
        "max": round(ordered[-1], 2),
    }
