"""From a name or a path to a runtime: the only door to an engine.

Heavy imports happen inside `load`, so that importing sightline stays cheap and
a host that only talks to a server never needs torch.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from sightline_runtime.errors import InputError, ModelError
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    EmbedResult,
    FeatureRequest,
    FeatureResult,
    Job,
    PixelResult,
    Runtime,
    RuntimeInfo,
    TextRequest,
    TextResult,
)

if TYPE_CHECKING:
    from sightline_runtime.engine.placement import Wish
    from sightline_runtime.models.catalogue import Model

DEFAULT_MODEL = "embedded"

Step = Callable[[str, int, int], None]
Show = Callable[[str, int, int, float, Mapping[str, float]], None]

Name = str | Path | Sequence[str | Path]

_shared: dict[tuple[object, ...], Runtime] = {}
_lock = threading.Lock()


def load(
    name: Name = DEFAULT_MODEL,
    *,
    device: str = "auto",
    dtype: str = "auto",
    memory: str | int | None = None,
    quantize: Literal["int8", "int4"] | None = None,
    revision: str | None = None,
    offline: bool = False,
) -> Runtime:
    """Load a model: by name ("embedded", "blip3o-8b", …), hub id, folder, or list of files.

    `sightline models` lists the names. A model of the hub is fetched once, with a bar
    of progress; `revision` pins a branch, tag or commit, `offline` forbids the network.
    `device` is "auto" (an accelerator if there is one), "cpu", "cuda" or "mps"; `dtype`
    "auto", "bfloat16", "float16" or "float32". A large model is placed so that it fits
    the device, or `memory` ("16GB"): parts may be moved in by groups, the backbone held
    in fewer bits (`quantize` says which); `info.placement` tells what was picked. The
    same model loaded alike is loaded once per process, and again after it was closed.
    Raises ModelError if files are missing, damaged or do not fit the device,
    NotFoundError for an unknown name, InputError for an option that cannot be.
    """
    try:
        import sightline_runtime.engine.local  # noqa: F401 - whether it can be
        from sightline_runtime.engine.placement import Wish, parse_memory
        from sightline_runtime.models.gathered import gathered
    except ImportError as error:
        raise ModelError(
            f"a local model needs a package that is not installed: {error.name}",
            hint="pip install 'sightline[local]'",
        ) from error
    if quantize not in (None, "int8", "int4"):
        raise InputError(f"quantize is {quantize!r}", hint="use int8, int4, or leave it out")
    bits: Literal[8, 4] | None = None if quantize is None else 8 if quantize == "int8" else 4
    wish = Wish(_device(device), dtype, bits, parse_memory(memory))
    if isinstance(name, (str, Path)):
        folder = _folder(name, revision=revision, offline=offline)
        return _once((folder.resolve(), _state(folder), wish), folder, wish)
    with gathered(name) as folder:
        return _once((None, _state(folder), wish), folder, wish)


def _state(folder: Path) -> tuple[tuple[str, str, int, int], ...]:
    """Which files a model has now: one that was written anew in its place is another model."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in (".json", ".safetensors")]
    found = [(path, path.resolve(), path.stat()) for path in files if path.is_file()]
    return tuple(
        (path.relative_to(folder).as_posix(), str(real), told.st_size, told.st_mtime_ns)
        for path, real, told in found
    )


def _once(key: tuple[object, ...], folder: Path, wish: "Wish") -> Runtime:
    """The engine on a model, if it is not there yet; once it is closed nobody else is given it."""
    from sightline_runtime.engine import families, local

    class Shared(local.LocalRuntime):
        def close(self) -> None:
            with _lock:
                if _shared.get(key) is self:
                    del _shared[key]
            super().close()

    with _lock:
        if key not in _shared:
            _shared[key] = Shared(families.load(folder, wish))
        return _shared[key]


def _device(asked: str) -> str:
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if asked == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there.get(asked):
        usable = ", ".join(device for device, found in there.items() if found)
        raise InputError(
            f"there is no device {asked!r} here", hint=f"use auto, or what this machine has: {usable}"
        )
    return asked


def _folder(name: str | Path, *, revision: str | None = None, offline: bool = False) -> Path:
    from sightline_runtime.models import hub

    with downloading() as step:
        return hub.resolve(name, revision=revision, offline=offline, progress=step)


@contextmanager
def downloading() -> Iterator[Step]:
    """A bar of bytes on standard error, from the first byte on."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    tasks: list[TaskID] = []

    def step(what: str, done: int, total: int) -> None:
        if not tasks:
            tasks.append(bar.add_task(what, total=total))
            bar.start()
        bar.update(tasks[0], completed=done, total=total)

    try:
        yield step
    finally:
        if tasks:  # a bar that was never shown would still print an empty line
            bar.stop()


class Lazy:
    """The embedded model, loaded when it is first used: a runtime like any other."""

    @property
    def info(self) -> RuntimeInfo:
        """What the model is and can do."""
        return load().info

    def generate_text(self, request: TextRequest) -> Job[TextResult]:
        """Answer in text, or score choices."""
        return load().generate_text(request)

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Make the CLIP features of pictures."""
        return load().generate_features(request)

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Paint features as pixels."""
        return load().decode_features(request)

    def embed_images(self, request: EmbedRequest) -> Job[EmbedResult]:
        """Give the CLIP features of pictures."""
        return load().embed_images(request)

    def close(self) -> None:
        """Do nothing: the model is shared by the whole process."""


def evaluate(
    runtime: Runtime, *, seed: int, n: int, step: Step, parts: Sequence[str] = ()
) -> Mapping[str, object]:
    """Score a runtime in the world of shapes; `step` is told (part, done, total).

    `parts` names what to score; by default what the model card gives.
    """
    from sightline_runtime.evaluation import suite

    return suite.evaluate(runtime, seed, n, step, parts)


def card(
    name: str,
    *,
    scores: Sequence[Path],
    runs: Sequence[Path] = (),
    milestones: Path | None = None,
    speed: Path | None = None,
) -> Path:
    """Write a model's card into its folder from files of scores and speed and folders of training runs.

    Raises InputError if the scores are of another model or lack a part.
    """
    runtime = load(name)
    try:
        from sightline_runtime.evaluation import card as cards
    except ImportError as error:
        raise ModelError(
            f"the pictures of a card need a package that is not installed: {error.name}",
            hint="pip install 'sightline[train]'",
        ) from error
    return cards.write(runtime, _folder(name), scores=scores, runs=runs, milestones=milestones, speed=speed)


def train(  # noqa: PLR0913 - an option of a command is an argument
    folder: Path,
    preset: str,
    *,
    design: str = "auto",
    minutes: float | None,
    export: Path | None,
    show: Show,
    start: str | None = None,
    stages: Sequence[str] = (),
) -> bool:
    """Train (or go on training) a model in a folder; gives whether the recipe is complete.

    `show` is told (stage, step, steps, seconds left in the stage, losses). With
    `export` the model so far is written there as a model folder. A new run begins
    from nothing, or from the model that `start` names; `stages` picks some of the recipe's.
    `design` is how it draws: "clip_flow", "clip_mse", "vae_flow", or "auto" for the run's own.
    """
    from sightline_runtime.training.train import Trainer

    trainer = Trainer(
        folder,
        preset,
        design=design,
        device=_device("auto"),
        start=None if start is None else _folder(start),
        stages=stages,
    )
    for report in trainer.run(None if minutes is None else 60 * minutes):
        show(report.stage, report.step, report.steps, report.eta, report.losses)
    if export is not None:
        trainer.export(export)
    return trainer.complete


def bench(runtime: Runtime) -> Mapping[str, object]:
    """Latency and memory of a runtime on this machine."""
    from sightline_runtime.bench import speed

    return speed.measure(runtime)


def bench_released(size: Literal["4b", "8b"]) -> Mapping[str, object]:
    """Time and memory of a full-size BLIP3-o with random weights, by stage; needs about 30 GB."""
    from sightline_runtime.bench import released

    return released.full_size(size, _device("auto"))


def models() -> "list[tuple[Model, Path | None]]":
    """Every named model, and where it lies whole on this machine, None if it does not; needs no torch."""
    from sightline_runtime.models import catalogue, hub

    return [(model, hub.located(model)) for model in catalogue.CATALOGUE.values()]


def fetch(name: str, *, revision: str | None = None) -> Path:
    """Fetch a model of the hub as far as it is not here, with a bar of progress; gives its folder."""
    return _folder(name, revision=revision)


def convert(
    source: str, target: Path, *, to: Literal["released", "embedded"] | None = None, force: bool = False
) -> str:
    """Write a model, or what a training run has reached, in the other layout; gives the layout written."""
    from sightline_runtime.models import convert as conversion
    from sightline_runtime.models import hub

    folder = hub.resolve(source, offline=True)
    if not (folder / "train.safetensors").exists():
        return conversion.convert(folder, target, to=to, force=force)
    if to == "embedded":
        raise InputError(
            f"{folder} is a training run, not a model",
            hint="`sightline train embedded --run … --export …` writes its model in our layout",
        )
    from sightline_runtime.training.train import Trainer

    with TemporaryDirectory() as scratch:
        Trainer(folder, "auto").export(Path(scratch))
        return conversion.convert(Path(scratch), target, to="released", force=force)
