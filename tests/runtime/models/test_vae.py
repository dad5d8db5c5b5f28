"""The VAE: pictures to latent tokens and back, and loaded only where it is needed."""

import subprocess
import sys

import pytest
import torch

from sightline_runtime.models.vae import VaeCodec, VaeConfig

CONFIG = VaeConfig(image_size=32, channels=(8, 8), latent_channels=3, patch=2)
PIXELS = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def codec():
    """A small untrained codec."""
    torch.manual_seed(0)
    return VaeCodec(CONFIG).eval()


@torch.no_grad()
def test_tokens_have_the_stated_shape(codec):
    """An 8x8 grid of tokens of 3 channels in patches of 2x2, and pictures of the old size."""
    tokens = codec.encode(PIXELS)
    assert tokens.shape == (2, CONFIG.grid**2, CONFIG.width) == (2, 64, 12)
    assert codec.decode(tokens).shape == PIXELS.shape


@torch.no_grad()
def test_cutting_into_tokens_loses_nothing(codec):
    """Decoding tokens is decoding the latents that they were cut from; tokens run row by row."""
    latents = codec.kl.encode(PIXELS).latent_dist.mode()
    tokens = codec.encode(PIXELS)
    assert torch.allclose(codec.decode(tokens), codec.kl.decode(latents).sample, atol=1e-5)
    corner = latents[:, :, :2, 2:4].flatten(1)
    assert torch.equal(tokens[:, 1], corner)


@torch.no_grad()
def test_the_posterior_is_the_librarys(codec):
    """Mean and log-variance of the tokens give the library's own divergence."""
    mean, log_variance = codec.posterior(PIXELS)
    divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum((1, 2)) / 2
    assert torch.allclose(divergence, codec.kl.encode(PIXELS).latent_dist.kl(), rtol=1e-4)


def test_a_codec_can_be_sized_without_memory():
    """Built on the meta device it has the names and shapes of the real one."""
    with torch.device("meta"):
        sizes = VaeCodec(CONFIG).state_dict()
    real = VaeCodec(CONFIG).state_dict()
    assert {name: t.shape for name, t in sizes.items()} == {name: t.shape for name, t in real.items()}
    assert {tensor.device.type for tensor in sizes.values()} == {"meta"}


def test_other_designs_do_not_load_diffusers():
    """A model without a VAE is built without that import, which takes seconds."""
    program = (
        "import sys, torch\n"
        "from sightline_runtime.models.presets import tiny\n"
        "from sightline_runtime.models.unified import UnifiedModel\n"
        "UnifiedModel(tiny(100)), UnifiedModel(tiny(100, 'clip_mse'))\n"
        "sys.exit('diffusers' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
