"""The recipe of each preset: stages in the paper's order, as data, for models of every design.

A model learns in the stages, and with the parts, that it has: a VAE where it draws VAE latents,
a pixel decoder where it draws CLIP features.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sightline_runtime.training.objectives import Sizes


@dataclass(frozen=True)
class Stage:
    """One stage: which parts learn, for how many steps, how fast.

    `muon` and `adam` are peak learning rates of matrices and of the rest;
    `average` > 0 keeps an exponential moving average that becomes the weights.
    """

    name: str
    parts: tuple[str, ...]
    steps: int
    muon: float
    adam: float
    average: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """All stages and the size of their steps; `model` names the sizes of the model."""

    stages: tuple[Stage, ...]
    sizes: Sizes
    model: str = "cpu"
    seed: int = 1

    def only(self, names: Sequence[str]) -> "Recipe":
        """The same recipe with the named stages alone, all of them if none is named."""
        return replace(
            self, stages=tuple(stage for stage in self.stages if stage.name in (names or stage.name))
        )

    def of(self, parts: Collection[str]) -> "Recipe":
        """The same recipe for a model with these parts: without stages in which none of them learns."""
        learning = tuple(stage for stage in self.stages if not set(stage.parts).isdisjoint(parts))
        return replace(self, stages=learning)


_DRAWING = ("queries", "dit", "regressor")


def _stages(clip: int, understanding: int, drawing: int, decoder: int) -> tuple[Stage, ...]:
    return (
        Stage("clip", ("clip", "decoder", "tower"), clip, 0.01, 1e-3),
        Stage("understanding", ("backbone", "projector", "tower"), understanding, 0.02, 2e-3),
        Stage("vae", ("vae",), decoder, 0.01, 1e-3, 0.995),
        Stage("drawing", _DRAWING, drawing, 0.02, 2e-3, 0.998),
        Stage("decoder", ("decoder",), decoder, 0.01, 1e-3, 0.995),
    )


RECIPES = {
    # as much of every stage as the shipped weights had, in one run: about two and a half hours on two cores
    "cpu": Recipe(_stages(700, 2300, 3100, 2800), Sizes(prompts=36, edits=56)),
    # more of the later stages on a model that `--start` names: how the shipped weights go on
    "refine": Recipe(
        (
            Stage("decoder", ("decoder",), 300, 0.01, 1e-3, 0.99),
            Stage("understanding", ("backbone", "projector", "tower"), 600, 0.015, 1.5e-3, 0.995),
            Stage("drawing", _DRAWING, 400, 0.006, 6e-4, 0.99),
        ),
        Sizes(question_rows=26, dialogues=18, prompts=36, edits=56),
    ),
    "gpu": Recipe(
        _stages(6000, 12000, 12000, 3000),
        Sizes(
            pictures=512,
            codes=256,
            contrast=128,
            question_rows=96,
            text_rows=36,
            dialogues=32,
            prompts=128,
            edits=112,
        ),
        "gpu",
    ),
    "tiny": Recipe(
        _stages(4, 4, 4, 2),
        Sizes(
            pictures=8,
            codes=8,
            contrast=4,
            question_rows=4,
            questions=2,
            text_rows=3,
            dialogues=1,
            prompts=3,
            draws=2,
            edits=2,
        ),
        "tiny",
    ),
}
