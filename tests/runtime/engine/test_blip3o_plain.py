"""The released family behind the engine against plain steps, from prompt to pixels."""

import math

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file
from tests.oracle import decoder, released
from tests.oracle.compare import error
from tests.oracle.tower import features, preprocessed
from tests.tiny import release

from sightline_runtime.engine import blip3o, noise
from sightline_runtime.engine.local import LocalRuntime
from sightline_runtime.models.clip import ClipConfig
from sightline_runtime.models.dit import DiTConfig
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    FeatureRequest,
    ImageSlot,
    Message,
    TextRequest,
)

DIT = DiTConfig(release.FEATURES, 0, 8, 16, 2, 2, 2, 32, release.WIDTH)
TOWER = ClipConfig(448, 14, 14, release.FEATURES, 1, 1, 24, 4)
PICTURES = tuple(
    np.random.default_rng(1).integers(0, 255, (h, w, 3), np.uint8) for h, w in ((60, 90), (84, 56))
)
SAID = "a red star left of a blue circle"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny checkpoint in the released layout."""
    at = tmp_path_factory.mktemp("plain") / "tiny"
    release.write(at, tower=True)
    return at


@pytest.fixture(scope="module")
def runtime(folder):
    """The engine on it."""
    opened = LocalRuntime(blip3o.Served(folder))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def plain(folder):
    """The plain steps on it."""
    return released.Released(folder, DIT, TOWER)


def start(seed, stage="features"):
    """The noise of one picture's features."""
    return torch.from_numpy(noise.normal(seed, stage, (64, release.FEATURES)))


def test_features_of_a_caption(runtime, plain):
    """Prompt, image-start, queries, sampling: the same features for every seed."""
    request = FeatureRequest((Message("user", (SAID,)),), (3, 4), steps=4, guidance=2.5)
    found = runtime.generate_features(request).result().features
    text = released.asked(f"Please generate image based on the following caption: {SAID}")
    with torch.inference_mode():
        condition = plain.condition(text)
        for seed, drawn in zip((3, 4), found, strict=True):
            expected = plain.features(condition, start(seed), steps=4, guidance=2.5)
            assert error(torch.from_numpy(drawn), expected) < 1e-5


def test_features_of_an_edit_of_two_pictures(runtime, plain):
    """Pictures stand before the instruction, each as wide as the vision tower makes it."""
    content = (ImageSlot(0), ImageSlot(1), "make it blue")
    request = FeatureRequest((Message("user", content),), (5,), PICTURES, steps=3)
    found = runtime.generate_features(request).result().features[0]
    text = released.asked(released.PICTURE.format("") * 2 + "\nmake it blue")
    with torch.inference_mode():
        expected = plain.features(plain.condition(text, PICTURES), start(5), steps=3)
    assert error(torch.from_numpy(found), expected) < 1e-5


def test_an_answer_about_two_pictures(runtime, plain):
    """The engine's own loop says what the library's `generate` says, as likely."""
    content = (ImageSlot(0), ImageSlot(1), "what is it ?")
    request = TextRequest((Message("user", content),), PICTURES, max_tokens=8)
    found = runtime.generate_text(request).result()
    with torch.inference_mode():
        text, likelihood = plain.answer("what is it ?", PICTURES, 8)
    assert found.text == text
    assert math.log(found.confidence) == pytest.approx(likelihood, abs=1e-4)


def test_features_of_pictures(runtime, plain):
    """The EVA tower on what torchvision cuts out."""
    found = runtime.embed_images(EmbedRequest(PICTURES)).result().features
    with torch.inference_mode():
        for picture, embedded in zip(PICTURES, found, strict=True):
            pixels = preprocessed(Image.fromarray(picture), 448)
            assert error(torch.from_numpy(embedded), features(plain.tower, TOWER, pixels)[0]) < 1e-5


def test_pixels_of_features(runtime, plain, folder):
    """Guided away from the features of a blank prompt, from the model's own fixed noise."""
    told = start(9)
    found = runtime.decode_features(DecodeRequest((told.numpy(),), (2,), steps=3)).result().images[0]
    parts = folder / "diffusion-decoder"
    unet, vae = UNet2DConditionModel(**release.UNET), AutoencoderKL(**release.VAE)
    for part, module in (("unet", unet), ("vae", vae)):
        module.load_state_dict(load_file(parts / part / "diffusion_pytorch_model.bf16.safetensors"))
        module.eval()
    with torch.inference_mode():
        negative = plain.features(plain.condition(" "), start(0, "negative"))
        latents = decoder.paint(
            unet,
            told,
            negative,
            torch.from_numpy(noise.normal(2, "pixels", (4, 8, 8))),
            size=(16, 16),
            steps=3,
            guidance=3.0,
        )
        expected = released.picture(vae, latents)
    assert (found != expected.numpy()).mean() < 0.01  # a value in a hundred may be rounded the other way
