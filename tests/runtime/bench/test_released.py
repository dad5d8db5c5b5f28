"""The bench of released models, on tiny ones: it runs every stage and says what it took."""

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from tests.tiny import release as tiny

from sightline_runtime.bench import released
from sightline_runtime.models.blip3o import Blip3o
from sightline_runtime.models.sdxl import SdxlDecoder


def test_every_stage_is_measured():
    """Seconds are positive, least ≤ median ≤ most, and random weights fill the whole model."""
    data = tiny.module(tiny.config(), tower=False).config
    with init_empty_weights(include_buffers=False):
        model = Blip3o(data)
        unet, vae = UNet2DConditionModel.from_config(tiny.UNET), AutoencoderKL.from_config(tiny.VAE)
    decoder = SdxlDecoder(unet, vae, EulerDiscreteScheduler.from_config(tiny.SCHEDULER))
    for module in (model, decoder):
        released.random_weights(module, "cpu", torch.float32)
        assert not any(tensor.is_meta for tensor in module.state_dict().values())
    told = released.measure(model, decoder, rounds=2, warmups=1, steps=(2, 3))
    assert list(told["stages"]) == ["prefill with queries", "features", "unet", "vae", "text token"]
    assert all(0 < s["min"] <= s["median"] <= s["max"] for s in told["stages"].values())
    assert told["image_size"] == 16
