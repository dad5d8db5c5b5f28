"""Our folders in the released layout: every name goes there and back, every bit stays, damage is named."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sightline_runtime.errors import InputError, ModelError, NotFoundError
from sightline_runtime.models import convert, weights
from sightline_runtime.models.presets import PRESETS
from sightline_runtime.models.unified import DESIGN_PARTS, UnifiedModel
from sightline_runtime.models.words import Words, build

PARTS = (
    "backbone.embed_tokens",
    "backbone.layers",
    "backbone.norm",
    "backbone.lm_head",
    "dit",
    "clip",
    "vae",
)
PARTS += ("decoder", "regressor", "projector", "queries.connector", "queries.latent_queries", "feature_mean")
WORD = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1)


@pytest.fixture(scope="module")
def released(tiny_folder, tmp_path_factory):
    """A model in the released layout."""
    target = tmp_path_factory.mktemp("released") / "model"
    assert convert.convert(tiny_folder, target) == "released"
    return target


@pytest.fixture
def copy(released, tmp_path):
    """The same, for a test to damage."""
    return Path(shutil.copytree(released, tmp_path / "copy"))


@given(st.sampled_from(PARTS), st.lists(WORD, min_size=1, max_size=4))
def test_every_name_comes_back(part, rest):
    """Whatever a part holds, its released name is read back as it was."""
    name = ".".join([part, *rest])
    assert convert.to_ours(convert.to_released(name)) == name


@given(st.lists(st.sampled_from([*PARTS, "model", "layers", "norm", "dit.model", "model.dit"]), max_size=3))
def test_no_two_names_become_one(parts):
    """A name that could be taken for another one is refused instead of renamed."""
    name = ".".join(parts)
    try:
        renamed = convert.to_released(name)
    except ModelError:
        return
    assert convert.to_ours(renamed) == name


@pytest.mark.parametrize(
    "name", ["visual.patch_embed.weight", "model", "model.layers", "lm_head", "other.weight"]
)
def test_foreign_names_are_none_of_ours(name):
    """What the released layout of our models does not hold has no name of ours, or comes back the same."""
    ours = convert.to_ours(name)
    assert ours is None or convert.to_released(ours) == name


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("backbone.embed_tokens.weight", "model.embed_tokens.weight"),
        ("backbone.layers.3.mlp.up_proj.weight", "model.layers.3.mlp.up_proj.weight"),
        ("backbone.norm.weight", "model.norm.weight"),
        ("backbone.lm_head.weight", "lm_head.weight"),
        ("queries.latent_queries", "model.latent_queries"),
        ("queries.connector.norm.weight", "model.queries.connector.norm.weight"),
        ("dit.layers.0.gate", "model.dit.model.layers.0.gate"),
        ("clip.blocks.0.attn.qkv.bias", "model.gen_vision_tower.vision_tower.model.blocks.0.attn.qkv.bias"),
        ("projector.place", "model.projector.place"),
        ("feature_std", "model.feature_std"),
        ("decoder.dit.layers.0.gate", "diffusion-decoder/dit.layers.0.gate"),
        ("vae.decoder.conv_in.weight", "diffusion-decoder/vae/decoder.conv_in.weight"),
    ],
)
def test_the_released_names(ours, theirs):
    """The names of the released checkpoints, and our own where they have none."""
    assert convert.to_released(ours) == theirs
    assert convert.to_ours(theirs) == ours


@pytest.mark.parametrize("design", DESIGN_PARTS)
def test_every_design_goes_there_and_back(design, tmp_path):
    """Each weight of each design has a released name of its own, and the model comes back bit by bit."""
    words = Words(build(["red", "star"]))
    model = UnifiedModel(PRESETS["tiny"](words.size, design))
    weights.save(tmp_path / "ours", model.config, model.state_dict(), words)
    convert.convert(tmp_path / "ours", tmp_path / "there")
    convert.convert(tmp_path / "there", tmp_path / "back")
    assert weights.read(tmp_path / "back")[3] == weights.read(tmp_path / "ours")[3]
    painter = tmp_path / "there" / "diffusion-decoder" / ("vae" if design == "vae_flow" else "")
    assert (painter / "diffusion_pytorch_model.safetensors").exists()


def test_there_and_back_is_the_same_model(tiny_folder, released, tmp_path):
    """Every bit and the fingerprint are kept; read in the released layout, too, it is the same model."""
    assert convert.convert(released, tmp_path / "back") == "embedded"
    config, state, words, digest = weights.read(tiny_folder)
    for again in (weights.read(tmp_path / "back"), convert.read(released)):
        assert again[0] == config
        assert again[1].keys() == state.keys()
        assert all(torch.equal(again[1][name], tensor) for name, tensor in state.items())
        assert again[2].vocabulary() == words.vocabulary()
        assert again[3] == digest
    assert weights.load(tmp_path / "back")[2] == weights.load(tiny_folder)[2]


def test_the_shipped_model_comes_back_with_its_fingerprint(tmp_path):
    """The weights that people use are the same after the journey."""
    from sightline_runtime.models import hub

    shipped = hub.resolve("embedded")
    convert.convert(shipped, tmp_path / "there")
    assert convert.read(tmp_path / "there")[3] == weights.read(shipped)[3]


def test_the_released_layout(released):
    """Shards, an index that names them, the painter in its folder, and a config in released words."""
    index = json.loads((released / "model.safetensors.index.json").read_text())
    config = json.loads((released / "config.json").read_text())
    assert convert.is_converted(config)
    assert config["n_query"] == 9
    assert config["hidden_size"] == 64
    assert config["model_type"] == "sightline_unified"
    assert set(index["weight_map"].values()) == {"model-00001-of-00001.safetensors"}
    with safe_open(released / "model-00001-of-00001.safetensors", framework="pt") as file:
        assert set(file.keys()) == set(index["weight_map"])
    painter = load_file(released / "diffusion-decoder" / "diffusion_pytorch_model.safetensors")
    assert "dit.norm_out.linear_2.weight" in painter
    assert (released / "tokenizer.json").exists()


def test_large_models_are_cut_into_shards(tiny_folder, tmp_path, monkeypatch):
    """No shard is over the limit, the index tells where each weight lies, and it is read back the same."""
    monkeypatch.setattr(convert, "SHARD_LIMIT", 200_000)
    convert.convert(tiny_folder, tmp_path / "cut")
    shards = sorted(path.name for path in (tmp_path / "cut").glob("*.safetensors"))
    assert shards[0] == f"model-00001-of-{len(shards):05d}.safetensors"
    assert len(shards) > 2
    weight_map = json.loads((tmp_path / "cut" / "model.safetensors.index.json").read_text())["weight_map"]
    for shard in shards:
        held = load_file(tmp_path / "cut" / shard)
        assert sum(tensor.nbytes for tensor in held.values()) <= 200_000 or len(held) == 1
        assert {name for name, place in weight_map.items() if place == shard} == held.keys()
    assert convert.read(tmp_path / "cut")[3] == weights.read(tiny_folder)[3]


def test_the_destination_is_not_overwritten_unless_told(tiny_folder, released, tmp_path):
    """A folder that holds something is refused; with force the model in it is replaced and the rest stays."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"target is not empty") as caught:
        convert.convert(tiny_folder, target)
    assert "--force" in caught.value.hint
    convert.convert(tiny_folder, target, force=True)
    assert convert.convert(released, target, force=True) == "embedded"
    assert weights.read(target)[3] == weights.read(tiny_folder)[3]
    assert not (target / "model.safetensors.index.json").exists()
    assert not list((target / "diffusion-decoder").iterdir())
    assert (target / "notes.txt").read_text() == "mine"


def test_a_model_is_not_written_over_itself(copy):
    """Neither into its own folder nor inside of it, even by force."""
    for target in (copy, copy / "inside"):
        with pytest.raises(InputError, match="lies in the source"):
            convert.convert(copy, target, force=True)


def test_a_model_of_that_layout_already(tiny_folder, released, tmp_path):
    """There is nothing to convert, and nothing is written."""
    with pytest.raises(InputError, match="is in the embedded layout already"):
        convert.convert(tiny_folder, tmp_path / "x", to="embedded")
    with pytest.raises(InputError, match="is in the released layout already"):
        convert.convert(released, tmp_path / "x", to="released")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("files", "error", "said"),
    [
        ({}, ModelError, r"has no config\.json"),
        ({"config.json": "{"}, ModelError, "cannot be read"),
        ({"config.json": "[]"}, ModelError, "it is not an object"),
        ({"config.json": '{"model_type": "llama"}'}, ModelError, "no model of this project .*'llama'"),
        ({"config.json": '{"model_type": "blip3o_qwen"}'}, InputError, "is a released checkpoint already"),
        ({"config.json": "{}", "model.bin": ""}, ModelError, r"its weights only in model\.bin"),
        ({"deep/model.pth": ""}, ModelError, r"its weights only in deep/model\.pth"),
    ],
)
def test_other_folders_are_refused(tmp_path, files, error, said):
    """Each folder that is no model of ours is told apart, with a way out."""
    source = tmp_path / "source"
    source.mkdir()
    for name, text in files.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text)
    with pytest.raises(error, match=said) as caught:
        convert.convert(source, tmp_path / "target")
    assert caught.value.hint
    assert not (tmp_path / "target").exists()


def test_a_folder_that_is_not_there(tmp_path):
    """The path is named."""
    with pytest.raises(NotFoundError, match=r"there is no folder .*nowhere"):
        convert.convert(tmp_path / "nowhere", tmp_path / "target")


def renamed(folder):
    """A weight under a name that no model of ours has, with a config that knows its file."""
    path = folder / "model-00001-of-00001.safetensors"
    tensors = load_file(path)
    tensors["visual.merger.weight"] = tensors.pop("model.norm.weight")
    save_file(tensors, path)
    config = json.loads((folder / "config.json").read_text())
    config["sightline"]["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config))


def resized(folder):
    """A config that says another size than the weights have."""
    config = json.loads((folder / "config.json").read_text())
    config["sightline"]["config"]["backbone"]["ffn_width"] += 1
    (folder / "config.json").write_text(json.dumps(config))


def emptied(folder):
    """A config without the part that is ours."""
    (folder / "config.json").write_text('{"sightline": {}}')


def flipped(folder):
    """One bit of the painter."""
    path = folder / "diffusion-decoder" / "diffusion_pytorch_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def lost(folder):
    """A shard that is not there."""
    (folder / "model-00001-of-00001.safetensors").unlink()


def wordless(folder):
    """No tokenizer."""
    (folder / "tokenizer.json").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (renamed, r"unknown names: visual\.merger\.weight"),
        (resized, r"of another shape: backbone\.layers\.0"),
        (emptied, "does not describe a model"),
        (flipped, "diffusion-decoder/diffusion_pytorch_model.safetensors cannot be used: .*digest differs"),
        (lost, "model-00001-of-00001.safetensors cannot be used: .*No such file"),
        (wordless, "no tokenizer can be read"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_a_damaged_folder_is_refused(copy, tmp_path, damage, said):
    """What is wrong is named in full, reading and converting alike, and nothing is written."""
    damage(copy)
    with pytest.raises(ModelError, match=said) as caught:
        convert.read(copy)
    assert caught.value.hint
    assert "/sightline-" not in caught.value.message
    with pytest.raises(ModelError, match=said):
        convert.convert(copy, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_folder_that_cannot_be_written(tiny_folder, tmp_path):
    """A destination under a file is a ModelError that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="file/target cannot be written"):
        convert.convert(tiny_folder, tmp_path / "file" / "target")
