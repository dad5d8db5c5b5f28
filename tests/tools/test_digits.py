"""Numbers as patterns: exactly those of the range."""

import re
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_runtime.patterns import render
from sightline_tools.digits import number


@settings(max_examples=150, deadline=None)
@given(st.integers(-2000, 2000), st.integers(0, 3000), st.data())
def test_whole_numbers_match_within_their_bounds_alone(low, span, data):
    """At the edges and anywhere around them."""
    pattern = re.compile(render(number(Fraction(low), Fraction(low + span), 0)))
    near = st.sampled_from([low - 1, low, low + span, low + span + 1, 0, -1])
    for value in data.draw(st.lists(near | st.integers(-6000, 6000), min_size=8)):
        assert bool(pattern.fullmatch(str(value))) == (low <= value <= low + span)
    assert not pattern.fullmatch("-0")
    assert not pattern.fullmatch(f"0{abs(low)}")


@settings(max_examples=150, deadline=None)
@given(st.integers(-900, 900), st.integers(0, 700), st.sampled_from([1, 10, 100]), st.data())
def test_numbers_with_decimals_match_within_their_bounds_alone(low, span, parts, data):
    """However many places are written, up to the most."""
    least, most = Fraction(low, parts), Fraction(low + span, parts)
    pattern = re.compile(render(number(least, most, 2)))
    for hundredths in [*data.draw(st.lists(st.integers(-1200, 2000), min_size=8)), low * 100 // parts]:
        for text in (f"{hundredths / 100:.2f}", f"{hundredths / 100:g}"):
            if Fraction(text) != 0 or "-" not in text:
                assert bool(pattern.fullmatch(text)) == (least <= Fraction(text) <= most)
    assert not any(pattern.fullmatch(zero) for zero in ("-0", "-0.0", "-0.00", "1.", ".5", "00"))


def test_a_bound_that_is_missing_is_far_away():
    """Unbounded numbers are any that are written plainly."""
    pattern = re.compile(render(number(Fraction(1), None, 0)))
    assert pattern.fullmatch("999999999999999")
    assert not pattern.fullmatch("0")
    assert re.fullmatch(render(number(None, None)), "-123456.654321")
