"""Pictures for the EVA-CLIP tower, against torchvision's pipeline."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.oracle import tower as oracle

from sightline_runtime.models.preprocess import eva_pixels


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 120), st.integers(1, 120), st.integers(1, 60), st.integers(0, 99))
def test_pictures_of_any_size_are_cut_as_the_reference_cuts_them(height, width, side, seed):
    """Shorter side to the tower's, bicubic with antialiasing, the middle square: bit by bit."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    found = eva_pixels(pixels, side)
    assert torch.equal(found, oracle.preprocessed(Image.fromarray(pixels), side))


def test_a_picture_of_the_towers_size_is_left_as_it_is():
    """No resampling where none is needed, and the given array is not shared."""
    pixels = np.random.default_rng(1).integers(0, 256, (56, 56, 3), np.uint8)
    found = eva_pixels(pixels, 56)
    assert torch.equal(found[0], torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float() / 255)
    pixels[:] = 0
    assert found.max() > 0
