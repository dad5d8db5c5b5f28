"""Flow matching is arithmetic: these need no weights."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline_runtime.models import flow


@given(st.integers(1, 200))
def test_sigmas_fall_from_one_to_zero(steps):
    """The levels are linspace(1, 1/steps, steps), then 0."""
    levels = flow.sigmas(steps)
    assert len(levels) == steps + 1
    assert (levels[0], levels[-1]) == (1.0, 0.0)
    assert all(a > b for a, b in pairwise(levels))


def test_integer_timesteps_floor_the_float32_product():
    """Thirty steps show the network what the reference shows it, floored."""
    levels = flow.sigmas(30)
    floats = flow.timesteps(levels, integer=False)
    floored = flow.timesteps(levels, integer=True)
    assert floored == [float(int(value)) for value in floats]
    assert floored[0] == 1000.0


@given(st.integers(1, 30))
def test_euler_is_exact_on_straight_paths(steps):
    """The true velocity leads from noise to features in any number of steps."""
    features, noise = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    *_, last = flow.euler(lambda x, index: noise - features, noise, flow.sigmas(steps))
    assert torch.allclose(last, features, atol=1e-5)


@given(st.integers(1, 30))
def test_a_run_is_followed_to_its_last_estimate(steps):
    """Every step is told once, by its number and what it points at; the last is the result."""
    estimates, told = [torch.full((1,), float(n)) for n in range(steps)], []
    found = flow.last(iter(estimates), lambda done, estimate: told.append((done, estimate)))
    assert found is estimates[-1]
    assert told == list(enumerate(estimates, 1))


def test_noised_is_the_point_on_the_path():
    """σ = 0 is the features, σ = 1 the noise; the target is their difference."""
    features, noise = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    point, target = flow.noised(features, noise, torch.tensor([0.0, 1.0]))
    assert torch.equal(point[0], features[0])
    assert torch.equal(point[1], noise[1])
    assert torch.equal(target, noise - features)


def test_guidance_of_one_is_the_conditional_velocity():
    """v0 + g·(v − v0): g = 1 gives v, g = 0 gives v0."""
    null, conditional = torch.randn(1, 2, 3), torch.randn(1, 2, 3)
    assert torch.allclose(flow.guided(null, conditional, 1.0), conditional, atol=1e-6)
    assert torch.equal(flow.guided(null, conditional, 0.0), null)


@given(st.integers(1, 60), st.floats(1, 6))
def test_a_shift_keeps_the_ends_and_moves_the_rest_towards_noise(steps, shift):
    """σ' = s·σ/(1 + (s − 1)·σ): 1 and 0 stay, the order stays, s > 1 raises what is between."""
    plain, moved = flow.sigmas(steps), flow.sigmas(steps, shift)
    assert moved[0] == pytest.approx(1)
    assert moved[-1] == 0
    assert all(a > b for a, b in pairwise(moved))
    assert all(after >= before - 1e-6 for before, after in zip(plain, moved, strict=True))


def test_a_training_draw_picks_one_of_a_thousand_levels():
    """⌊1000·u⌋ counts down from 1000; the timestep is the float one of that level."""
    times, levels = flow.training_level(torch.tensor([0.0, 0.0015, 0.5, 0.9999]))
    assert torch.allclose(times, torch.tensor([1000.0, 999.0, 500.0, 1.0]))
    assert torch.allclose(levels, times / 1000)
