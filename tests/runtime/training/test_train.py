"""Training: deterministic data, resumable at any step, honest losses."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from sightline_runtime.errors import InputError, ModelError
from sightline_runtime.models import weights
from sightline_runtime.models import words as w
from sightline_runtime.models.hub import resolve
from sightline_runtime.models.words import Words, build
from sightline_runtime.training import data
from sightline_runtime.training.optimizer import MuonAdam, orthogonalise, schedule
from sightline_runtime.training.recipes import RECIPES
from sightline_runtime.training.train import Trainer
from sightline_runtime.world.language import vocabulary
from sightline_runtime.world.scenes import Scene, Thing

WORDS = Words(build(vocabulary()))


def state(trainer):
    """All weights of a trainer's model."""
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(tmp_path):
    """Stopping after a few steps and resuming from disk gives the same weights."""
    whole = Trainer(tmp_path / "whole", "tiny")
    for _ in whole.run():
        pass
    for stop in (2, 3, 100):
        part = Trainer(tmp_path / "part", "tiny")
        for number, _ in enumerate(part.run(), 1):
            if number == stop:
                part.save()
                break
    assert part.complete
    assert torch.allclose(state(part), state(whole), atol=1e-6)


def test_a_warm_start_takes_weights_by_name_and_words_by_word(tmp_path):
    """A run that starts from a model folder has its weights; new words keep their fresh embeddings."""
    first = Trainer(tmp_path / "first", "tiny")
    first.export(tmp_path / "model")
    config, saved, old, _ = weights.read(tmp_path / "model")
    fewer = Words(build([word for word in vocabulary() if word != "star"]))
    name = "backbone.embed_tokens.weight"
    rows = [index for index, word in enumerate(old.vocabulary()) if word != "star"]
    smaller = replace(config, backbone=replace(config.backbone, vocabulary=fewer.size))
    weights.save(tmp_path / "fewer", smaller, saved | {name: saved[name][rows]}, fewer)
    warm = Trainer(tmp_path / "warm", "tiny", start=tmp_path / "fewer")
    found = warm.model.state_dict()
    for word in ("red", "heart"):
        assert torch.equal(found[name][warm.words.index(word)], saved[name][old.index(word)].float())
    assert torch.equal(found["dit.norm_out.linear_2.weight"], saved["dit.norm_out.linear_2.weight"].float())
    assert found[name].isfinite().all()


def test_a_model_of_another_form_is_no_start(tmp_path):
    """A warm start from other sizes is a ModelError, not a half-filled model."""
    with pytest.raises(ModelError, match="another form"):
        Trainer(tmp_path / "run", "tiny", start=resolve("embedded"))


def test_another_design_takes_what_understands(tmp_path):
    """A warm start across designs keeps tower, backbone and decoder, and draws from fresh weights."""
    Trainer(tmp_path / "first", "tiny").export(tmp_path / "model")
    saved = weights.read(tmp_path / "model")[1]
    torch.manual_seed(5)
    warm = Trainer(tmp_path / "warm", "tiny", design="clip_mse", start=tmp_path / "model")
    found = warm.model.state_dict()
    for name, tensor in saved.items():
        part = name.split(".")[0]
        if part in ("clip", "projector", "backbone", "decoder"):
            assert torch.equal(found[name], tensor.float())
    assert not torch.equal(found["queries.latent_queries"], saved["queries.latent_queries"].float())


@pytest.mark.parametrize(
    ("design", "stages"),
    [
        ("clip_flow", ["clip", "understanding", "drawing", "decoder"]),
        ("clip_mse", ["clip", "understanding", "drawing", "decoder"]),
        ("vae_flow", ["clip", "understanding", "vae", "drawing"]),
    ],
)
def test_a_recipe_has_the_stages_of_a_design(tmp_path, design, stages):
    """What a model lacks is not trained; a run that has begun goes on with its design."""
    trainer = Trainer(tmp_path, "tiny", design=design)
    assert [stage.name for stage in trainer.recipe.stages] == stages
    trainer.save()
    assert Trainer(tmp_path, "auto").design == design


@pytest.mark.parametrize("design", ["clip_mse", "vae_flow"])
def test_an_interrupted_training_of_any_design_goes_on(tmp_path, design):
    """Stopping inside the stage that draws and resuming from disk gives the same weights."""
    stages = ("clip", "vae", "drawing") if design == "vae_flow" else ("clip", "drawing")
    whole = Trainer(tmp_path / "whole", "tiny", design=design, stages=stages)
    for _ in whole.run():
        pass
    for stop in (5, 2, 100):
        part = Trainer(tmp_path / "part", "tiny", design=design, stages=stages)
        for number, _ in enumerate(part.run(), 1):
            if number == stop:
                part.save()
                break
    assert part.complete
    assert torch.allclose(state(part), state(whole), atol=1e-6)


@pytest.fixture
def begun(tmp_path):
    """The folder of a run that has begun with two stages of a preset."""
    Trainer(tmp_path / "run", "tiny", stages=("clip", "drawing")).save()
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("preset", "stages", "said"),
    [
        ("huge", (), "there is no preset 'huge'"),
        ("cpu", (), "has begun with preset 'tiny', not 'cpu'"),
        ("tiny", ("sleeping",), "there is no stage sleeping"),
        ("tiny", ("clip",), "has begun with stages clip, drawing, not clip"),
    ],
)
def test_a_run_goes_on_only_as_it_has_begun(begun, preset, stages, said):
    """An unknown name, or one that is not the run's, is an InputError before anything is read."""
    with pytest.raises(InputError, match=said) as caught:
        Trainer(begun, preset, stages=stages)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("design", "said"),
    [("vae_flow", "has begun with design 'clip_flow', not 'vae_flow'"), ("gan", "there is no design 'gan'")],
)
def test_a_run_keeps_its_design(begun, design, said):
    """A run goes on with the design that it has begun with."""
    with pytest.raises(InputError, match=said) as caught:
        Trainer(begun, "tiny", design=design, stages=("clip", "drawing"))
    assert caught.value.hint


def test_a_run_from_before_the_designs_goes_on(begun):
    """A run folder that names no design is of the adopted one."""
    tensors = load_file(begun / "train.safetensors")
    progress = json.loads(weights.metadata(begun / "train.safetensors")["progress"])
    del progress["design"]
    save_file(tensors, begun / "train.safetensors", {"progress": json.dumps(progress)})
    assert Trainer(begun, "auto", stages=("clip", "drawing")).design == "clip_flow"


def test_a_run_without_its_weights_is_refused(begun):
    """A run whose file is damaged or gone says so; it does not start over."""
    file = begun / "train.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="missing or damaged: "):
        Trainer(begun, "tiny", stages=("clip", "drawing"))
    file.unlink()
    with pytest.raises(ModelError, match="missing or damaged: No such file"):
        Trainer(begun, "tiny", stages=("clip", "drawing"))


def test_the_preset_follows_the_device_and_the_run(begun, tmp_path):
    """Without a named preset an accelerator gets the large model, a CPU the small one, a run its own."""
    assert Trainer(begun, "auto", stages=("clip", "drawing")).preset == "tiny"
    assert Trainer(tmp_path / "small", "auto").preset == "cpu"
    assert Trainer(tmp_path / "large", "auto", device="meta").preset == "gpu"


def test_stages_can_be_run_alone():
    """A recipe gives the named stages in its own order, or all of them."""
    names = [stage.name for stage in RECIPES["cpu"].only(["decoder", "clip"]).stages]
    assert names == ["clip", "decoder"]
    assert RECIPES["cpu"].only([]) == RECIPES["cpu"]


def test_words_that_name_a_thing_carry_its_cell():
    """A shape word is labelled with the cell of the one thing that it and the colour before it fit."""
    scene = Scene("white", (Thing("star", "red", "small", 2), Thing("star", "blue", "small", 7)))
    world = data.sampler(1, "named", 0)
    segments = [s for _ in range(40) for s in data.picture_segments(world, WORDS, scene, 4)]
    cells = {WORDS.decode(s.ids[max(at - 1, 0) : at + 1]): cell for s in segments for at, cell in s.named}
    assert cells["red star"] == 2
    assert cells["blue star"] == 7
    assert "the star" not in cells


def test_the_same_step_draws_the_same_batch():
    """Data follow from (seed, stage, step); another step or stage draws others."""
    scenes = [
        data.sampler(1, stage, step).scene() for stage, step in (("a", 5), ("a", 5), ("a", 6), ("b", 5))
    ]
    assert scenes[0] == scenes[1]
    assert scenes[0] not in scenes[2:]


def test_training_learns(tmp_path):
    """A few dozen steps of the understanding stage bring the loss down."""
    tiny = RECIPES["tiny"]
    recipe = replace(tiny, stages=(replace(tiny.stages[1], steps=40),))
    losses = [report.losses["answers"] for report in Trainer(tmp_path, "tiny", recipe=recipe).run()]
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_packed_segments_see_the_prefix_and_themselves_only(seed):
    """No segment sees another; every segment starts at the position after the prefix."""
    world = data.sampler(seed, "pack", 0)
    rows = data.pack([w.USER], 9, [data.picture_segments(world, WORDS, world.scene(), 3) for _ in range(3)])
    seen = data.visible(rows)[:, 0]
    own, other = rows.segment[:, :, None], rows.segment[:, None, :]
    crossing = (own > 0) & (other > 0) & (own != other)
    assert not (seen & crossing).any()
    assert not seen.triu(1).any()
    starts = (rows.segment[:, 1:] > 0) & (rows.segment[:, 1:] != rows.segment[:, :-1])
    assert (rows.position[:, 1:][starts] == 10).all()
    assert (rows.ids[rows.learn] != w.PAD).all()


def test_orthogonalised_matrices_have_singular_values_near_one():
    """Muon's update is nearly orthogonal, wide or tall."""
    for shape in ((20, 50), (50, 20), (30, 30)):
        values = torch.linalg.svdvals(
            orthogonalise(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
        )
        assert values.max() < 1.3
        assert values.median() > 0.6


def test_the_optimizer_finds_a_minimum():
    """Both rules bring a least-squares problem down."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(12, 10)
    target = torch.randn(12, 10)
    inputs = torch.randn(64, 12)
    optimizer = MuonAdam(layer.named_parameters(), muon=0.05, adam=0.02)
    losses = []
    for step in range(100):
        loss = (layer(inputs) - inputs @ target).square().mean()
        losses.append(loss.item())
        loss.backward()
        optimizer.step(schedule(step, 100))
    assert losses[-1] < 0.05 * losses[0]


def test_the_schedule_warms_up_holds_and_falls():
    """From nearly nothing to one, and back to nearly nothing."""
    rates = [schedule(step, 1000) for step in range(1000)]
    assert rates[0] < 0.1
    assert rates[400] == 1.0
    assert rates[-1] < 0.03
    assert all(a >= b for a, b in pairwise(rates[40:]))
