"""Reading safetensors into modules: what fits is read, what does not is named in full."""

import json
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from tests.tiny.release import shards
from torch import nn

from sightline_runtime.errors import ModelError
from sightline_runtime.models import checkpoint


def module():
    """Two linear layers and a buffer, on the meta device."""
    with torch.device("meta"):
        made = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2, bias=False))
        made.register_buffer("table", torch.zeros(2, dtype=torch.int64))
    return made


def tensors():
    """What fits it."""
    state = {name: torch.randn(tensor.shape) for name, tensor in module().state_dict().items()}
    return {"stored." + name: tensor for name, tensor in state.items()} | {
        "stored.table": torch.tensor([5, 6])
    }


def ours(name):
    """Our name of a stored one."""
    return name.removeprefix("stored.") if name.startswith("stored.") else None


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 4), st.sampled_from([None, torch.bfloat16]))
def test_what_was_stored_is_read(tmp_path_factory, count, dtype):
    """Any number of shards, converted or not; integers stay what they are."""
    folder, stored, made = tmp_path_factory.mktemp("c"), tensors(), module()
    shards(folder, stored | {"other.thing": torch.zeros(1)}, "model", count)
    checkpoint.fill(made, checkpoint.find(folder), ours, dtype=dtype)
    for name, tensor in made.state_dict().items():
        expected = stored["stored." + name]
        assert torch.equal(tensor, expected.to(dtype) if dtype and expected.is_floating_point() else expected)
    assert not any(p.requires_grad for p in made.parameters())


@pytest.mark.parametrize("name", ["model.safetensors", "model.bf16.safetensors", "model.fp16.safetensors"])
def test_one_file_needs_no_index(tmp_path, name):
    """The plain name, or one with a precision in it."""
    save_file(tensors(), tmp_path / name)
    assert len(checkpoint.find(tmp_path).shapes) == 4


def test_every_misfit_is_named(tmp_path):
    """Missing, not expected and of another shape, all of them in one error."""
    stored = tensors()
    stored["stored.1.bias"] = torch.zeros(2)
    del stored["stored.0.bias"]
    stored["stored.0.weight"] = torch.zeros(3, 5)
    save_file(stored, tmp_path / "model.safetensors")
    with pytest.raises(ModelError) as caught:
        checkpoint.fill(module(), checkpoint.find(tmp_path), ours)
    told = str(caught.value)
    assert "missing: 0.bias" in told
    assert "not expected: 1.bias" in told
    assert "of another shape: 0.weight [3, 5] instead of [3, 4]" in told


def test_misfits_are_named_as_the_files_name_them(tmp_path):
    """Where the stored name is known, a missing tensor is told by it."""
    stored = tensors()
    del stored["stored.0.bias"]
    save_file(stored, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"missing: stored\.0\.bias"):
        checkpoint.fill(module(), checkpoint.find(tmp_path), ours, stored=lambda name: "stored." + name)


def test_pickles_are_never_opened(tmp_path):
    """The error names them and what to do."""
    (tmp_path / "pytorch_model.bin").write_bytes(b"not even a pickle")
    with pytest.raises(ModelError, match=r"only in pytorch_model\.bin") as caught:
        checkpoint.find(tmp_path)
    assert "never read" in caught.value.hint


def test_an_empty_folder_says_what_was_looked_for(tmp_path):
    """Both names are in the error."""
    with pytest.raises(ModelError, match=r"model\.safetensors\.index\.json"):
        checkpoint.find(tmp_path)


def test_a_missing_shard_is_named(tmp_path):
    """Before anything is read."""
    shards(tmp_path, tensors(), "model", 3)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(ModelError, match=r"3 shards, of which model-00002-of-00003\.safetensors is not in"):
        checkpoint.find(tmp_path)


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_a_shard_cut_short_is_named(tmp_path, keep):
    """Whether the header is cut or the last byte."""
    shards(tmp_path, tensors(), "model", 2)
    path = tmp_path / "model-00001-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"model-00001-of-00002\.safetensors .* not a whole"):
        checkpoint.find(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": "../x"}}'])
def test_an_index_of_something_else_is_refused(tmp_path, text):
    """Neither broken JSON nor a shard outside the folder."""
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ModelError, match="index"):
        checkpoint.find(tmp_path)


def test_an_index_that_does_not_match_its_shards_is_refused(tmp_path):
    """The tensors that are not where it says are named."""
    shards(tmp_path, tensors(), "model", 2)
    path = tmp_path / "model.safetensors.index.json"
    told = json.loads(path.read_text())
    told["weight_map"]["stored.9.weight"] = "model-00001-of-00002.safetensors"
    path.write_text(json.dumps(told))
    with pytest.raises(ModelError, match=r"stored\.9\.weight"):
        checkpoint.find(tmp_path)


MEASURED = """
import resource, sys
import torch
from pathlib import Path
from torch import nn
from sightline_runtime.models import checkpoint
with torch.device("meta"):
    made = nn.Sequential(*(nn.Linear(2048, 2048, bias=False) for _ in range(12)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
checkpoint.fill(made, checkpoint.find(Path(sys.argv[1])), str)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_loading_holds_the_model_and_one_shard(tmp_path):
    """192 MiB in 6 shards: never more in memory than all of it and one shard beside it."""
    state = {f"{n}.weight": torch.randn(2048, 2048) for n in range(12)}
    shards(tmp_path, state, "model", 6)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 192 + 32 + 40


def test_files_are_told_apart_by_any_sampled_byte(tmp_path):
    """Size, beginning and end count; the folder does not."""
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(5000)}, path)
    first = checkpoint.sample_digest([path])
    moved = tmp_path / "elsewhere" / path.name
    moved.parent.mkdir()
    moved.write_bytes(path.read_bytes())
    assert checkpoint.sample_digest([moved]) == first
    moved.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert checkpoint.sample_digest([moved]) != first


def test_a_finetuning_of_one_small_tensor_is_another_model(tmp_path):
    """However large the file is, and wherever the tensor lies in it."""
    state = {"a": torch.zeros(10**6), "b": torch.zeros(50), "c": torch.zeros(10**6)}
    save_file(state, tmp_path / "model.safetensors")
    first = checkpoint.sample_digest([tmp_path / "model.safetensors"])
    save_file(state | {"b": torch.ones(50)}, tmp_path / "model.safetensors")
    assert checkpoint.sample_digest([tmp_path / "model.safetensors"]) != first


def test_every_byte_of_a_text_counts(tmp_path):
    """A tokenizer is not sampled but read whole."""
    path = tmp_path / "tokenizer.json"
    path.write_bytes(bytes(10**6))
    first = checkpoint.sample_digest([path])
    for place in (5000, 500_001, 999_000):
        path.write_bytes(bytes(place) + b"x" + bytes(10**6 - place - 1))
        assert checkpoint.sample_digest([path]) != first
