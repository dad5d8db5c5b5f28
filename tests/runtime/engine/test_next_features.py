"""The layout of what the backbone hands to SANA."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_runtime.engine.next_features import Layout, Told
from sightline_runtime.errors import InputError


@given(
    st.integers(1, 9),
    st.integers(3, 20),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 1000),
    st.floats(0, 100, width=32),
    st.booleans(),
)
def test_what_is_packed_is_unpacked(tokens, width, channels, side, steps, guidance, edited):
    """Any sizes, settings, with or without a source."""
    layout = Layout(tokens, width, (channels, side, side))
    generator = np.random.default_rng(0)
    condition = generator.standard_normal((tokens, width), dtype=np.float32)
    source = generator.standard_normal((channels, side, side), dtype=np.float32) if edited else None
    features = layout.pack(Told(condition, steps, guidance, source))
    told = layout.unpack(features)
    assert features.shape == layout.shape
    assert features.dtype == np.float32
    assert np.array_equal(told.condition, condition)
    assert (told.steps, told.guidance) == (steps, guidance)
    assert (told.source is None) == (source is None)
    assert source is None or np.array_equal(told.source, source)


@pytest.mark.parametrize("settings", [(0, 2), (1.5, 2), (1001, 2), (np.nan, 2), (30, -1), (30, np.inf)])
def test_settings_that_no_drawing_has_are_refused(settings):
    """Features of another model are told by their settings."""
    layout = Layout(2, 4, (1, 2, 2))
    features = np.zeros(layout.shape, np.float32)
    features[2, :2] = settings
    with pytest.raises(InputError, match="steps at guidance"):
        layout.unpack(features)
