"""The DiT against plain mathematics, and its optimised paths against its plain one."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle import dit as oracle
from tests.oracle.compare import error, numbers, scatter

from sightline_runtime.models.dit import DiT, DiTConfig


def randomised(config, seed=0):
    """A DiT whose every tensor is random, gates too."""
    return scatter(DiT(config), seed)


def sized(heads=4, kv_heads=2, grid=3, layers=2, head=8, source=0):
    """A small configuration."""
    width = heads * head
    return DiTConfig(6, source, grid, width, layers, heads, kv_heads, 40, 20)


@st.composite
def configs(draw):
    """Configurations of any shape the release could have had: grouped heads, odd widths, one token."""
    heads, kv_heads = draw(st.sampled_from([(1, 1), (2, 2), (3, 1), (4, 2), (6, 3)]))
    return DiTConfig(
        channels=draw(st.integers(1, 9)),
        grid=draw(st.integers(1, 5)),
        width=heads * draw(st.sampled_from([4, 8, 12, 20])),
        layers=draw(st.integers(1, 4)),
        heads=heads,
        kv_heads=kv_heads,
        # the norm after a narrower feed-forward divides by almost nothing and magnifies rounding
        ffn_width=draw(st.integers(8, 60)),
        condition_width=draw(st.integers(1, 40)),
    )


@settings(max_examples=60, deadline=None)
@given(configs(), st.integers(1, 3), st.integers(1, 9), st.integers(0, 99), st.data())
def test_it_computes_what_the_librarys_blocks_compute(config, prompts, tokens, seed, data):
    """With the same weights under the same names, any DiT equals the oracle in float32.

    The optimised forms too: conditions that several rows share, and padded conditions.
    """
    plain = scatter(oracle.DiT(config), seed)
    model = DiT(config).eval()
    model.load_state_dict(plain.state_dict())
    shared = data.draw(st.integers(1, 3))
    times = numbers(prompts * shared, seed=seed).abs() * 400
    latents = numbers(prompts * shared, config.channels, config.grid, config.grid, seed=seed)
    condition = numbers(prompts, tokens, config.condition_width, seed=seed + 1)
    filled = torch.tensor([data.draw(st.integers(1, tokens)) for _ in range(prompts)])
    mask = None if (filled == tokens).all() else torch.arange(tokens) < filled[:, None]
    each = None if mask is None else mask.repeat_interleave(shared, 0)
    with torch.no_grad():
        expected = plain(latents, times, condition.repeat_interleave(shared, 0), each)
        found = model(latents.flatten(2).transpose(1, 2), times, model.prepare(condition, mask))
    assert error(found.transpose(1, 2).unflatten(2, latents.shape[2:]), expected) < 1e-5


def test_the_feed_forward_is_two_thirds_of_four_widths():
    """1792 gives 4864; the library's class of today, asked as of old, would give 7168."""
    assert oracle.feed_forward_width(1792) == DiTConfig().ffn_width == 4864
    assert oracle.LuminaFeedForward(1792, inner_dim=4 * 1792).linear_1.out_features == 7168


def test_no_source_is_a_source_of_zeros():
    """Drawing is editing of nothing."""
    model = randomised(sized(source=4))
    latents, condition = torch.randn(1, 9, 6), model.prepare(torch.randn(1, 2, 20))
    with torch.no_grad():
        none = model(latents, torch.tensor([1.0]), condition)
        zeros = model(latents, torch.tensor([1.0]), condition, torch.zeros(1, 9, 4))
        other = model(latents, torch.tensor([1.0]), condition, torch.ones(1, 9, 4))
    assert torch.equal(none, zeros)
    assert not torch.allclose(none, other)


def test_an_open_gate_copies_the_source_exactly():
    """With the gate wide open the path leads to the source, whatever else the network says."""
    config = replace(sized(source=6), predicts="features")
    model = randomised(config)
    with torch.no_grad():
        model.norm_out.linear_2.weight[6:] = 0
        model.norm_out.linear_2.bias[6:] = 100
        source, latents = torch.randn(1, 9, 6), torch.randn(1, 9, 6)
        speed = model(latents, torch.tensor([400.0]), model.prepare(torch.randn(1, 2, 20)), source)
    assert torch.allclose(latents - 0.4 * speed, source, atol=1e-5)


def test_without_a_source_the_gate_counts_for_nothing():
    """Drawing does not read the gate: its bias changes no velocity."""
    model = randomised(replace(sized(source=6), predicts="features"))
    latents, condition = torch.randn(1, 9, 6), model.prepare(torch.randn(1, 2, 20))
    with torch.no_grad():
        before = model(latents, torch.tensor([400.0]), condition)
        model.norm_out.linear_2.bias[6:] = 100
        after = model(latents, torch.tensor([400.0]), condition)
    assert torch.equal(before, after)


@pytest.mark.parametrize(("condition_width", "parameters"), [(2048, 1_362_257_824), (3584, 1_365_010_336)])
def test_the_released_sizes_have_the_released_parameters(condition_width, parameters):
    """Built on the meta device, the 4B's and 8B's DiT have the published counts and 642 tensors."""
    with torch.device("meta"):
        model = DiT(DiTConfig(condition_width=condition_width))
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(model.state_dict()) == 642
