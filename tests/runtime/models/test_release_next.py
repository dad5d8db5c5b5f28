"""From a folder to a model: what must be there, what may be, and what is said when it is not."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.tiny import next_release

from sightline_runtime.errors import ModelError
from sightline_runtime.models import release_next


@pytest.fixture
def folder(tmp_path):
    """A tiny release on disk."""
    return next_release.write(tmp_path / "next")


def load(folder):
    """Load a folder on the CPU."""
    return release_next.load(release_next.find(folder), device="cpu", dtype=torch.float32)


def test_nothing_stays_without_memory(folder):
    """After loading, every parameter and buffer lies on the device and needs no gradient."""
    model = load(folder)
    tensors = [*model.parameters(), *model.buffers()]
    assert {tensor.device.type for tensor in tensors} == {"cpu"}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model.config.shift == 3.0
    assert not model.training


def test_a_missing_tensor_is_named(folder):
    """A tensor that a shard lost is said by name before any weight is used."""
    shard = folder / "model-00001-of-00002.safetensors"
    tensors = load_file(shard)
    lost = next(name for name in tensors if name.startswith("model.sana."))
    del tensors[lost]
    save_file(tensors, shard)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    del index["weight_map"][lost]
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=f"missing: {lost}"):
        load(folder)


def test_a_configuration_of_no_model_is_one_error(folder):
    """Sizes that no network can have are a ModelError, not a traceback of the library."""
    (folder / "transformer" / "config.json").write_text(
        json.dumps({**next_release.SANA, "num_layers": "two"})
    )
    with pytest.raises(ModelError, match="describes no model"):
        load(folder)


def test_the_digest_tells_weights_and_configurations_apart(folder):
    """Another weight or another shift gives another digest, the same files the same one."""
    first = release_next.find(folder).digest
    assert release_next.find(folder).digest == first
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"shift": 1.0}))
    second = release_next.find(folder).digest
    shard = folder / "model-00002-of-00002.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(shard).items()}, shard)
    assert len({first, second, release_next.find(folder).digest}) == 3


def test_layers_may_wait_elsewhere(folder):
    """Layers that come one by one compute what layers on the device compute."""
    found = release_next.find(folder)
    moved = release_next.load(found, device="cpu", dtype=torch.float32, moved=frozenset({"layers"}))
    with torch.no_grad():
        assert torch.equal(moved.read([1, 2, 3]), load(folder).read([1, 2, 3]))
    assert found.parameters["layers"] == sum(p.numel() for p in moved.qwen.model.layers.parameters())
