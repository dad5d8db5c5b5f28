"""Regions: what lies inside, how the change fades in, and that nothing outside ever moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sightline_runtime.errors import InputError
from sightline_tools.image import Image
from sightline_tools.region import Region, laid_in, weights

WIDTH, HEIGHT = 20, 12


def shares(value, feather=0, mask=None, size=(WIDTH, HEIGHT)):
    """The weights of what stands for a region."""
    return weights(Region.model_validate(value), mask, size, feather)


def noise(seed, height=HEIGHT, width=WIDTH, channels=3):
    """Random pixels."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def image(width=WIDTH, height=HEIGHT):
    """The value of some picture."""
    return Image(pixels="0" * 64, blob="0" * 64, width=width, height=height)


def plain_even_odd(corners, x, y):
    """Whether a point is inside a polygon, by counting the edges left of it: the textbook's loop."""
    inside = False
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y0 > y) != (y1 > y) and x >= x0 + (y - y0) * ((x1 - x0) / (y1 - y0)):
            inside = not inside
    return inside


def test_a_box_in_pixels_and_in_parts_is_the_same_region():
    """Numbers up to 1 are parts of the picture."""
    assert (shares((5, 3, 15, 9)) == shares((0.25, 0.25, 0.75, 0.75))).all()
    assert shares((5, 3, 15, 9)).sum() == 60


corner = st.tuples(
    st.integers(0, WIDTH * 4).map(lambda n: n / 4), st.integers(0, HEIGHT * 4).map(lambda n: n / 4)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(corner, min_size=3, max_size=7).filter(lambda points: any(max(p) > 1 for p in points)))
def test_polygons_hold_what_the_textbook_says(corners):
    """Pixel centres by the even-odd rule, also where the polygon crosses itself."""
    asked = np.array(
        [[plain_even_odd(corners, x + 0.5, y + 0.5) for x in range(WIDTH)] for y in range(HEIGHT)]
    )
    if asked.any():
        assert ((shares(corners) > 0) == asked).all()
    else:
        with pytest.raises(InputError, match="holds no pixel"):
            shares(corners)


def test_a_bow_tie_is_its_two_wings():
    """What a self-crossing polygon covers once is inside, what it covers twice is not."""
    tie = shares([(0, 0), (20, 12), (20, 0), (0, 12)])
    assert tie[6, 1] == tie[6, 18] == 1
    assert tie[1, 10] == tie[10, 10] == 0
    with pytest.raises(InputError, match="holds no pixel"):
        shares([(2, 2), (18, 2), (18, 10), (2, 10)] * 2)


def test_a_mask_is_inside_where_it_is_white():
    """Grey and half-transparent pixels take part of the change."""
    mask = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    mask[..., 3] = 255
    mask[0, 0, :3], mask[0, 1, :3], mask[0, 2] = 255, 51, (255, 255, 255, 102)
    inside = shares(image(), mask=mask)
    assert inside[0, :4].tolist() == pytest.approx([1, 0.2, 0.4, 0])
    assert inside[1:].sum() == 0


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ((3, 3, 3, 9), "does not lie in the picture"),
        ((-2, 0, 4, 4), "does not lie in the picture"),
        ((15, 3, 25, 9), "does not lie in the picture"),
        ((0, 0, float("nan"), 4), "the box is"),
        ([(1, 1), (30, 1), (5, 5)], "does not lie in the picture"),
        ([(1, 1), (float("inf"), 1), (5, 5)], "not finite"),
        ([(1, 1), (15, 1), (7, 1)], "holds no pixel"),
    ],
)
def test_regions_that_are_not_in_the_picture_are_refused(value, told):
    """Empty, outside, not finite: one InputError each, with a hint."""
    with pytest.raises(InputError, match=told) as caught:
        shares(value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "value", [{}, {"box": (0, 0, 1, 1), "polygon": [(0, 0), (1, 0), (1, 1)]}, [(0, 0), (1, 1)], {"circle": 3}]
)
def test_what_is_no_region_is_refused(value):
    """None or two ways at once, two corners, unknown names."""
    with pytest.raises(ValidationError):
        Region.model_validate(value)


def test_masks_that_do_not_fit_are_refused():
    """A mask of another size, and one that is black."""
    with pytest.raises(InputError, match="the mask is 12x20, the picture 20x12"):
        shares(image(), mask=noise(1, height=WIDTH, width=HEIGHT))
    with pytest.raises(InputError, match="holds no pixel"):
        shares(image(), mask=np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def test_the_feather_grows_inwards_from_the_regions_edge():
    """Over three pixels: a quarter, a half, three quarters, all; not at the picture's own edge."""
    fading = shares((0, 0, 10, 12), feather=3)
    assert fading[6].tolist() == [1] * 7 + [0.75, 0.5, 0.25] + [0] * 10
    assert (fading[0] == fading[6]).all()
    assert (shares((0, 0, 20, 12), feather=5) == 1).all()


def test_the_feather_is_a_32nd_of_the_picture_by_default():
    """A small picture has none, a larger one has some."""
    assert set(np.unique(shares((5, 3, 15, 9), feather=None))) == {0, 1}
    assert shares((0, 0, 0.5, 1), feather=None, size=(128, 64))[0, 61:65].tolist() == pytest.approx(
        [1, 2 / 3, 1 / 3, 0]
    )


def plain_depth(inside, y, x, limit):
    """The fewest steps along rows and columns to a pixel outside, by looking at all of them."""
    outside = np.argwhere(~inside)
    return min([limit, *(abs(outside - (y, x)).sum(axis=1))])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_weights_follow_from_the_distance_to_the_outside(seed, feather):
    """Compared with a plain search over all pixels, for random masks."""
    inside = np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 0.9
    mask = np.repeat((inside * 255).astype(np.uint8)[..., None], 3, axis=2)
    found = shares(image(), feather=feather, mask=mask)
    for y, x in np.random.default_rng(seed).integers(0, (HEIGHT, WIDTH), (20, 2)):
        assert found[y, x] == plain_depth(inside, y, x, feather + 1) / (feather + 1)


def regions():
    """Random boxes, polygons and masks: (region, mask or None)."""
    edge = st.tuples(
        st.integers(0, WIDTH), st.integers(0, WIDTH), st.integers(0, HEIGHT), st.integers(0, HEIGHT)
    )
    boxes = edge.map(lambda e: ((min(e[:2]), min(e[2:]), max(e[:2]), max(e[2:])), None))
    polygons = st.lists(corner, min_size=3, max_size=6).map(lambda points: (points, None))
    masks = st.tuples(st.integers(0, 99), st.sampled_from([3, 4]))
    return boxes | polygons | masks.map(lambda m: (image(), noise(m[0], channels=m[1])))


@given(
    regions(),
    st.integers(0, 9),
    st.integers(0, 99),
    st.sampled_from([3, 4]),
    st.sampled_from([(12, 20), (5, 7)]),
)
def test_outside_no_pixel_ever_moves(region, feather, seed, channels, drawn):
    """Any region, feather, transparency and size of the new picture: outside is the source to the bit."""
    source, new = noise(seed, channels=channels), noise(seed + 1, *drawn)
    try:
        share = shares(region[0], feather, region[1])
    except InputError:
        return
    mixed = laid_in(source, new, share)
    assert (mixed.shape, mixed.dtype) == (source.shape, np.uint8)
    assert (mixed[share == 0] == source[share == 0]).all()
    assert ((share >= 0) & (share <= 1)).all()


def test_inside_the_new_picture_shows():
    """Weight 1 is the new pixel itself, one half is the middle; the source's transparency is covered."""
    source, new = np.full((1, 3, 4), (200, 0, 0, 0), np.uint8), np.full((1, 3, 3), 100, np.uint8)
    mixed = laid_in(source, new, np.array([[0, 0.5, 1]]))
    assert mixed[0].tolist() == [[200, 0, 0, 0], [100, 100, 100, 128], [100, 100, 100, 255]]
    grey = laid_in(source[..., :3], new, np.array([[0, 0.5, 1]]))
    assert grey[0].tolist() == [[200, 0, 0], [150, 50, 50], [100, 100, 100]]
