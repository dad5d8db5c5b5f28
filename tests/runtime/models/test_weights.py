"""Model folders: what is written is read, and what is damaged is refused."""

import json
import shutil

import pytest
import torch

from sightline_runtime.errors import ModelError
from sightline_runtime.models import weights


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


@pytest.mark.parametrize(
    "damage",
    [no_config, bad_config, foreign_config, missing_shard, truncated, flipped, other_size, no_tokenizer],
    ids=lambda damage: damage.__name__,
)
def test_a_damaged_folder_is_refused(folder, damage):
    """Each kind of damage is one ModelError with a hint."""
    damage(folder)
    with pytest.raises(ModelError) as caught:
        weights.load(folder)
    assert caught.value.code == "bad_model"
    assert caught.value.hint


def test_misfits_are_named_in_full(folder):
    """Keys that differ from the configuration are listed."""
    other_size(folder)
    with pytest.raises(ModelError, match=r"backbone\.layers\.0\.mlp\.gate_proj\.weight"):
        weights.load(folder)


def test_files_stay_small(folder):
    """No weights file is larger than 16 MiB."""
    assert max(path.stat().st_size for path in folder.glob("*.safetensors")) <= 16 * 2**20
