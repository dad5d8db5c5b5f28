"""SSIM against values known by arithmetic, a plain loop, and what must hold for all pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_runtime.errors import InputError
from sightline_tools.likeness import ssim


def picture(seed, height=24, width=20, channels=3):
    """Random pixels, each a little like its neighbours."""
    rough = np.random.default_rng(seed).integers(0, 256, (height, width, channels))
    return ((rough + np.roll(rough, 1, 0) + np.roll(rough, 1, 1)) // 3).astype(np.uint8)


def flat(level, channels=3):
    """One level everywhere."""
    return np.full((16, 16, channels), level, np.uint8)


def by_loop(a, b, size=11, sigma=1.5):
    """The paper's formula, window by window."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    line = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    weights = np.outer(line, line) / np.outer(line, line).sum()
    found = []
    for channel in range(a.shape[2]):
        for top in range(a.shape[0] - size + 1):
            for left in range(a.shape[1] - size + 1):
                x = a[top : top + size, left : left + size, channel].astype(float)
                y = b[top : top + size, left : left + size, channel].astype(float)
                mx, my = (weights * x).sum(), (weights * y).sum()
                vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
                both = (weights * (x - mx) * (y - my)).sum()
                light = (2 * mx * my + c1) / (mx * mx + my * my + c1)
                found.append(light * (2 * both + c2) / (vx + vy + c2))
    return np.mean(found)


@pytest.mark.parametrize("levels", [(0, 255), (100, 110), (255, 255), (0, 0), (7, 200)])
def test_flat_pictures_have_the_value_of_the_formula(levels):
    """Without structure only the light is compared: (2ab + c1) / (a² + b² + c1)."""
    a, b = levels
    c1 = (0.01 * 255) ** 2
    assert ssim(flat(a), flat(b)) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-9)


def test_it_is_the_formula_of_the_paper():
    """A plain loop over windows gives the same number."""
    a = picture(1)
    noisy = np.clip(a + np.random.default_rng(2).normal(0, 20, a.shape), 0, 255).astype(np.uint8)
    assert ssim(a, noisy) == pytest.approx(by_loop(a, noisy), abs=1e-9)
    assert ssim(a, picture(3)) == pytest.approx(by_loop(a, picture(3)), abs=1e-9)


def test_a_negative_is_less_than_unrelated():
    """Opposite structure counts below zero."""
    assert ssim(picture(1), 255 - picture(1)) < -0.5 < ssim(picture(1), picture(2)) < 0.5


def test_more_noise_is_less_alike():
    """Each step of noise lowers the value."""
    a, noise = picture(4, 48, 48), np.random.default_rng(5).normal(0, 1, (48, 48, 3))
    values = [ssim(a, np.clip(a + s * noise, 0, 255).astype(np.uint8)) for s in (0, 4, 16, 48, 128)]
    assert values[0] > 0.99
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.5


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 99), st.integers(0, 99), st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 3, 4])
)
def test_every_pair_has_a_value_between_minus_one_and_one(one, other, height, width, channels):
    """Identical is 1, the order does not matter, and any size above nothing has a value."""
    a, b = (picture(seed, height, width, channels) for seed in (one, other))
    assert ssim(a, a) == 1.0
    assert ssim(a, b) == pytest.approx(ssim(b, a), abs=1e-12)
    assert -1 <= ssim(a, b) <= 1


def test_a_tall_picture_is_compared_in_bands():
    """What is done band by band is what is done at once."""
    a, b = picture(6, 600, 12, 1), picture(7, 600, 12, 1)
    assert ssim(a, b) == pytest.approx(by_loop(a, b), abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (flat(1), flat(1)[:8]),
        (flat(1), flat(1, 4)),
        (flat(1).astype(float), flat(1).astype(float)),
        (flat(1)[..., 0], flat(1)[..., 0]),
        (flat(1)[:0], flat(1)[:0]),
    ],
    ids=["size", "channels", "type", "flat array", "nothing"],
)
def test_what_cannot_be_compared_is_an_input_error(a, b):
    """Other sizes, channels or types are named before anything is computed."""
    with pytest.raises(InputError, match="pictures"):
        ssim(a, b)
