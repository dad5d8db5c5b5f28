"""The DiT against plain mathematics, and its optimised paths against its plain one."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle import lumina

from sightline_runtime.models.dit import DiT, DiTConfig


def randomised(config, seed=0):
    """A DiT whose every tensor is random, gates too."""
    generator = torch.Generator().manual_seed(seed)
    model = DiT(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model.eval()


def sized(heads=4, kv_heads=2, grid=3, layers=2, head=8, source=0):
    """A small configuration."""
    width = heads * head
    return DiTConfig(6, source, grid, width, layers, heads, kv_heads, 40, 20)


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from([(2, 2), (4, 2), (4, 1)]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 5),
    st.floats(1, 1000),
)
def test_it_computes_the_formulas(heads, grid, layers, tokens, timestep):
    """For any size, the module equals the loops of the oracle."""
    config = sized(*heads, grid=grid, layers=layers)
    model = randomised(config)
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(1, grid * grid, 6, generator=generator)
    condition = torch.randn(1, tokens, 20, generator=generator)
    with torch.no_grad():
        found = model(latents, torch.tensor([timestep]), model.prepare(condition))[0]
        expected = lumina.velocity(dict(model.named_parameters()), config, latents[0], timestep, condition[0])
    assert torch.allclose(found, expected, atol=1e-4 * max(1.0, expected.abs().max().item()))


def test_rows_that_share_a_condition_equal_rows_that_repeat_it():
    """One prompt with three draws gives what three prompts give."""
    model = randomised(sized())
    latents, condition = torch.randn(6, 9, 6), torch.randn(2, 5, 20)
    times = torch.rand(6) * 1000
    with torch.no_grad():
        shared = model(latents, times, model.prepare(condition))
        repeated = model(latents, times, model.prepare(condition.repeat_interleave(3, 0)))
    assert torch.allclose(shared, repeated, atol=1e-5)


def test_masked_tokens_change_nothing():
    """Padding of a condition is as if it were not there."""
    model = randomised(sized())
    latents, condition = torch.randn(1, 9, 6), torch.randn(1, 5, 20)
    padded = torch.cat([condition, 99 * torch.ones(1, 3, 20)], 1)
    mask = torch.arange(8)[None] < 5
    with torch.no_grad():
        alone = model(latents, torch.tensor([500.0]), model.prepare(condition))
        masked = model(latents, torch.tensor([500.0]), model.prepare(padded, mask))
    assert torch.allclose(alone, masked, atol=1e-5)


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
