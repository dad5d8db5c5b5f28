"""Looking closer, and at one part alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_runtime.errors import InputError
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import Scene, Thing
from sightline_tools.sketch import PartArgs, ZoomArgs, isolate, zoom

PICTURE = paint(Scene("gray", (Thing("star", "red", "large", 0), Thing("ring", "blue", "large", 8))))


def test_isolate_keeps_the_part_and_nothing_else(shelf):
    """Inside the box no pixel changes, outside there is only the border's colour."""
    args = PartArgs(image=shelf.save(PICTURE), box=(0, 0, 0.5, 0.5))
    kept = shelf.load(isolate.run(args, shelf).image)
    assert np.array_equal(kept[:32, :32], PICTURE[:32, :32])
    assert (kept[32:] == PICTURE[0, 63]).all()
    assert (kept[:, 32:] == PICTURE[0, 63]).all()


def test_zoom_fills_the_picture(shelf):
    """A part with the picture's proportions is enlarged to its whole size."""
    args = ZoomArgs(image=shelf.save(PICTURE), box=(0, 0, 32, 32), resample="nearest")
    near = shelf.load(zoom.run(args, shelf).image)
    assert np.array_equal(near, PICTURE[:32, :32].repeat(2, 0).repeat(2, 1))


@given(edges=st.tuples(*[st.integers(0, 64)] * 4))
def test_any_box_gives_the_same_size_or_is_refused(edges):
    """Whatever the box, the picture keeps its size, or the box is refused as empty."""
    from tests.conftest import Shelf

    shelf = Shelf()
    ref = shelf.save(PICTURE)
    for tool, kind in ((zoom, ZoomArgs), (isolate, PartArgs)):
        args = kind(image=ref, box=edges)
        try:
            made = tool.run(args, shelf).image
        except InputError:
            assert edges[0] >= edges[2] or edges[1] >= edges[3] or all(edge <= 1 for edge in edges)
        else:
            assert (made.width, made.height) == (64, 64)


def test_transparency_is_kept(shelf):
    """A picture with an alpha channel keeps it."""
    pixels = np.dstack([PICTURE, np.full((64, 64), 128, np.uint8)])
    made = zoom.run(ZoomArgs(image=shelf.save(pixels), box=(0.1, 0.1, 0.4, 0.9)), shelf).image
    assert made.mode == "RGBA"


def test_an_empty_box_is_refused(shelf):
    """A box without area is an error before anything is made."""
    args = PartArgs(image=shelf.save(PICTURE), box=(5, 5, 5, 9))
    with pytest.raises(InputError, match="does not lie"):
        isolate.run(args, shelf)
