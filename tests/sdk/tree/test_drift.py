"""The drift meter: what a chain of edits has done to the rest of its picture."""

import numpy as np
import pytest

import sightline as sl
from sightline_runtime.testing import Drawn, ScriptedRuntime


def grey(level=128):
    """A picture of one grey."""
    return np.full((64, 64, 3), level, np.uint8)


def with_square(picture, left, level=255):
    """A picture with a square of one grey at the top."""
    changed = picture.copy()
    changed[4:20, left : left + 16] = level
    return changed


def scripted(*pictures):
    """A session whose model draws these pictures, one an edit."""
    return sl.Session(runtime=ScriptedRuntime(*(Drawn(picture) for picture in pictures)))


def test_edits_that_leave_the_rest_alone_do_not_drift():
    """What was asked is not counted: both distances are zero for every edit."""
    one = with_square(grey(), 4)
    with scripted(one, with_square(one, 40, 0)) as s:
        s.edit(s.edit(grey(), "a square"), "another")
        found = s.drift()
    assert [(e.own.changed, e.own.error, e.own.ssim) for e in found.edits] == [(0, 0, 1)] * 2
    assert [(e.total.error, e.total.ssim) for e in found.edits] == [(0, 1)] * 2
    assert found.edits[1].total.share < found.edits[0].total.share


def test_what_moves_beside_the_edit_adds_up():
    """Each makes the ground darker: always 4 from the picture before, more and more from the first."""
    pictures = [with_square(grey(128 - 4 * n), 4, 255 - 60 * n) for n in (1, 2, 3)]
    with scripted(*pictures) as s:
        at = s.add(with_square(grey(), 4))
        for _ in pictures:
            at = s.edit(at, "a darker square")
        found = s.drift()
    assert [round(edit.own.error, 6) for edit in found.edits] == [4, 4, 4]
    assert [round(edit.total.error, 6) for edit in found.edits] == [4, 8, 12]
    assert found.edits[0].total.ssim > found.edits[2].total.ssim
    assert found.original == s_first(found)


def s_first(found):
    """The picture that the first edit read."""
    return found.edits[0].step.args["image"]["$image"]


def test_a_region_says_what_was_asked(session):
    """Outside a region nothing moves, so nothing drifts, whatever the model did there."""
    star = session.generate("a red star at the top left")
    session.edit(star, "make the star blue", region=(0, 0, 0.3, 0.3))
    session.edit(session.show("HEAD"), "make the star green", region=[(0, 0), (1, 0), (0, 1)])
    found = session.drift()
    assert [edit.total.error for edit in found.edits] == [0, 0]
    assert "in a region: make the star blue" in str(found)


def test_the_chain_is_that_of_the_pictures(session):
    """Questions between are passed over, edits of other pictures are not in it, and any step can be asked."""
    star = session.generate("a red star")
    blue = session.edit(star, "make the star blue")
    session.edit(session.generate("a ring"), "make the ring green")
    green = session.edit(blue, "make the star green")
    session.understand(green, "what color is the star ?")
    assert [e.step.id for e in session.drift().edits] == [blue.step.id, green.step.id]
    assert [e.step.id for e in session.drift(blue).edits] == [blue.step.id]
    assert session.drift(star).edits == ()
    assert str(session.drift(star)) == "no edits: nothing has drifted"


def test_pictures_of_several_sizes_are_compared(session):
    """A large photograph edited by a small model, and a mask in its size."""
    large = np.kron(session.generate("a red star").image.numpy(), np.ones((2, 2, 1), np.uint8))
    mask = np.zeros((128, 128), np.uint8)
    mask[:64] = 255
    kept = session.edit(large, "make the star blue", region=mask)
    session.edit(kept, "make the star green")
    found = session.drift()
    assert len(found.edits) == 2
    assert found.edits[0].own.share == pytest.approx(0.5, abs=0.05)


def test_the_table_is_small_and_plain(session):
    """Two heads and one line an edit, the same in the notebook and in print."""
    session.edit(session.generate("a red star"), "make the star blue")
    found = session.drift()
    lines = str(found).splitlines()
    assert len(lines) == 3
    assert all(len(line) < 110 for line in lines)
    assert lines[2].startswith(found.edits[0].step.short)
    assert repr(found) == str(found)


def test_an_empty_branch_has_nothing_to_measure(session):
    """No step: no edits, or the error that every verb gives."""
    assert session.drift().edits == ()


def test_real_edits_drift_little(embedded):
    """Three edits by the embedded model: what was not asked stays within what its decoder cannot hold."""
    with sl.Session(runtime=embedded, seed=7) as s:
        at = s.generate("a large red circle at the top left and a large blue square in the center")
        for instruction in ("make the circle green", "make the square small", "make the circle yellow"):
            at = s.edit(at, instruction)
        last = s.drift().edits[-1].total
    assert last.changed < 0.03
    assert last.error < 6
    assert last.ssim > 0.8
