"""Locality: what of a change was asked, and what of it was not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Shelf

from sightline_runtime.world import language
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import SceneSampler
from sightline_tools import vision
from sightline_tools.locality import asked_in, locality, pieces


def grey(level=128, side=64):
    """A picture of one grey."""
    return np.full((side, side, 3), level, np.uint8)


def test_a_change_of_one_thing_is_local():
    """The square that changed is what was asked; nothing else moved."""
    after = grey()
    after[10:20, 30:40] = 255
    found = locality(grey(), after)
    assert (found.asked, found.outside, found.outside_error) == ("largest change", 0, 0)
    assert found.box == (28, 8, 42, 22)
    assert found.share == pytest.approx(14 * 14 / 64**2, abs=1e-6)
    assert found.inside == pytest.approx(100 / 14**2, abs=1e-6)


def test_scattered_changes_lie_outside():
    """Spots beside the main change count as outside, with how much they moved."""
    after = grey()
    after[10:20, 30:40] = 255
    after[50, 5:9] = 28
    found = locality(grey(), after)
    rest = 64**2 - 14**2
    assert found.outside == pytest.approx(4 / rest, abs=1e-6)
    assert found.outside_error == pytest.approx(400 / rest, abs=1e-6)


def test_what_is_too_little_to_be_a_change_is_still_an_error():
    """A decoder's noise changes no pixel, but the mean difference tells it."""
    found = locality(grey(128), grey(120))
    assert (found.asked, found.share, found.outside, found.outside_error) == ("nothing", 0, 0, 8)
    assert found.box is None


def test_a_thing_that_moved_was_asked_in_both_places():
    """Where it was and where it is now are pieces of like size."""
    moved = np.zeros((64, 64), bool)
    moved[4:12, 4:12] = moved[40:47, 40:50] = True
    moved[60, 3] = True
    asked = asked_in(moved)
    assert asked[5, 5]
    assert asked[44, 44]
    assert not asked[60, 3]


def test_a_region_says_what_was_asked():
    """Inside and outside are those of the region, also where it has another size than the new picture."""
    after = grey()
    after[10:20, 30:40] = 255
    region = np.zeros((128, 128), bool)
    region[:, :64] = True
    found = locality(grey(side=128), after, region)
    assert (found.asked, found.share) == ("region", 0.5)
    assert (found.inside, found.outside) == (0.009766, 0.039062)
    assert str(found).startswith("region: 50% of the picture")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.2, 0.45, 0.6]))
def test_pieces_are_those_of_a_flood_fill(seed, density):
    """Connected pieces of random masks, compared with the textbook's fill."""
    mask = np.random.default_rng(seed).random((9, 11)) < density
    labels, sizes = pieces(mask)
    todo, found = {tuple(place) for place in np.argwhere(mask)}, []
    while todo:
        edge = [todo.pop()]
        found.append({edge[0]})
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & todo
            todo -= near
            found[-1] |= near
            edge += near
    named = {frozenset(map(tuple, np.argwhere(labels == n))) for n in range(1, len(sizes) + 1)}
    assert named == {frozenset(map(tuple, piece)) for piece in found}
    assert sorted(sizes) == sorted(len(piece) for piece in found)


@pytest.mark.parametrize("kind", ["recolor", "add", "remove", "replace", "move", "resize"])
def test_real_edits_are_local(embedded, kind):
    """The embedded model changes a small part of the picture and next to nothing beside it."""
    change = language.edit(SceneSampler(5), kind)
    shelf = Shelf(embedded, (3,))
    source = shelf.save(paint(change.source))
    edited = vision.edit.run(vision.EditArgs(image=source, instruction=change.instruction), shelf)
    (found,) = edited.localities
    assert found.asked == "largest change"
    assert found.share < 0.3
    assert found.inside > 0.15
    assert found.outside < 0.03
    assert found.outside_error < 6


def test_a_picture_that_was_drawn_anew_shows(embedded):
    """Another picture altogether changes nearly all of it; with a region nearly all outside."""
    world = SceneSampler(5)
    one, two = (paint(language.edit(world, "background").source) for _ in range(2))
    found = locality(one, two)
    assert found.share > 0.9
    region = np.zeros((64, 64), bool)
    region[:20, :20] = True
    assert locality(one, two, region).outside > 0.8
