"""Pictures for the model card: successes and failures side by side, and curves over time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sightline_runtime.evaluation.scores import draw
from sightline_runtime.evaluation.world import satisfies
from sightline_runtime.protocol import Pixels, Runtime
from sightline_runtime.world import judge, language
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import SceneSampler

_COLUMNS = 6
_EACH = 2 * _COLUMNS
"""How many successes, and how many failures at most, the grid shows."""
_TRIES = 400
_KINDS = (*language.GENERATION_TYPES, *language.EDIT_KINDS)


@dataclass(frozen=True)
class Example:
    """What was asked for, what was drawn (beside the source of an edit), and what the judge says."""

    asked: str
    shown: Pixels
    good: bool
    seen: str


def _generated(runtime: Runtime, world: SceneSampler, kind: str, seed: int) -> Example:
    prompt, scene = language.prompt(world, kind)
    drawn = draw(runtime, prompt, seed)
    reading = judge.read(drawn)
    return Example(prompt, drawn, satisfies(reading, kind, scene, prompt), judge.describe(reading))


def _edited(runtime: Runtime, world: SceneSampler, kind: str, seed: int) -> Example:
    change = language.edit(world, kind)
    source = paint(change.source)
    drawn = draw(runtime, change.instruction, seed, source)
    reading = judge.read(drawn)
    gap = np.full((len(source), 6, 3), 255, np.uint8)
    good = judge.edited(reading, change.source, change.target)
    return Example(change.instruction, np.concatenate([source, gap, drawn], 1), good, judge.describe(reading))


def examples(runtime: Runtime, seed: int) -> Iterator[Example]:
    """Prompts and edits of every type in turn, drawn and judged."""
    world = SceneSampler(seed * 1_000_003 + 31, held_out=False)
    for index in range(_TRIES):
        kind = _KINDS[index % len(_KINDS)]
        make = _edited if kind in language.EDIT_KINDS else _generated
        yield make(runtime, world, kind, seed * 100_000 + index)


def grid(runtime: Runtime, path: Path, seed: int) -> tuple[int, int, int]:
    """Write the picture of the first successes and the first failures.

    Gives how many of each it shows, and how many were drawn to find them.
    """
    right: list[Example] = []
    wrong: list[Example] = []
    drawn = 0
    for drawn, example in enumerate(examples(runtime, seed), 1):  # noqa: B007 - the last count stays
        (right if example.good else wrong).append(example)
        if min(len(right), len(wrong)) >= _EACH:
            break
    _sheet(right[:_EACH], wrong[:_EACH]).savefig(path, dpi=80)
    return min(len(right), _EACH), min(len(wrong), _EACH), drawn


def _sheet(right: list[Example], wrong: list[Example]) -> Figure:
    above = -(-len(right) // _COLUMNS)
    rows = above + -(-len(wrong) // _COLUMNS)
    figure = Figure(figsize=(15, 2.7 * rows))
    cells = [*enumerate(right), *enumerate(wrong, above * _COLUMNS)]
    for place, example in cells:
        axes = figure.add_subplot(rows, _COLUMNS, place + 1)
        axes.imshow(example.shown, interpolation="nearest")
        axes.set_axis_off()
        told = example.asked if example.good else f"{example.asked}\nWRONG, shows: {example.seen}"
        axes.set_title(_wrapped(told), fontsize=7, color="black" if example.good else "#b00020")
    figure.tight_layout()
    return figure


def _wrapped(text: str, width: int = 38) -> str:
    lines = [""]
    for word in text.replace("\n", " \n ").split(" "):
        if word == "\n" or len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += "" if word == "\n" else f"{word} "
    return "\n".join(line.strip() for line in lines)


@dataclass(frozen=True)
class StageLog:
    """What a training stage wrote down: minutes since its start, and each loss at them."""

    name: str
    minutes: list[float]
    losses: dict[str, list[float]]


def curves(stages: Sequence[StageLog], milestones: Sequence[Mapping[str, float]], path: Path) -> None:
    """Write losses of each stage over its minutes, and held-out scores over all minutes."""
    width = len(stages) + 1
    figure = Figure(figsize=(4 * width, 3.2))
    for place, stage in enumerate(stages, 1):
        axes = figure.add_subplot(1, width, place)
        for name, values in stage.losses.items():
            axes.plot(stage.minutes, values, label=name)
        axes.set(title=f"{stage.name}: losses", xlabel="minutes", yscale="log")
        axes.legend(fontsize=7)
    axes = figure.add_subplot(1, width, width)
    for name in ("generation", "questions", "edits"):
        points = [(point["minutes"], point[name]) for point in milestones if name in point]
        axes.plot([minute for minute, _ in points], [score for _, score in points], "o-", label=name)
    axes.set(title="held-out scores", xlabel="minutes of this sitting", ylim=(0, 1.02))
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
