"""Sampling of latents against the library's own loop, and the way to pixels and back."""

import pytest
import torch
from diffusers import AutoencoderDC, SanaTransformer2DModel
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle import sana_loop
from tests.oracle.compare import error, numbers, scatter

from sightline_runtime.models import sana

HIDDEN, WIDTH, SIDE = 6, 10, 4


@pytest.fixture(scope="module")
def parts():
    """A tiny network and connector, every tensor random."""
    network = SanaTransformer2DModel(
        in_channels=3,
        out_channels=3,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        num_cross_attention_heads=4,
        cross_attention_head_dim=4,
        cross_attention_dim=16,
        caption_channels=WIDTH,
        sample_size=SIDE,
        qk_norm="rms_norm_across_heads",
    )
    return scatter(network), scatter(sana.Connector(HIDDEN, WIDTH), 1)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 6), st.sampled_from([0.0, 1.0, 2.0, 4.5]), st.sampled_from([1.0, 3.0]), st.integers(1, 3)
)
def test_sampling_equals_the_librarys_loop(parts, steps, guidance, shift, pictures):
    """Any number of steps, guidance, shift and pictures: what the reference's loop gives."""
    network, connector = parts
    hidden, noise = numbers(pictures, 5, HIDDEN, seed=2), numbers(pictures, 3, SIDE, SIDE, seed=3)
    schedule = sana.schedule(steps, shift)
    with torch.no_grad():
        expected = sana_loop.latents(
            network, connector, hidden, noise, steps=steps, guidance=guidance, shift=shift
        )
        rows = connector.rows(hidden, guidance)
        estimates = list(sana.sample(network, rows, noise, schedule, guidance))
    assert len(estimates) == steps
    assert error(estimates[-1], expected) < 1e-4


def test_the_null_condition_is_zeros_before_the_connector():
    """Null rows are the connector's biases at work, not zeros; guidance 1 needs none."""
    connector = scatter(sana.Connector(HIDDEN, WIDTH))
    hidden = numbers(2, 3, HIDDEN)
    rows = connector.rows(hidden, 2.0)
    assert rows.shape == (4, 3, WIDTH)
    assert torch.allclose(rows[:2], connector(torch.zeros_like(hidden)))
    assert rows[:2].abs().min() > 0
    assert torch.equal(connector.rows(hidden, 1.0), connector(hidden))


def test_the_connector_starts_at_the_spread_of_captions():
    """A new connector gives tokens whose root mean square is √5.5, under the released names."""
    connector = sana.Connector(HIDDEN, WIDTH)
    assert connector(numbers(1, 4, HIDDEN)).square().mean(-1).tolist()[0] == pytest.approx(
        [5.5] * 4, rel=1e-2
    )
    assert set(connector.state_dict()) == {"0.weight", "0.bias", "2.weight", "2.bias", "3.weight"}


@given(st.integers(1, 40), st.floats(0, 1), st.sampled_from([1.0, 3.0]))
def test_a_schedule_that_starts_low_is_the_end_of_the_whole_one(steps, start, shift):
    """Levels above the start are left out, at least one step stays, the end is clean."""
    whole, part = sana.schedule(steps, shift), sana.schedule(steps, shift, start=start)
    assert part.levels == whole.levels[len(whole.levels) - len(part.levels) :]
    assert part.times == whole.times[len(whole.times) - len(part.times) :]
    assert len(part.levels) >= 2
    assert part.levels[-1] == 0
    assert part.levels[0] <= start or len(part.levels) == 2


def test_a_source_noised_little_stays_itself():
    """At level 0 a source is untouched, at level 1 nothing of it is left."""
    source, noise = numbers(1, 3, SIDE, SIDE, seed=1), numbers(1, 3, SIDE, SIDE, seed=2)
    assert torch.equal(sana.noised(source, noise, 0.0), source)
    assert torch.equal(sana.noised(source, noise, 1.0), noise)


def test_latents_become_pixels_at_their_scale():
    """Decoding divides by the scaling factor and clips, encoding multiplies by it."""
    vae = AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=4,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8),
        encoder_layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        encoder_qkv_multiscales=((), (), ()),
        decoder_qkv_multiscales=((), (), ()),
        scaling_factor=0.5,
    ).eval()
    latents, picture = numbers(1, 4, 2, 2), numbers(1, 3, 8, 8).clamp(-1, 1)
    with torch.no_grad():
        assert torch.allclose(sana.decode(vae, latents), vae.decode(latents / 0.5).sample.clamp(-1, 1))
        assert torch.allclose(sana.encode(vae, picture), vae.encode(picture).latent * 0.5)
