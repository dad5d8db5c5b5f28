"""Model folders: what is written is read, and what is damaged is refused."""

import json
import shutil

import pytest
import torch

from sightline_runtime.errors import ModelError
from sightline_runtime.models import weights
from sightline_runtime.models.words import SPECIAL, Words, build


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy of a model folder that a test may damage."""
    return shutil.copytree(tiny_folder, tmp_path / "model")


def shard(folder):
    """The first weights file."""
    return sorted(folder.glob("*.safetensors"))[0]


def test_a_folder_loads_to_the_same_weights(folder, tmp_path):
    """Saving what was loaded gives the same fingerprint."""
    model, words, fingerprint = weights.load(folder)
    weights.save(tmp_path / "again", model.config, model.state_dict(), words)
    assert weights.load(tmp_path / "again")[2] == fingerprint
    assert all(p.dtype == torch.float32 for p in model.parameters())


def no_config(folder):
    (folder / "config.json").unlink()


def bad_config(folder):
    (folder / "config.json").write_text("{")


def foreign_config(folder):
    (folder / "config.json").write_text('{"model_type": "llama"}')


def missing_shard(folder):
    shard(folder).unlink()


def truncated(folder):
    data = shard(folder).read_bytes()
    shard(folder).write_bytes(data[: len(data) // 2])


def flipped(folder):
    data = bytearray(shard(folder).read_bytes())
    data[-1] ^= 1
    shard(folder).write_bytes(bytes(data))


def other_size(folder):
    config = json.loads((folder / "config.json").read_text())
    config["backbone"]["ffn_width"] += 1
    (folder / "config.json").write_text(json.dumps(config))


def no_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def config_is_a_folder(folder):
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_config, "has no config.json"),
        (bad_config, "does not describe a model: Expecting"),
        (foreign_config, "does not describe a model: 'files'"),
        (config_is_a_folder, "cannot be read: Is a directory"),
        (missing_shard, "cannot be read: No such file"),
        (truncated, "its digest differs"),
        (flipped, "its digest differs"),
        (other_size, "the weights do not fit the configuration"),
        (no_tokenizer, "no tokenizer can be read"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_a_damaged_folder_is_refused(folder, damage, said):
    """Each kind of damage is one ModelError that says what is wrong, with a hint."""
    damage(folder)
    with pytest.raises(ModelError, match=said) as caught:
        weights.load(folder)
    assert caught.value.code == "bad_model"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("files", ["a"], "does not describe a model"),
        ("clip.heads", 0, "clip.heads cannot be 0"),
        ("clip.heads", 7, "clip width: 64 cannot be split over 7 heads"),
        ("backbone.heads", 64, "backbone width: 64 cannot be split over 64 heads"),
        ("backbone.kv_heads", 3, "backbone heads: 2 cannot be split over 3 heads"),
        ("queries.connector_heads", 5, "connector width: 64 cannot be split over 5 heads"),
        ("dit.heads", 32, "dit width: 64 cannot be split over 32 heads, 4 or a multiple"),
        ("decoder.heads", -1, "decoder.heads cannot be -1"),
        ("dit.grid", 4, r"grids of \[3, 4, 3\]"),
        ("decoder.stride", 0, "decoder.stride cannot be 0"),
        ("dit.source_channels", 8, r"features of widths \[16, 16, 8, 16\]"),
        ("queries.connector_layers", 0.5, "does not describe a model"),
        ("dit.condition_width", 32, "the queries give a width of 64, the dit takes one of 32"),
        ("dit.predicts", "noise", "does not describe a model"),
        ("clip.mean", [0.5, 0.5], "does not describe a model"),
        ("clip.activation", "sigmoid", "config.json describes no model: KeyError"),
        ("backbone.tied", "no", "does not describe a model"),
        ("design", "pixels", "does not describe a model"),
        ("vae", "sdxl", "does not describe a model"),
        ("default_guidance", float("nan"), "model.default_guidance cannot be nan"),
    ],
)
def test_a_configuration_of_no_model_is_refused(folder, place, value, said):
    """Sizes that are none, or of parts that do not fit each other, are found before anything is loaded."""
    config = json.loads((folder / "config.json").read_text())
    part, _, name = place.rpartition(".")
    (config[part] if part else config)[name] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=said) as caught:
        weights.load(folder)
    assert caught.value.hint


def test_a_tokenizer_of_another_model_is_refused(folder):
    """A vocabulary of another size than the model's is a ModelError, not a failure at the first prompt."""
    words = Words.load(folder / "tokenizer.json")
    build([*words.vocabulary()[len(SPECIAL) :], "zebra"]).save(str(folder / "tokenizer.json"))
    with pytest.raises(ModelError, match=f"has {words.size + 1} words, the model {words.size}"):
        weights.load(folder)


def test_the_fingerprint_tells_tokenizers_and_devices_apart(folder, monkeypatch):
    """Two words that change places, another torch or another kind of device give another fingerprint."""
    _, words, before = weights.load(folder)
    vocabulary = words.vocabulary()[len(SPECIAL) :]
    red, blue = vocabulary.index("red"), vocabulary.index("blue")
    vocabulary[red], vocabulary[blue] = "blue", "red"
    elsewhere = weights.load(folder, "meta")[2]
    with monkeypatch.context() as later:
        later.setattr(torch, "__version__", "2.99.0")
        upgraded = weights.load(folder)[2]
    build(vocabulary).save(str(folder / "tokenizer.json"))
    assert len({before, elsewhere, upgraded, weights.load(folder)[2]}) == 4


def test_misfits_are_named_in_full(folder):
    """Keys that differ from the configuration are listed."""
    other_size(folder)
    with pytest.raises(ModelError, match=r"backbone\.layers\.0\.mlp\.gate_proj\.weight"):
        weights.load(folder)


def test_files_stay_small(folder):
    """No weights file is larger than 16 MiB."""
    assert max(path.stat().st_size for path in folder.glob("*.safetensors")) <= 16 * 2**20
