"""The paper's three designs of drawing: each builds, learns, is saved and loaded, and runs a session."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tests.contracts.runtime_suite import (
    CHECKS,
    PICTURE,
    check_drawing,
    check_seeds,
    check_threads,
    say,
)

import sightline as sl
from sightline_runtime.errors import ModelError
from sightline_runtime.models import hub, weights
from sightline_runtime.models.fits import problems
from sightline_runtime.models.presets import tiny
from sightline_runtime.models.unified import DESIGN_PARTS, UnifiedConfig
from sightline_runtime.protocol import DecodeRequest, EmbedRequest, FeatureRequest, Progress
from sightline_runtime.training.recipes import RECIPES
from sightline_runtime.training.train import Trainer

STEPS = {"clip": 3, "understanding": 2, "vae": 24, "drawing": 24, "decoder": 2}


@dataclass(frozen=True)
class Trained:
    """A tiny model of a design: its folder, its runtime, and the first loss of every stage."""

    design: str
    folder: Path
    runtime: sl.Runtime
    losses: dict[str, list[float]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Gives a tiny model of a design after some steps of every stage, saved and loaded; each is made once."""
    made: dict[str, Trained] = {}

    def of(design: str) -> Trained:
        if design not in made:
            made[design] = train(design, tmp_path_factory.mktemp(design))
        return made[design]

    yield of
    for found in made.values():
        found.runtime.close()


def train(design, root):
    """Train, save and load a tiny model."""
    stages = tuple(replace(stage, steps=STEPS[stage.name]) for stage in RECIPES["tiny"].stages)
    trainer = Trainer(root / "run", "tiny", design=design, recipe=replace(RECIPES["tiny"], stages=stages))
    losses: dict[str, list[float]] = {}
    for report in trainer.run():
        losses.setdefault(report.stage, []).append(next(iter(report.losses.values())))
    trainer.export(root / "model")
    return Trained(design, root / "model", sl.load(root / "model", device="cpu"), losses)


@pytest.mark.parametrize(
    ("design", "stage"),
    [("clip_flow", "drawing"), ("clip_mse", "drawing"), ("vae_flow", "drawing"), ("vae_flow", "vae")],
)
def test_what_draws_learns(trained, design, stage):
    """The losses of drawing, and of the VAE where there is one, fall."""
    losses = trained(design).losses[stage]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize("design", DESIGN_PARTS)
def test_a_model_has_only_the_parts_of_its_design(trained, design):
    """No unused decoder, no DiT where nothing is denoised: neither in memory nor in the folder."""
    folder = trained(design).folder
    model, _, _ = weights.load(folder)
    parts = {"clip", "projector", "backbone", "queries", *DESIGN_PARTS[design]}
    assert {name for name, _ in model.named_children()} == parts
    written = json.loads((folder / "config.json").read_text())
    assert written.get("design", "clip_flow") == design
    assert parts - {"projector"} <= written.keys()
    assert not {"dit", "regressor", "decoder", "vae"} & (written.keys() - parts)


@pytest.mark.parametrize("design", DESIGN_PARTS)
def test_a_session_looks_draws_and_edits(trained, design):
    """A whole session runs, and replays to the same."""
    with sl.Session(runtime=trained(design).runtime, seed=3) as session:
        drawn = session.generate("a red star")
        edited = session.edit(drawn, "make the background black")
        said = session.understand(edited, "is there a star ?", choices=["yes", "no"])
        assert drawn.image.size == edited.image.size == (64, 64)
        assert said.text in ("yes", "no")
        assert session.replay().ok


OF_DENOISING = (check_drawing, check_seeds, check_threads)
"""Checks of what regression lacks: steps that are counted, seeds that draw different features."""


@pytest.mark.parametrize(
    ("design", "check"),
    [("vae_flow", check) for check in CHECKS]
    + [("clip_mse", check) for check in CHECKS if check not in OF_DENOISING],
)
def test_the_contract_holds_for_every_design(trained, design, check):
    """A runtime is one whatever its model's design."""
    check(trained(design).runtime)


def test_regression_is_one_pass_whatever_the_seed(trained):
    """The same plan gives the same features from every seed; steps and guidance are warned of."""
    runtime = trained("clip_mse").runtime
    request = FeatureRequest(say("a star"), (1, 2), plans=("a small red star in the center",) * 2)
    job = runtime.generate_features(request)
    assert [(e.done, e.total) for e in job if isinstance(e, Progress)] == [(1, 2), (2, 2)]
    plain = job.result()
    asked = runtime.generate_features(replace(request, steps=9, guidance=3.0)).result()
    assert np.array_equal(plain.features[0], plain.features[1])
    assert np.array_equal(plain.features[0], asked.features[0])
    assert plain.usage.diffusion_steps == asked.usage.diffusion_steps == 0
    assert plain.warnings == ()
    assert "one pass" in asked.warnings[0]


def test_a_vae_decodes_in_one_pass_whatever_the_seed(trained):
    """Latents fix their picture: seed and steps of decoding change nothing, nothing is denoised."""
    runtime = trained("vae_flow").runtime
    latents = runtime.embed_images(EmbedRequest((PICTURE,))).result().features * 2
    job = runtime.decode_features(DecodeRequest(latents, (1, 2), steps=7))
    assert [(e.done, e.total) for e in job if isinstance(e, Progress)] == [(1, 2), (2, 2)]
    result = job.result()
    assert np.array_equal(*result.images)
    assert result.usage.diffusion_steps == 0
    assert latents[0].shape == runtime.info.feature_shape == (64, 16)


@pytest.mark.parametrize(
    ("design", "change", "said"),
    [
        ("clip_flow", {"design": "clip_mse"}, "the design clip_mse has no part dit"),
        ("clip_mse", {"regressor": None}, "the design clip_mse needs the part regressor"),
        ("vae_flow", {"vae": None}, "the design vae_flow needs the part vae"),
        ("vae_flow", {"design": "clip_flow"}, "the design clip_flow needs the part decoder"),
        ("clip_mse", {"queries.count": 4}, "4 queries cannot answer for 9 feature tokens"),
        ("clip_mse", {"regressor.features": 8}, r"clip, regressor, .* have features of widths \[16, 8"),
        ("clip_mse", {"regressor.condition_width": 32}, "a width of 64, the regressor takes one of 32"),
        ("clip_mse", {"regressor.width": 0}, "regressor.width cannot be 0"),
        ("vae_flow", {"dit.grid": 3}, r"vae and dit have grids of \[8, 3\]"),
        (
            "vae_flow",
            {"vae.latent_channels": 8},
            r"vae, dit and its source have features of widths \[32, 16, 16\]",
        ),
        ("vae_flow", {"vae.channels": (8, 6, 8)}, r"vae channels \[8, 6, 8\] cannot be split over 8 groups"),
        ("vae_flow", {"vae.channels": (8, 0)}, r"vae.channels cannot be \(8, 0\)"),
        ("vae_flow", {"vae.patch": 3}, "64 pixels a side cannot be split into tokens of 12"),
        ("vae_flow", {"vae.image_size": 32}, "clip sees pictures of 64 pixels a side, the vae of 32"),
    ],
)
def test_a_configuration_of_no_design_is_named(design, change, said):
    """Parts that are missing, too many, or do not fit each other are told before anything is built."""
    config = tiny(100, design)
    for place, value in change.items():
        part, _, name = place.rpartition(".")
        new = replace(getattr(config, part), **{name: value}) if part else value
        config = replace(config, **{part or name: new})
    assert re.search(said, next(problems(config)))


@pytest.mark.parametrize("design", DESIGN_PARTS)
def test_a_configuration_is_read_as_it_was_written(design):
    """JSON and back, in every design."""
    config = tiny(100, design)
    assert not list(problems(config))
    assert UnifiedConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize("design", DESIGN_PARTS)
def test_a_folder_without_a_part_is_refused(trained, tmp_path, design):
    """It is one ModelError with a hint, as any damage is."""
    config = json.loads((trained(design).folder / "config.json").read_text())
    del config[DESIGN_PARTS[design][0]]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="needs the part") as caught:
        weights.load(tmp_path)
    assert caught.value.hint


def test_a_folder_from_before_the_designs_stays_as_it_is():
    """The shipped config.json names no design: it is read as the adopted one and would be written alike."""
    written = json.loads((hub.resolve("embedded") / "config.json").read_text())
    files = written.pop("files")
    config = UnifiedConfig.from_json(written)
    assert files
    assert config.design == "clip_flow"
    assert json.loads(json.dumps(config.to_json())) == written
