"""Sampling and the training draw against the loops of the public code, on the library's scheduler."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle import dit as oracle_dit
from tests.oracle import sampling as oracle
from tests.oracle.compare import error, numbers, scatter
from tests.oracle.embedded import velocity

from sightline_runtime.models import flow, sampling
from sightline_runtime.models.dit import DiT, DiTConfig

CONFIG = DiTConfig(
    channels=6, grid=3, width=32, layers=2, heads=4, kv_heads=2, ffn_width=40, condition_width=20
)
SHIFTS = st.sampled_from([0.5, 1.0, 1.8, 3.0])


def tokens(square):
    """(b, c, g, g) → (b, n, c)."""
    return square.flatten(2).transpose(1, 2)


@pytest.fixture(scope="module")
def both():
    """The same weights as the library's blocks hold them, and as the runtime does."""
    plain = scatter(oracle_dit.DiT(CONFIG), 5)
    model = DiT(CONFIG).eval()
    model.load_state_dict(plain.state_dict())
    return plain, model


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 1000), st.floats(0.25, 8))
def test_levels_and_timesteps_are_the_schedulers_own(steps, shift):
    """Bit by bit, for any number of steps and any shift: truncation would magnify the last bit."""
    for chosen in (1.0, shift):
        scheduler = oracle.FlowMatchEulerDiscreteScheduler(shift=chosen)
        scheduler.set_timesteps(steps, sigmas=np.linspace(1.0, 1 / steps, steps))
        levels = flow.sigmas(steps, chosen)
        assert levels == scheduler.sigmas.tolist()
        assert flow.timesteps(levels, integer=True) == scheduler.timesteps.to(torch.long).tolist()
        assert flow.timesteps(levels, integer=False) == scheduler.timesteps.tolist()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.floats(0, 6), SHIFTS, st.integers(1, 3), st.integers(0, 99))
def test_features_are_sampled_as_the_public_code_samples_them(both, steps, guidance, shift, rows, seed):
    """A condition prepared once, and the released schedule: the same features as the plain loop."""
    plain, model = both
    noise, condition = numbers(rows, 6, 3, 3, seed=seed), numbers(rows, 4, 20, seed=seed + 1)
    schedule = flow.schedule(steps, shift=shift, integer=True)
    with torch.no_grad():
        *_, found = sampling.sample(model, condition, tokens(noise), schedule=schedule, guidance=guidance)
        expected = oracle.sample(plain, condition, noise, steps=steps, guidance=guidance, shift=shift)
    assert error(found, tokens(expected)) < 1e-5


@pytest.mark.parametrize("predicts", ["velocity", "features"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
@settings(max_examples=8, deadline=None)
@given(
    st.integers(1, 6), st.booleans(), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 99)
)
def test_edits_and_padded_conditions_are_sampled_as_plain_loops_do(
    predicts, guidance, steps, edits, filled, seed
):
    """The embedded form: a source picture beside the latents, a mask, no null row at guidance 1."""
    config = replace(CONFIG, source_channels=6, predicts=predicts)
    plain = scatter(oracle_dit.DiT(config), seed)
    model = DiT(config).eval()
    model.load_state_dict(plain.state_dict())
    rows, longest = len(filled), max(filled)
    noise, source = numbers(rows, 6, 3, 3, seed=seed), numbers(rows, 6, 3, 3, seed=seed + 1)
    condition = numbers(rows, longest, 20, seed=seed + 2)
    mask = torch.arange(longest) < torch.tensor(filled)[:, None]
    with torch.no_grad():
        *_, found = sampling.sample(
            model,
            condition,
            tokens(noise),
            schedule=flow.schedule(steps),
            guidance=guidance,
            mask=mask,
            source=tokens(source) if edits else None,
        )
        twice, whole = (None if not edits else source.repeat(2, 1, 1, 1)), mask.repeat(2, 1)
        expected = oracle.sample(
            lambda x, t, z: velocity(plain, x, t, z, twice, whole),
            condition,
            noise,
            steps=steps,
            guidance=guidance,
            integer=False,
        )
    assert error(found, tokens(expected)) < 3e-5  # six guided steps magnify what one pass leaves


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0, 1, exclude_max=True, width=32), min_size=1, max_size=4), SHIFTS, st.integers(0, 99)
)
def test_a_training_step_learns_what_the_public_code_learns(both, draws, shift, seed):
    """The same draw gives the same timestep, noisy point, target and loss."""
    plain, model = both
    u, rows = torch.tensor(draws), len(draws)
    features, noise = numbers(rows, 6, 3, 3, seed=seed), numbers(rows, 6, 3, 3, seed=seed + 1)
    condition = numbers(rows, 4, 20, seed=seed + 2)
    times, level = flow.training_level(u, shift)
    noisy, target = flow.noised(tokens(features), tokens(noise), level)
    timesteps, expected_noisy, expected_target = oracle.training_point(u, features, noise, shift=shift)
    assert torch.equal(times, timesteps)
    assert torch.equal(noisy, tokens(expected_noisy))
    assert torch.equal(target, tokens(expected_target))
    with torch.no_grad():
        found = F.mse_loss(model(noisy, times, model.prepare(condition)), target)
        expected = oracle.training_loss(plain, u, features, noise, condition, shift=shift)
    assert error(found, expected) < 1e-5
