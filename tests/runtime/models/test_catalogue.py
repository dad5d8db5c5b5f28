"""The catalogue: sizes that follow from parameters, licences part by part, and what makes a folder whole."""

import json
import subprocess
import sys
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path

import pytest

from sightline_runtime.models import catalogue
from sightline_runtime.models.catalogue import CATALOGUE, PRECISIONS


def test_the_names_are_those_that_people_are_told():
    """A name is a promise: it is added, never changed."""
    assert list(CATALOGUE) == ["embedded", "blip3o-4b", "blip3o-8b", "blip3o-next-3b"]
    assert [model.name for model in CATALOGUE.values()] == list(CATALOGUE)


@pytest.mark.parametrize(("name", "gigabytes"), [("blip3o-4b", 24), ("blip3o-8b", 33), ("blip3o-next-3b", 6)])
def test_downloads_are_about_two_bytes_a_parameter(name, gigabytes):
    """The size that a person plans a disk by."""
    assert CATALOGUE[name].download_bytes / 1e9 == pytest.approx(gigabytes, abs=0.6)


def test_fewer_bits_need_less_memory_and_a_tower_that_is_not_loaded_none():
    """bf16 > int8 > int4; what is only used in training is fetched but not counted."""
    for model in CATALOGUE.values():
        needs = [model.gpu_bytes(precision) for precision in PRECISIONS]
        assert needs == sorted(needs, reverse=True)
        assert len(set(needs)) == (1 if model.on_cpu else 3)
    large = CATALOGUE["blip3o-8b"]
    assert large.gpu_bytes("bf16") < large.download_bytes
    assert CATALOGUE["embedded"].gpu_bytes("bf16") == 0


def test_every_part_says_its_licence():
    """A person sees for each part what it may be used for, or that nobody says."""
    parts = {(model.name, part.name): part.licence for model in CATALOGUE.values() for part in model.parts}
    assert all(parts.values())
    assert "not commercial" in parts["blip3o-4b", "Qwen2.5-VL-3B vision tower"]
    assert parts["blip3o-8b", "Qwen2.5-VL-7B vision tower"] == "Apache-2.0"
    assert parts["blip3o-8b", "DiT and latent queries"] == "unknown"


@pytest.mark.parametrize(
    "file", ["pytorch_model.bin", "x/model.pt", "ta_tok.pth", "modeling.py", "README.md"]
)
def test_pickles_code_and_prose_are_never_fetched(file):
    """No pattern lets through what could run."""
    assert not any(fnmatch(file, pattern) for pattern in catalogue.FETCHED)


def test_the_shipped_model_is_as_large_as_it_says():
    """The entry of the model in the package stays near its weights."""
    folder = Path(str(resources.files("sightline_runtime") / "embedded"))
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    told = 2 * sum(part.parameters for part in CATALOGUE["embedded"].parts)
    assert stored == pytest.approx(told, rel=0.2)
    assert catalogue.lacking(folder, CATALOGUE["embedded"].needs) == []


def test_a_variant_is_the_model_it_is_trained_from():
    """Hub ids of the models and of their variants lead to the same entry; others to none."""
    found = catalogue.by_hub_id("BLIP3o/BLIP3o-NEXT-GRPO-Geneval")
    assert found is CATALOGUE["blip3o-next-3b"]
    assert catalogue.by_hub_id("BLIP3o/BLIP3o-Model-8B") is CATALOGUE["blip3o-8b"]
    assert catalogue.by_hub_id("org/other") is None


def test_a_folder_lacks_what_its_needs_or_its_index_name(tmp_path):
    """Patterns without a file, shards that an index names, and an index that cannot be read."""
    needs = CATALOGUE["blip3o-8b"].needs
    assert catalogue.lacking(tmp_path, needs) == list(needs)
    for file in ("config.json", "model-1.safetensors"):
        (tmp_path / file).write_text("{}")
    for part in ("unet", "vae"):
        (tmp_path / "diffusion-decoder" / part).mkdir(parents=True)
        (tmp_path / "diffusion-decoder" / part / "weights.safetensors").touch()
    assert catalogue.lacking(tmp_path, needs) == []
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}))
    assert catalogue.lacking(tmp_path, needs) == ["model-2.safetensors"]
    index.write_text("[]")
    assert catalogue.lacking(tmp_path, needs) == ["a readable model.safetensors.index.json"]


def test_pickles_are_named_only_where_there_is_nothing_else():
    """Beside safetensors a pickle does no harm: it is not looked at."""
    assert catalogue.pickles_only(["a.pth", "config.json", "b.bin"]) == ["a.pth", "b.bin"]
    assert catalogue.pickles_only(["a.bin", "a.safetensors"]) == []
    assert catalogue.pickles_only(["config.json"]) == []


def test_the_catalogue_loads_neither_torch_nor_the_hub():
    """A table of models costs no heavy import."""
    program = (
        "import sys; from sightline_runtime.models import catalogue, hub\n"
        "assert not {'torch', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
