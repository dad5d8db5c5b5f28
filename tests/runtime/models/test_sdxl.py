"""The released diffusion decoder against its plain loop."""

from functools import cache

import pytest
import torch
from diffusers import AutoencoderKL
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle import decoder as oracle
from tests.oracle.compare import error, numbers, scatter

from sightline_runtime.models import sdxl


@cache
def unet(width, depth):
    """One of a few networks: building one takes longer than running it."""
    return scatter(oracle.unet(width, depth=depth), width)


@pytest.fixture(scope="module")
def decoder():
    """A small decoder with a VAE that halves twice."""
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 16),
        norm_num_groups=4,
        scaling_factor=0.13025,
    )
    schedule = oracle.EulerDiscreteScheduler(**oracle.SCHEDULE)
    return sdxl.SdxlDecoder(unet(12, (1, 1)), scatter(vae, 2), schedule)


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([(12, (1, 1)), (20, (1, 2))]),
    st.integers(1, 3),
    st.integers(1, 6),
    st.tuples(st.sampled_from([4, 8]), st.sampled_from([4, 8])),
    st.integers(1, 5),
    st.floats(0, 6),
    st.integers(0, 99),
)
def test_pictures_are_denoised_as_the_plain_loop_denoises_them(
    network, rows, tokens, latent, steps, guidance, seed
):
    """Pictures and negatives in one batch equal one call each, whatever size is told."""
    width, depth = network
    features, negative = numbers(rows, tokens, width, seed=seed), numbers(1, tokens, width, seed=seed + 1)
    noise, size = numbers(rows, 4, *latent, seed=seed + 2), (latent[1] * 128, latent[0] * 128)
    told = sdxl.condition(features, negative, size)
    schedule = oracle.EulerDiscreteScheduler(**oracle.SCHEDULE)
    plan = {"steps": steps, "guidance": guidance}
    with torch.no_grad():
        *_, found = sdxl.denoise(unet(width, depth), schedule, told, noise, **plan)
        expected = [
            oracle.paint(unet(width, depth), features[row], negative[0], noise[row], size=size, **plan)
            for row in range(rows)
        ]
    assert error(found, torch.stack(expected)) < 1e-5


def test_without_a_negative_it_is_guidance_of_one(decoder):
    """What is not guided runs half the rows and paints what guidance 1 paints."""
    features, noise = numbers(1, 3, 12, seed=1), numbers(1, 4, 8, 8, seed=2)
    with torch.no_grad():
        *_, half = decoder.latents(features, None, noise, steps=3, guidance=1.0)
        *_, whole = decoder.latents(features, numbers(1, 3, 12, seed=3), noise, steps=3, guidance=1.0)
    assert error(half, whole) < 1e-5


def test_it_paints_at_the_trained_size_and_the_same_again(decoder):
    """8 latents of 4 pixels a side; the schedule is each call's own, so nothing is left behind."""
    features, negative, noise = numbers(1, 3, 12), numbers(1, 3, 12, seed=1), numbers(1, 4, 8, 8, seed=2)
    plan = {"steps": 3, "guidance": 3.0}
    with torch.no_grad():
        *_, first = decoder.latents(features, negative, noise, **plan)
        *_, second = decoder.latents(features, negative, noise, **plan)
        expected = oracle.paint(decoder.unet, features[0], negative[0], noise[0], size=(32, 32), **plan)
    assert decoder.side == 32
    assert torch.equal(first, second)
    assert error(first[0], expected) < 1e-5


def test_latents_are_unscaled_before_the_vae_decodes_them(decoder):
    """Divided by the VAE's scaling factor; pictures come in −1 … 1, in float32."""
    latents = numbers(2, 4, 8, 8)
    with torch.no_grad():
        found = decoder.pixels(latents)
        expected = torch.stack([decoder.vae.decode(one[None] / 0.13025).sample[0] for one in latents])
    assert found.shape == (2, 3, 32, 32)
    assert error(found, expected.clamp(-1, 1)) < 1e-5
