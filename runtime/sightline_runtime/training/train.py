"""Train a model stage by stage; stop at any moment and go on where it stopped.

The run folder holds `train.safetensors` (model, text tower, optimizer state, moving
averages), `progress.json` (stage, step, seconds and operations of each stage) and
`log.jsonl`, one line per report. Data come from (seed, stage, step) alone, so a resumed run sees the data
that an uninterrupted one would.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sightline_runtime.errors import InputError, ModelError
from sightline_runtime.models import weights
from sightline_runtime.models.dit import DiT
from sightline_runtime.models.presets import PRESETS
from sightline_runtime.models.unified import DESIGN_PARTS, Design, UnifiedModel
from sightline_runtime.models.words import Words, build
from sightline_runtime.training import data, objectives
from sightline_runtime.training.optimizer import MuonAdam, schedule
from sightline_runtime.training.products import bfloat16_products
from sightline_runtime.training.recipes import RECIPES, Recipe, Stage
from sightline_runtime.world.language import vocabulary

_SAVE_EVERY = 120.0
_REPORT_EVERY = 20


@dataclass(frozen=True)
class Report:
    """Where a training stands: stage, step of steps, seconds a step, losses."""

    stage: str
    step: int
    steps: int
    seconds: float
    losses: dict[str, float]

    @property
    def eta(self) -> float:
        """Seconds until the stage ends."""
        return (self.steps - self.step) * self.seconds


def initialise(model: UnifiedModel) -> None:
    """Start gates half open and modulations at rest, so every layer learns from the first step."""
    for dit in (module for module in model.modules() if isinstance(module, DiT)):
        for layer in dit.layers:
            nn.init.constant_(layer.gate, 0.5)
            nn.init.zeros_(layer.norm1.linear.weight)
            scale_a, gate_a, scale_m, gate_m = layer.norm1.linear.bias.data.chunk(4)
            for scale, gate in ((scale_a, gate_a), (scale_m, gate_m)):
                scale.zero_()
                gate.fill_(0.5)
        nn.init.zeros_(dit.norm_out.linear_1.weight)
        nn.init.zeros_(dit.norm_out.linear_1.bias)
    if model.config.decoder is not None:
        nn.init.zeros_(model.decoder.detail_2.weight)
    nn.init.normal_(model.backbone.embed_tokens.weight, std=0.05)


_DRAWING_PARTS = ("queries", "dit", "regressor")


def warm(model: UnifiedModel, words: Words, start: Path) -> None:
    """Begin from a model folder: weights by name, word embeddings by word.

    What is new or has another shape keeps its fresh values, and so do the parts that
    draw when the folder's design is another: there they have learnt something else.
    """
    config, state, old, _ = weights.read(start)
    mine, name = model.state_dict(), "backbone.embed_tokens.weight"
    words_before = state.pop(name).float()
    shared = {n: tensor for n, tensor in state.items() if n in mine}
    if config.design != model.config.design:
        shared = {n: tensor for n, tensor in shared.items() if n.split(".")[0] not in _DRAWING_PARTS}
    fitting = {n: tensor.float() for n, tensor in shared.items() if tensor.shape == mine[n].shape}
    if len(fitting) < len(shared) / 2 or words_before.shape[1] != mine[name].shape[1]:
        raise ModelError(f"{start} has another form than the preset", hint="start from a model of the preset")
    for index, word in enumerate(words.vocabulary()):
        if (known := old.index(word)) is not None:
            mine[name][index] = words_before[known]
    model.load_state_dict(mine | fitting)


def _progress(folder: Path) -> dict[str, Any] | None:
    """Where the run in a folder stands, None if there is no run; ModelError if its files are not whole."""
    path = folder / "train.safetensors"
    if not path.exists() and not (folder / "progress.json").exists():
        return None
    try:
        return dict(json.loads(weights.metadata(path)["progress"]))
    except (OSError, SafetensorError, LookupError, ValueError) as error:
        raise ModelError(
            f"the run in {folder} cannot go on, {path.name} is missing or damaged: {error}",
            hint="begin a new run in another folder",
        ) from error


def _preset(folder: Path, asked: str, begun: str | None, device: str) -> str:
    """The preset that is asked for; "auto" is that of a run that has begun, else the device's."""
    if asked == "auto":
        return begun or ("cpu" if device == "cpu" else "gpu")
    if asked not in RECIPES:
        raise InputError(f"there is no preset {asked!r}", hint=f"presets are auto, {', '.join(RECIPES)}")
    if begun not in (None, asked):
        raise InputError(
            f"the run in {folder} has begun with preset {begun!r}, not {asked!r}",
            hint="go on with its own preset, or begin a new run in another folder",
        )
    return asked


def _design(folder: Path, asked: str, begun: str | None) -> Design:
    """The design that is asked for; "auto" is that of a run that has begun, else the adopted one."""
    found = next((design for design in DESIGN_PARTS if design == asked), None)
    if asked != "auto" and found is None:
        raise InputError(f"there is no design {asked!r}", hint=f"designs are auto, {', '.join(DESIGN_PARTS)}")
    before = next((design for design in DESIGN_PARTS if design == begun), None)
    if None not in (found, before) and found != before:
        raise InputError(
            f"the run in {folder} has begun with design {begun!r}, not {asked!r}",
            hint="go on with its own design, or begin a new run in another folder",
        )
    return found or before or "clip_flow"


class Trainer:
    """One training run in a folder; a new run may start from a model folder.

    `preset` and `design` "auto" go on with the run's own, or take the preset for the device and the
    adopted design; `stages` picks some of the recipe's. Raises InputError for names that do not exist
    or are not those of the run.
    """

    def __init__(
        self,
        folder: Path,
        preset: str,
        *,
        design: str = "auto",
        device: str = "cpu",
        recipe: Recipe | None = None,
        start: Path | None = None,
        stages: Sequence[str] = (),
    ) -> None:
        begun = _progress(folder)
        self.folder, self.device = folder, device
        self.preset = _preset(folder, preset, begun["preset"] if begun else None, device)
        self.design = _design(folder, design, begun.get("design", "clip_flow") if begun else None)
        self.words = Words(build(vocabulary()))
        asked = recipe or RECIPES[self.preset]
        config = PRESETS[asked.model](self.words.size, self.design)
        self.recipe = _picked(asked.of(config.parts), stages, begun)
        torch.manual_seed(self.recipe.seed)
        self.model = UnifiedModel(config)
        initialise(self.model)
        self.tower = objectives.TextTower(
            self.words.size, self.model.config.clip.output_width, self.model.config.backbone.width
        )
        self.stage_index, self.step = 0, 0
        self.seconds: dict[str, float] = {}
        self.flops: dict[str, int] = {}
        self.optimizer: MuonAdam | None = None
        self.average: dict[str, Tensor] = {}
        folder.mkdir(parents=True, exist_ok=True)
        if begun:
            self._resume(begun)
        elif start is not None:
            warm(self.model, self.words, start)
        self.model.to(device)
        self.tower.to(device)

    @property
    def complete(self) -> bool:
        """Whether every stage of the recipe is done."""
        return self.stage_index >= len(self.recipe.stages)

    def run(self, seconds: float | None = None, until: str | None = None) -> Iterator[Report]:
        """Train until the recipe, the time or the stage `until` ends; yields reports."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self.complete:
            stage = self.recipe.stages[self.stage_index]
            yield from self._run_stage(stage, deadline)
            if self.step < stage.steps:
                return
            self._finish_stage(stage)
            if stage.name == until:
                return

    def _run_stage(self, stage: Stage, deadline: float | None) -> Iterator[Report]:
        named = self._open(stage)
        saved = last = time.monotonic()
        while self.step < stage.steps:
            with self._counting(stage), bfloat16_products(self.device):
                loss, losses = self._loss(stage)
                loss.backward()  # type: ignore[no-untyped-call]
            assert_finite(losses, stage.name, self.step)
            self._require_optimizer().step(schedule(self.step, stage.steps))
            self._track(stage, named)
            self.step += 1
            now = time.monotonic()
            self.seconds[stage.name] = self.seconds.get(stage.name, 0.0) + now - last
            last = now
            report = Report(stage.name, self.step, stage.steps, self.seconds[stage.name] / self.step, losses)
            if self.step % _REPORT_EVERY == 0:
                self._log(report)
            yield report
            if now - saved > _SAVE_EVERY or (deadline and now > deadline):
                self.save()
                saved = time.monotonic()
            if deadline and now > deadline:
                return

    @contextmanager
    def _counting(self, stage: Stage) -> Iterator[None]:
        """Count the floating-point operations of a stage's first step, forward and backward."""
        if stage.name in self.flops:
            yield
            return
        with FlopCounterMode(display=False) as counter:
            yield
        self.flops[stage.name] = counter.get_total_flops()

    def _loss(self, stage: Stage) -> tuple[Tensor, dict[str, float]]:
        world = data.sampler(self.recipe.seed, stage.name, self.step)
        sizes = self.recipe.sizes
        if stage.name == "clip":
            return objectives.clip_loss(self.model, self.tower, self.words, world, self.step, sizes)
        if stage.name == "understanding":
            return objectives.understanding_loss(self.model, self.tower, self.words, world, sizes)
        if stage.name == "vae":
            return objectives.vae_loss(self.model, world, sizes)
        if stage.name == "drawing":
            return objectives.drawing_loss(self.model, self.words, world, sizes)
        return objectives.decoder_loss(self.model, world, sizes)

    def _open(self, stage: Stage) -> dict[str, nn.Parameter]:
        """Let only the stage's parts learn; keep the optimizer of a resumed stage."""
        named = dict(self.model.named_parameters())
        named |= {f"tower.{name}": p for name, p in self.tower.named_parameters()}
        for name, parameter in named.items():
            parameter.requires_grad_(name.split(".")[0] in stage.parts)
        learning = {name: p for name, p in named.items() if p.requires_grad}
        fresh = MuonAdam(learning.items(), muon=stage.muon, adam=stage.adam)
        if self.optimizer is not None:
            fresh.state, fresh.steps = self.optimizer.state, self.optimizer.steps
        self.optimizer = fresh
        return learning

    def _require_optimizer(self) -> MuonAdam:
        if self.optimizer is None:
            raise RuntimeError("no stage is open")
        return self.optimizer

    @torch.no_grad()
    def _track(self, stage: Stage, named: dict[str, nn.Parameter]) -> None:
        if not stage.average:
            return
        if not self.average:
            self.average = {name: p.detach().clone() for name, p in named.items()}
        weight = 1 - min(stage.average, (self.step + 1) / (self.step + 10))
        for name, parameter in named.items():
            self.average[name].lerp_(parameter, weight)

    def averaged(self) -> dict[str, Tensor]:
        """The model's weights with the moving averages in their places."""
        state = {name: tensor.detach().cpu() for name, tensor in self.model.state_dict().items()}
        return state | {name: tensor.cpu() for name, tensor in self.average.items() if name in state}

    @torch.no_grad()
    def _finish_stage(self, stage: Stage) -> None:
        if self.average:
            self.model.load_state_dict(self.averaged())
        if stage.name == ("clip" if self.model.config.vae is None else "vae"):
            self._measure_features()
        self.average, self.optimizer = {}, None
        self.stage_index, self.step = self.stage_index + 1, 0
        self.save()

    def _measure_features(self) -> None:
        """Mean and spread of each feature, over scenes with many things."""
        world = data.sampler(self.recipe.seed, "statistics", 0)
        batches = [data.crowded(world, self.recipe.sizes.pictures) for _ in range(8)]
        drawn = [self.model.encode(data.pictures(scenes).to(self.device)) for scenes in batches]
        features = torch.cat(drawn).flatten(0, 1)
        self.model.feature_mean.copy_(features.mean(0))
        self.model.feature_std.copy_(features.std(0) + 1e-3)

    def save(self) -> None:
        """Write the run so that a kill at any moment leaves the old or the new state."""
        state = {f"tower.{name}": tensor for name, tensor in self.tower.state_dict().items()}
        state |= {f"average.{name}": tensor for name, tensor in self.average.items()}
        if self.optimizer is not None:
            state |= {f"optimizer.{name}": tensor for name, tensor in self.optimizer.state.items()}
        state |= {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        progress = {
            "preset": self.preset,
            "design": self.design,
            "stages": [stage.name for stage in self.recipe.stages],
            "stage": self.stage_index,
            "step": self.step,
            "optimizer_steps": self.optimizer.steps if self.optimizer else 0,
            "seconds": self.seconds,
            "flops": self.flops,
        }
        metadata = {"progress": json.dumps(progress)}
        save_file(state, self.folder / "train.safetensors.new", metadata)
        os.replace(self.folder / "train.safetensors.new", self.folder / "train.safetensors")
        (self.folder / "progress.json").write_text(json.dumps(progress, indent=1))

    def _resume(self, progress: dict[str, Any]) -> None:
        path = self.folder / "train.safetensors"
        parts: dict[str, dict[str, Tensor]] = {"tower": {}, "average": {}, "optimizer": {}, "model": {}}
        for name, tensor in load_file(path, device=self.device).items():
            part, rest = name.split(".", 1)
            parts[part][rest] = tensor
        self.model.load_state_dict(parts["model"])
        self.tower.load_state_dict(parts["tower"])
        self.average = parts["average"]
        self.stage_index, self.step = progress["stage"], progress["step"]
        self.seconds, self.flops = progress["seconds"], progress.get("flops", {})
        if parts["optimizer"]:
            self.optimizer = MuonAdam([], muon=0, adam=0)
            self.optimizer.state, self.optimizer.steps = parts["optimizer"], progress["optimizer_steps"]

    def export(self, folder: Path) -> None:
        """Write the model as a folder that `weights.load` reads."""
        weights.save(folder, self.model.config, self.averaged(), self.words)

    def _log(self, report: Report) -> None:
        line = {"stage": report.stage, "step": report.step, "seconds": round(self.seconds[report.stage], 1)}
        losses = {name: round(value, 5) for name, value in report.losses.items()}
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line | losses) + "\n")


def _picked(recipe: Recipe, stages: Sequence[str], begun: dict[str, Any] | None) -> Recipe:
    known = [stage.name for stage in recipe.stages]
    if unknown := [name for name in stages if name not in known]:
        raise InputError(f"there is no stage {', '.join(unknown)}", hint=f"stages are {', '.join(known)}")
    picked = recipe.only(stages)
    names = [stage.name for stage in picked.stages]
    if begun and (before := begun.get("stages", names)) != names:
        raise InputError(
            f"the run has begun with stages {', '.join(before)}, not {', '.join(names)}",
            hint="go on with its own stages, or begin a new run in another folder",
        )
    return picked


def assert_finite(losses: dict[str, float], stage: str, step: int) -> None:
    """Stop a training that has diverged before it spoils its checkpoint."""
    if any(value != value for value in losses.values()):
        raise FloatingPointError(f"the loss of stage {stage} is not a number at step {step}")
