"""The pure tools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Shelf

from sightline_runtime.errors import InputError
from sightline_tools import canvas


def picture(height, width, seed=0, planes=3):
    """Random pixels."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, planes), dtype=np.uint8)


def args(model, **values):
    """Checked arguments; the error inside pydantic's is raised as it is."""
    try:
        return model(**values)
    except ValueError as error:
        raise error.errors()[0]["ctx"]["error"] if hasattr(error, "errors") else error from None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), st.integers(1, 4), st.integers(1, 4))
def test_crop_cuts_exactly_the_pixels_named(left, top, width, height):
    """A pixel box gives just those pixels."""
    shelf, pixels = Shelf(), picture(12, 12)
    box = (left, top, left + width + 1, top + height + 1)
    cut = canvas.crop.run(canvas.CropArgs(image=shelf.save(pixels), box=box), shelf)
    assert np.array_equal(shelf.load(cut.image), pixels[top : top + height + 1, left : left + width + 1])


def test_crop_reads_parts_of_the_picture(shelf):
    """A box of parts from 0 to 1 scales with the picture."""
    cut = canvas.crop.run(canvas.CropArgs(image=shelf.save(picture(10, 20)), box=(0, 0, 0.5, 0.5)), shelf)
    assert (cut.image.width, cut.image.height) == (10, 5)


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((0, 0, 30, 5), "does not lie in the picture, which is 20x10"),
        ((5, 5, 5, 9), "does not lie in the picture, which is 20x10"),
        ((-1, 0, 4, 4), "does not lie in the picture, which is 20x10"),
        ((0, 0, float("nan"), 1), "the box is"),
        ((0.9, 0, 0.1, 1), "does not lie in the picture, which is 20x10"),
    ],
)
def test_crop_outside_is_refused_before_any_pixel_is_read(shelf, box, said):
    """A box that is empty or reaches outside is an InputError."""
    image = shelf.save(picture(10, 20))
    with pytest.raises(InputError, match=said):
        canvas.crop.run(canvas.CropArgs(image=image, box=box), shelf)
    assert shelf.loads == 0


def test_resize_keeps_proportions(shelf):
    """One edge decides the other; nearest doubles pixels exactly."""
    pixels = picture(4, 6)
    image = shelf.save(pixels)
    wide = canvas.resize.run(canvas.ResizeArgs(image=image, width=12, resample="nearest"), shelf)
    assert np.array_equal(shelf.load(wide.image), pixels.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(
    "change",
    [
        ({}, "resize needs a width, a height, or a scale"),
        ({"width": 3, "scale": 2.0}, "resize needs a width, a height, or a scale"),
        ({"scale": 0.0}, "scale 0.0"),
        ({"scale": float("inf")}, "scale inf"),
        ({"scale": float("nan")}, "scale nan"),
        ({"scale": 1e307}, "scale 1e+307"),
        ({"width": 0}, "width 0"),
        ({"height": 10**400}, "height 1000000"),
        ({"width": 10**6, "height": 10**6}, "1000000x1000000"),
    ],
)
def test_resize_needs_one_sensible_size(shelf, change):
    """No size, two sizes, or an impossible one is an InputError that says which."""
    asked, said = change
    with pytest.raises(InputError) as caught:
        args(canvas.ResizeArgs, image=shelf.save(picture(4, 600)), **asked)
    assert said in caught.value.message
    assert caught.value.hint


def test_annotate_draws_only_near_its_boxes(shelf):
    """Pixels away from the box stay as they were."""
    pixels = np.full((40, 40, 3), 255, np.uint8)
    mark = canvas.Mark(box=(5, 5, 20, 20), color="#ff0000")
    drawn = shelf.load(
        canvas.annotate.run(canvas.AnnotateArgs(image=shelf.save(pixels), marks=(mark,)), shelf).image
    )
    assert drawn[5, 10].tolist() == [255, 0, 0]
    assert (drawn[25:] == 255).all()


def test_annotate_refuses_an_unknown_colour(shelf):
    """A word that is no colour is an InputError."""
    mark = canvas.Mark(box=(0, 0, 1, 1), color="reddish")
    with pytest.raises(InputError, match="not a colour"):
        canvas.annotate.run(canvas.AnnotateArgs(image=shelf.save(picture(4, 4)), marks=(mark,)), shelf)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 7), st.integers(1, 4), st.integers(0, 3))
def test_every_picture_of_a_grid_can_be_cut_out_again(count, columns, padding):
    """A grid holds each picture unchanged in its cell."""
    shelf = Shelf()
    tiles = [picture(3, 5, seed) for seed in range(count)]
    request = canvas.GridArgs(images=tuple(map(shelf.save, tiles)), columns=columns, padding=padding)
    sheet = shelf.load(canvas.grid.run(request, shelf).image)
    for index, tile in enumerate(tiles):
        top, left = index // columns * (3 + padding), index % columns * (5 + padding)
        assert np.array_equal(sheet[top : top + 3, left : left + 5], tile)


def test_composite_lays_one_picture_on_another(shelf):
    """Full opacity replaces, none changes nothing, a mask chooses."""
    base, top = picture(8, 8, 1), picture(4, 4, 2)
    mask = np.zeros((4, 4, 3), np.uint8)
    mask[:2] = 255
    below, above, where = map(shelf.save, (base, top, mask))

    def run(**values):
        return shelf.load(
            canvas.composite.run(canvas.CompositeArgs(base=below, top=above, **values), shelf).image
        )

    assert np.array_equal(run(left=2, above=3)[3:7, 2:6], top)
    assert np.array_equal(run(alpha=0.0), base)
    masked = run(mask=where)
    assert np.array_equal(masked[:2, :4], top[:2])
    assert np.array_equal(masked[2:4], base[2:4])


@settings(max_examples=30, deadline=None)
@given(st.integers(), st.integers())
def test_composite_places_anywhere(left, above):
    """However far out the upper picture is put, what overlaps shows and the rest stays."""
    shelf, base, top = Shelf(), picture(8, 8, 1), picture(4, 4, 2)
    request = canvas.CompositeArgs(base=shelf.save(base), top=shelf.save(top), left=left, above=above)
    expected = base.copy()
    for y in range(max(above, 0), min(above + 4, 8)):
        for x in range(max(left, 0), min(left + 4, 8)):
            expected[y, x] = top[y - above, x - left]
    assert np.array_equal(shelf.load(canvas.composite.run(request, shelf).image), expected)


def test_compare_measures_what_changed(shelf):
    """A changed pixel is counted, boxed and priced; equal pictures are identical."""
    a = picture(6, 6)
    b = a.copy()
    b[2, 3] = 255 - b[2, 3]
    one, two = shelf.save(a), shelf.save(b)
    found = canvas.compare.run(canvas.CompareArgs(a=one, b=two), shelf)
    assert not found.identical
    assert found.box == (3, 2, 4, 3)
    assert found.changed_fraction == pytest.approx(1 / 36)
    same = canvas.compare.run(canvas.CompareArgs(a=one, b=one), shelf)
    assert same.identical
    assert same.psnr is None


def test_compare_refuses_other_sizes(shelf):
    """Pictures of different sizes cannot be compared."""
    with pytest.raises(InputError, match="resize"):
        args(canvas.CompareArgs, a=shelf.save(picture(4, 4)), b=shelf.save(picture(4, 5)))
