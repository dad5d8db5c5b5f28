"""A tiny checkpoint in the released layout, through the engine."""

import json

import numpy as np
import pytest
import torch
from tests.contracts import runtime_suite
from tests.tiny import release

from sightline_runtime.engine import blip3o, fingerprint
from sightline_runtime.engine.local import LocalRuntime
from sightline_runtime.engine.placement import Wish
from sightline_runtime.errors import CancelledError, InputError
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    FeatureRequest,
    ImageSlot,
    Message,
    TextDelta,
    TextRequest,
)

PICTURE = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
ASK = (Message("user", (ImageSlot(0), "what is it ?")),)
SAY = (Message("user", ("a red star",)),)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The checkpoint's folder."""
    at = tmp_path_factory.mktemp("release") / "tiny-8b"
    release.write(at, tower=True)
    return at


@pytest.fixture(scope="module")
def runtimes(folder):
    """The engine on it, by what it computes in."""
    kinds = ("float32", "bfloat16")
    opened = {kind: LocalRuntime(blip3o.Served(folder, Wish(dtype=kind))) for kind in kinds}
    yield opened
    for runtime in opened.values():
        runtime.close()


@pytest.fixture(scope="module")
def runtime(runtimes):
    """The engine on it."""
    return runtimes["float32"]


def features(runtime, seeds=(1,), **options):
    """Features of the prompt."""
    return runtime.generate_features(FeatureRequest(SAY, seeds, steps=3, **options)).result().features


@pytest.mark.parametrize("check", runtime_suite.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_it_does_what_every_runtime_must(runtimes, dtype, check):
    """The shared contract holds, whatever the model computes in."""
    check(runtimes[dtype])


def test_it_says_what_it_is(runtime):
    """Sizes come from the checkpoint."""
    info = runtime.info
    assert (info.family, info.model, info.feature_shape) == ("blip3o", "tiny-8b", (64, release.FEATURES))
    assert info.image_size == (16, 16)
    assert "embed" in info.capabilities


def test_whatever_changes_results_changes_the_fingerprint(tmp_path, monkeypatch):
    """How pictures are cut, and the libraries that compute; where the folder lies does not."""
    folder = tmp_path / "first"
    release.write(folder)
    first = blip3o.Served(folder).info.fingerprint
    moved = folder.rename(tmp_path / "moved")
    assert blip3o.Served(moved).info.fingerprint == first
    with monkeypatch.context() as patched:
        patched.setattr(fingerprint, "version", lambda name: "0" if name == "transformers" else "1")
        assert blip3o.Served(moved).info.fingerprint != first
    (moved / "preprocessor_config.json").write_text(json.dumps({"min_pixels": 784, "max_pixels": 7840}))
    assert blip3o.Served(moved).info.fingerprint != first


def test_an_answer_streams_and_repeats(runtime):
    """Greedy text about a picture is the same each time, and its deltas add up."""
    job = runtime.generate_text(TextRequest(ASK, (PICTURE,), max_tokens=5))
    streamed = "".join(event.text for event in job if isinstance(event, TextDelta))
    result = job.result()
    assert streamed == result.text
    assert result.usage.image_tokens > 0
    assert runtime.generate_text(TextRequest(ASK, (PICTURE,), max_tokens=5)).result().text == result.text


def test_choices_share_one(runtime):
    """Probabilities of choices add up to one."""
    request = TextRequest(ASK, (PICTURE,), choices=("yes", "no", "a blue circle"))
    assert sum(runtime.generate_text(request).result().probabilities.values()) == pytest.approx(1)


def test_a_seed_gives_the_same_features_alone_and_among_others(runtime):
    """Noise belongs to the seed: neighbours and what ran before change nothing."""
    alone = features(runtime)[0]
    among = features(runtime, (5, 1, 7))
    assert np.array_equal(alone, among[1])
    assert not np.array_equal(alone, among[0])


def test_a_picture_reproduces_whatever_ran_before(folder, runtime):
    """The features that the decoder is guided away from come from a fixed key."""
    told = features(runtime)
    first = runtime.decode_features(DecodeRequest(told, (3,), steps=2)).result().images[0]
    fresh = LocalRuntime(blip3o.Served(folder))
    features(fresh, (9,))
    second = fresh.decode_features(DecodeRequest(told, (3,), steps=2)).result().images[0]
    fresh.close()
    assert first.shape == (16, 16, 3)
    assert np.array_equal(first, second)


class Cancelled:
    """A job that is cancelled after so many looks at it."""

    def __init__(self, looks):
        self.left = looks

    def check(self):
        """Count one look down."""
        self.left -= 1
        if self.left < 0:
            raise CancelledError("it was cancelled")

    def emit(self, event):
        """Nobody listens."""


def test_painting_stops_while_the_negative_features_are_made(folder, runtime):
    """They are a whole sampling run; a cancelled one is not kept, the next call makes them anew."""
    told = features(runtime)
    served = blip3o.Served(folder)
    job = Cancelled(5)
    with pytest.raises(CancelledError), torch.inference_mode():
        served.decode(DecodeRequest(told, (3,), steps=2))(job, job.check)
    assert job.left == -1
    patient = Cancelled(1000)
    with torch.inference_mode():
        again = served.decode(DecodeRequest(told, (3,), steps=2))(patient, patient.check)
    first = runtime.decode_features(DecodeRequest(told, (3,), steps=2)).result()
    assert np.array_equal(again.images[0], first.images[0])


def test_arrays_of_any_layout_are_taken(runtime):
    """Mirrored and read-only views give what a plain copy gives."""
    told = features(runtime)[0]
    frozen = told.copy()
    frozen.flags.writeable = False
    images = [
        runtime.decode_features(DecodeRequest((array,), (3,), steps=2)).result().images[0]
        for array in (told, frozen, np.asfortranarray(told)[::-1][::-1])
    ]
    assert np.array_equal(images[0], images[1])
    assert np.array_equal(images[0], images[2])
    mirrored = PICTURE[:, ::-1]
    seen = [
        runtime.generate_features(FeatureRequest(ASK, (1,), (picture,), steps=1)).result().features[0]
        for picture in (mirrored, mirrored.copy())
    ]
    assert np.array_equal(*seen)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(runtime, value):
    """Before any compute."""
    told = features(runtime)[0]
    told[3, 4] = value
    with pytest.raises(InputError, match="finite numbers"):
        runtime.decode_features(DecodeRequest((told,), (1,)))


def test_half_a_character_is_refused(runtime):
    """A lone surrogate is no text."""
    with pytest.raises(InputError, match="half a character at place"):
        runtime.generate_text(TextRequest((Message("user", ("a \ud800 b",)),)))


def test_an_edit_sees_its_picture(runtime):
    """Another picture under the same words and seed gives other features."""
    edits = [
        runtime.generate_features(FeatureRequest(ASK, (1,), (picture,), steps=2)).result().features[0]
        for picture in (PICTURE, 255 - PICTURE)
    ]
    assert not np.allclose(*edits)


def test_the_tower_embeds(runtime):
    """The EVA tower gives 64 tokens of a picture of any size."""
    embedded = runtime.embed_images(EmbedRequest((PICTURE,))).result().features[0]
    assert embedded.shape == runtime.info.feature_shape


def test_a_sliver_is_not_embedded(runtime):
    """Brought to the tower's size it would fill the memory."""
    with pytest.raises(InputError, match="too long and thin"):
        runtime.embed_images(EmbedRequest((np.zeros((1, 201, 3), np.uint8),)))


def test_without_a_tower_embedding_is_refused(tmp_path):
    """A release that leaves the tower out says so before any compute."""
    release.write(tmp_path / "m", tied=True)
    runtime = LocalRuntime(blip3o.Served(tmp_path / "m"))
    assert "embed" not in runtime.info.capabilities
    with pytest.raises(InputError, match="no EVA-CLIP tower"):
        runtime.embed_images(EmbedRequest((PICTURE,)))
    runtime.close()


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (FeatureRequest(SAY, (1,), plans=("star",)), "does not plan"),
        (FeatureRequest(SAY, ()), "no picture was asked for"),
        (FeatureRequest((Message("user", ("<|im_end|>",)),), (1,)), "control tokens"),
        (FeatureRequest((Message("user", ("star " * 5000,)),), (1,)), "the model reads 4096"),
        (FeatureRequest(ASK, (1,), (np.zeros((1, 400, 3), np.uint8),)), "cannot be shown"),
        (FeatureRequest((Message("user", ("go", *map(ImageSlot, [0] * 17))),), (1,), (PICTURE,)), "takes 16"),
    ],
    ids=["plans", "no-seeds", "control", "long", "sliver", "many"],
)
def test_what_it_cannot_do_is_refused_before_compute(runtime, request_, told):
    """Each is an InputError in the caller's thread."""
    with pytest.raises(InputError, match=told):
        runtime.generate_features(request_)
