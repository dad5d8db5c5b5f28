"""Checkpoints in the released layout through the public door: `sl.load`, then a session unchanged."""

import json
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.tiny import release as tiny

import sightline as sl
from sightline.chat.acting import offered, told
from sightline.chat.hermes import Hermes
from sightline.chat.turns import Turn
from sightline_runtime.protocol import Message, TextRequest
from sightline_tools.toolbox import default_toolbox

TOLD = told(offered(default_toolbox(), ["show", "undo"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny checkpoint as BLIP3-o 8B is released."""
    at = tmp_path_factory.mktemp("hub") / "tiny-blip3o"
    tiny.write(at, tower=True)
    return at


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of it to damage."""
    return shutil.copytree(folder, tmp_path / "copy")


def work(runtime):
    """A whole session: draw, look, edit, branch, replay."""
    with sl.Session(runtime=runtime, seed=3) as s:
        drawn = s.generate("a red star", steps=2)
        said = s.understand(drawn.image, "what is it ?", max_tokens=3)
        asked = s.understand(drawn.image, "is it red ?", choices=("yes", "no"))
        edited = s.edit(drawn.image, "make the star blue", steps=2)
        assert s.replay().ok
        return drawn, said, asked, edited


def test_a_session_runs_on_it_unchanged(folder):
    """Look, draw and edit give typed results; replaying gives the same bytes."""
    runtime = sl.load(folder)
    drawn, said, asked, edited = work(runtime)
    assert drawn.image.size == edited.image.size == (16, 16)
    assert isinstance(said.text, str)
    assert sum(asked.probabilities.values()) == pytest.approx(1)
    assert "float32 on cpu" in runtime.info.placement
    runtime.close()


def test_a_list_of_files_is_a_model(folder, tmp_path):
    """Weights may lie elsewhere than the configuration."""
    away = tmp_path / "elsewhere"
    away.mkdir()
    files = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.parent == folder and path.suffix == ".safetensors":
            path = shutil.copy(path, away / path.name)
        files.append(path)
    named = sl.load(folder)
    listed = sl.load(files)
    assert listed.info.fingerprint == named.info.fingerprint
    assert sl.load(files) is listed
    assert sl.load(files[::-1]) is listed
    listed.close()
    named.close()


def test_a_model_written_anew_in_its_place_is_loaded_anew(copy):
    """The same folder with other weights is not the model that was loaded from it before."""
    before = sl.load(copy)
    assert sl.load(copy) is before
    with_field("config.json", rms_norm_eps=1e-3)(copy)
    after = sl.load(copy)
    assert after.info.fingerprint != before.info.fingerprint
    before.close()
    assert sl.load(copy) is after
    after.close()


@pytest.mark.parametrize(
    ("files", "told"),
    [(["nowhere/config.json"], "no such files"), ([__file__], "none of the 1 files is a config.json")],
)
def test_a_list_that_is_no_model_is_refused(files, told):
    """What is missing is named."""
    with pytest.raises(sl.InputError, match=told):
        sl.load(files)


def test_precision_is_a_choice(folder):
    """bfloat16 and 8 bits load from the same files, and say so; they are other models to the cache."""
    full = sl.load(folder)
    half = sl.load(folder, dtype="bfloat16")
    small = sl.load(folder, dtype="float32", quantize="int8")
    assert half.info.dtype == "bfloat16"
    assert "8 bits" in small.info.placement
    assert len({r.info.fingerprint for r in (full, half, small)}) == 3
    for runtime in (full, half, small):
        work(runtime)
        runtime.close()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"memory": "10"}, "memory is"),
        ({"quantize": "int3"}, "quantize is"),
        ({"dtype": "float99"}, "dtype is"),
        ({"device": "abacus"}, "no device"),
    ],
)
def test_options_that_cannot_be_are_refused(folder, options, told):
    """Before any weight is read."""
    with pytest.raises(sl.InputError, match=told):
        sl.load(folder, **options)


def test_the_embedded_model_needs_no_placing():
    """Options for large models are refused for the small one, not ignored."""
    with pytest.raises(sl.InputError, match="float32"):
        sl.load("embedded", quantize="int8")


def test_too_little_memory_says_the_least_that_would_do(folder):
    """Nothing is loaded."""
    with pytest.raises(sl.ModelError, match=r"does not fit 0\.1 GB on cpu: the least"):
        sl.load(folder, memory="100MB")


def without(name):
    """Take a file or a folder away."""

    def spoil(folder):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


def with_text(name, text):
    """Put something else into a file."""
    return lambda folder: (folder / name).write_text(text)


def cut(folder):
    """Lose the end of the last shard."""
    path = folder / "model-00003-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def pickled(folder):
    """Weights as a pickle alone."""
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"")


def with_field(name, **fields):
    """Put other values into a JSON file."""

    def spoil(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return spoil


def with_tensor(folder):
    """Put a tensor that the model does not know into a shard."""
    path = folder / "model-00001-of-00003.safetensors"
    save_file(load_file(path) | {"surprise.weight": torch.zeros(2)}, path)


def without_tensor(name):
    """Take a tensor out of its shard and of the index."""

    def spoil(folder):
        index = folder / "model.safetensors.index.json"
        told = json.loads(index.read_text())
        path = folder / told["weight_map"].pop(name)
        save_file({key: tensor for key, tensor in load_file(path).items() if key != name}, path)
        index.write_text(json.dumps(told))

    return spoil


UNET = "diffusion-decoder/unet/config.json"
SCHEDULE = "diffusion-decoder/scheduler/scheduler_config.json"
DAMAGE = {
    "missing shard": without("model-00002-of-00003.safetensors"),
    "truncated shard": cut,
    "wrong shapes": with_text("config.json", json.dumps(tiny.config() | {"intermediate_size": 64})),
    "unknown family": with_text("config.json", '{"model_type": "llama"}'),
    "pickles": pickled,
    "no tokenizer": without("tokenizer.json"),
    "no decoder": without("diffusion-decoder"),
    "no config": without("config.json"),
    "config of another kind": with_text("config.json", "[1, 2]"),
    "config without end": with_text("config.json", "[" * 100_000),
    "a number that is none": with_field("config.json", hidden_size="x"),
    "no heads": with_field("config.json", num_attention_heads=0),
    "endless queries": with_field("config.json", n_query=float("inf")),
    "another placeholder": with_field("config.json", image_token_id=0),
    "other patches": with_field("preprocessor_config.json", patch_size=16),
    "no patches": with_field("preprocessor_config.json", patch_size=0),
    "a UNet of no size": with_field(UNET, sample_size=None),
    "a schedule of no kind": with_field(SCHEDULE, prediction_type="guess"),
    "a tensor too many": with_tensor,
    "a tensor too few": without_tensor("model.norm.weight"),
    "a size that nothing tells": without_tensor("model.dit.model.patch_embedder.proj.weight"),
}


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("missing shard", r"model-00002-of-00003\.safetensors is not in"),
        ("truncated shard", r"model-00003-of-00003\.safetensors .* not a whole"),
        ("wrong shapes", r"gate_proj\.weight \[128, 64\] instead of \[64, 64\]"),
        ("unknown family", r"of no family .* 'llama'"),
        ("pickles", r"pytorch_model\.bin"),
        ("no tokenizer", r"tokenizer\.json"),
        ("no decoder", r"diffusion-decoder"),
        ("no config", r"no config\.json"),
        ("config of another kind", r"config\.json is not a JSON object"),
        ("config without end", r"config\.json is not a JSON object"),
        ("a number that is none", r"config\.json does not describe a BLIP3-o model.*hidden_size"),
        ("no heads", r"config\.json describes no model"),
        ("endless queries", r"config\.json does not describe"),
        ("another placeholder", r"<\|image_pad\|> is word \d+ of tokenizer\.json, config\.json says 0"),
        ("other patches", r"cuts patches of \(16, 2, 2\), the vision tower sees \(14, 2, 2\)"),
        ("no patches", r"preprocessor_config\.json does not say how pictures are cut"),
        ("a UNet of no size", r"does not describe a diffusion decoder"),
        ("a schedule of no kind", r"does not describe a diffusion decoder.*guess"),
        ("a tensor too many", r"not expected: surprise\.weight"),
        ("a tensor too few", r"missing: model\.norm\.weight"),
        ("a size that nothing tells", r"lacks tensors .*: model\.dit\.model\.patch_embedder\.proj\.weight"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(copy, what, told):
    """One ModelError with a hint, and nothing half loaded stays."""
    DAMAGE[what](copy)
    with pytest.raises(sl.ModelError, match=told) as caught:
        sl.load(copy)
    assert caught.value.hint


def test_pictures_of_any_shape_can_be_shown(folder):
    """Grey, transparent, wide and tiny ones."""
    runtime = sl.load(folder)
    pictures = [Image.new("L", (30, 40)), Image.new("RGBA", (9, 5)), Image.new("RGB", (300, 40))]
    with sl.Session(runtime=runtime, seed=1) as s:
        for picture in pictures:
            assert s.understand(picture, "what is it ?", max_tokens=1).text is not None
            assert s.edit(picture, "paint it red", steps=1).image.size == (16, 16)
    runtime.close()


def test_a_dialogue_calls_only_what_there_is(folder):
    """Whatever random weights would write, a call is of an offered tool, about a picture that is there."""
    runtime = sl.load(folder)
    with sl.Session(runtime=runtime, seed=3) as s:
        s.add(Image.new("RGB", (16, 16)))
        reply = s.chat("look", tools=["show", "undo"], max_calls=2, max_tokens=64)
        assert reply.text or reply.calls
    pattern = Hermes().pattern([Turn("user", ("hi",), names=("img1",))], TOLD, call=True)
    request = TextRequest((Message("user", ("look",)),), pattern=pattern, max_tokens=128)
    (call,) = Hermes().reply(runtime.generate_text(request).result().text, TOLD).calls
    assert call.arguments.get("image", "last") in ("img1", "last")
    runtime.close()
