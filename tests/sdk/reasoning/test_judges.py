"""Second judges: foils by rules, and open_clip over files that a test writes."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import InputError, ModelError
from sightline.reasoning.judges import ClipJudge, foils

PIXELS = np.full((64, 64, 3), 200, np.uint8)
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A tiny CLIP of random weights, as a folder."""
    open_clip = pytest.importorskip("open_clip")
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(5)
    model = open_clip.CLIP(**CONFIG)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    return folder


def test_a_foil_is_the_claim_with_one_thing_wrong():
    """Colours are exchanged or others, numbers are neighbours, relations their opposites."""
    made = foils("two red stars left of a blue ring")
    assert "two blue stars left of a red ring" in made
    assert "three red stars left of a blue ring" in made
    assert "two red stars right of a blue ring" in made


def test_a_claim_without_any_of_those_is_compared_with_something_else():
    """There is always a foil."""
    assert foils("a dog") == ("something else", "nothing in particular")


@given(st.text(max_size=300))
def test_foils_of_any_text_are_few_and_differ_from_it(text):
    """No text raises, and no foil is the claim."""
    made = foils(text)
    assert 1 <= len(made) <= 16
    assert text not in made


def test_a_judge_reads_files_of_this_machine_and_gives_the_same_again(clip_folder):
    """A probability, the same for the same picture, another for another."""
    judge = ClipJudge("tiny", clip_folder)
    first = judge.probability(PIXELS, "a red star")
    other = judge.probability(PIXELS // 7, "a red star")
    assert 0 < first < 1
    assert first == judge.probability(PIXELS, "a red star") != other
    assert judge.name == "clip tiny"


def test_a_model_that_tells_nothing_apart_says_one_half(clip_folder, tmp_path):
    """However many foils there are: the claim counts as much as all of them."""
    from safetensors.numpy import load_file, save_file

    weights = load_file(clip_folder / "open_clip_model.safetensors")
    weights["logit_scale"] = np.array(-30, np.float32)
    save_file(weights, tmp_path / "open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text((clip_folder / "open_clip_config.json").read_text())
    for claim in ("a dog", "two red stars left of a blue ring"):
        assert ClipJudge("flat", tmp_path).probability(PIXELS, claim) == pytest.approx(0.5)


def test_a_denial_is_refused(clip_folder):
    """CLIP hears 'no stars' as 'stars'."""
    with pytest.raises(InputError, match="denials"):
        ClipJudge("tiny", clip_folder).probability(PIXELS, "no stars")


def test_an_empty_claim_is_refused(clip_folder):
    """Before any file is opened."""
    with pytest.raises(InputError, match="empty"):
        ClipJudge("tiny", clip_folder).probability(PIXELS, " . ")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("ViT-B-32", "absent.safetensors"),
        ("ViT-B-32", "weights.pt"),
        ("hf-hub:org/name", "weights.safetensors"),
        ("no-such-model", "weights.safetensors"),
        ("xlm-roberta-base-ViT-B-32", "weights.safetensors"),
    ],
)
def test_what_does_not_load_is_said_without_paths(tmp_path, model, name):
    """Missing, pickled, remote, unknown and damaged ones; nothing is downloaded."""
    pytest.importorskip("open_clip")
    if not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"no weights")
    with pytest.raises(ModelError) as caught:
        ClipJudge(model, tmp_path / name).probability(PIXELS, "a star")
    assert str(tmp_path) not in str(caught.value)


def test_damaged_weights_do_not_load(clip_folder, tmp_path):
    """A folder whose weights were cut off, and one with none."""
    (tmp_path / "open_clip_config.json").write_text((clip_folder / "open_clip_config.json").read_text())
    judge = ClipJudge("tiny", tmp_path)
    with pytest.raises(ModelError, match="no folder with one"):
        judge.probability(PIXELS, "a star")
    whole = (clip_folder / "open_clip_model.safetensors").read_bytes()
    (tmp_path / "open_clip_model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="do not load"):
        judge.probability(PIXELS, "a star")
