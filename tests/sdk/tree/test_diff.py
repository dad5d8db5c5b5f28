"""What two steps differ in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sightline as sl


def test_two_drawings_differ_in_seed_and_pixels(session, fake):
    """Parameters by name, pixels by numbers and a picture; nothing is computed, stored or moved."""
    a, b = session.generate("a red star", seed=1), session.generate("a red star", seed=2)
    before, calls = (session.head, session.verify_store()), len(fake.calls)
    found = session.diff(a, b)
    assert found.parameters == (("seeds", (1,), (2,)),)
    assert (found.text, found.same) == ("", False)
    apart = np.abs(a.image.numpy().astype(int) - b.image.numpy()).max(axis=2)
    (pixels,) = found.pixels
    assert (pixels.max_abs, pixels.changed) == (apart.max(), (apart > 0).mean())
    assert -1 <= pixels.ssim < 1
    heat = pixels.heatmap.numpy()
    assert (heat[apart == 0] == 0).all()
    assert (heat[apart == apart.max()] == 255).all()
    assert pixels.heatmap.alias is None
    assert (session.head, session.verify_store()) == before
    assert len(fake.calls) == calls


def test_a_step_does_not_differ_from_itself(session):
    """Same is same, also for the same work on another branch."""
    a = session.generate("a red star")
    again = session.generate("a red star")
    for other in (a, again):
        found = session.diff(a, other)
        assert found.same
        assert [(p.max_abs, p.changed, p.ssim) for p in found.pixels] == [(0, 0.0, 1.0)]
        assert not found.pixels[0].heatmap.numpy().any()
    assert "same" in repr(found)


def test_texts_are_a_unified_diff(session):
    """What was asked and answered, line by line."""
    a, b = session.generate("a red star"), session.generate("a blue star")
    asked = [session.understand(made, "what color is the star ?") for made in (a, b)]
    found = session.diff(*asked)
    assert [change.name for change in found.parameters] == ["image"]
    assert found.parameters[0].a == f"sha256:{a.image.ref.pixels}"
    assert f"image: 'sha256:{a.image.ref.pixels[:8]}'" in repr(found)
    assert "-text: red" in found.text.splitlines()
    assert "+text: blue" in found.text.splitlines()
    assert found.text.startswith(f"--- {asked[0].step.short}\n+++ {asked[1].step.short}\n")
    assert found.pixels == ()
    prompts = session.diff(a, b)
    assert "-prompt: a red star" in prompts.text
    assert ("prompt", "a red star", "a blue star") in prompts.parameters
    assert "prompt: 'a red star' → 'a blue star'" in repr(prompts)


def test_branches_differ_in_their_steps_since_they_parted(session):
    """The last common step, and each side's own, oldest first."""
    root = session.generate("a red star")
    session.branch("alt")
    left = [session.edit(root, "make the star blue"), session.generate("a ring")]
    session.checkout("alt")
    right = [session.edit(root, "make the star green")]
    found = session.diff("main", "alt")
    assert found.common == root.step
    assert found.only_a == tuple(made.step for made in left)
    assert found.only_b == tuple(made.step for made in right)
    back = session.diff("main~1", "main")
    assert (back.common, back.only_a, back.only_b) == (left[0].step, (), (left[1].step,))


def test_other_sizes_and_numbers_of_pictures_are_parameters(session):
    """Pictures are compared one by one where their sizes agree."""
    a, b = session.generate("a star", n=2), session.resize("img1", scale=0.5)
    found = session.diff(a, b)
    named = {change.name: (change.a, change.b) for change in found.parameters}
    assert named["picture 1 size"] == ((64, 64), (32, 32))
    assert named["picture 2 size"] == ((64, 64), None)
    assert named["pictures"] == (2, 1)
    assert named["tool"] == ("generate", "resize")
    assert found.pixels == ()
    assert len(session.diff(a, session.generate("a ring", n=2)).pixels) == 2


def test_marks_and_other_nested_values_are_compared(session):
    """Lists and floats stand as Python values."""
    star = session.generate("a star")
    marks = [session.annotate(star, [{"box": (0, 0, edge, 0.5)}]) for edge in (0.5, 1)]
    (change,) = session.diff(*marks).parameters
    assert change.name == "marks"
    assert change.a[0]["box"] == [0.0, 0.0, 0.5, 0.5]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 255), st.integers(0, 7), st.integers(0, 5), st.booleans())
def test_one_changed_pixel_is_found(level, y, x, see_through):
    """Any change of any pixel counts, and is white in the heat map; transparency is compared too."""
    plain = np.zeros((8, 6, 3), np.uint8)
    changed = np.dstack([plain, np.full((8, 6), 255, np.uint8)]) if see_through else plain.copy()
    changed[y, x, -1] = 255 - level if see_through else level
    with sl.Session(runtime=sl.FakeRuntime()) as s:
        (found,) = s.diff(s.add(plain), s.add(changed)).pixels
    assert (found.max_abs, round(found.changed * 48)) == (level, 1)
    assert found.ssim < 1
    assert found.heatmap.numpy()[y, x].tolist() == [255, 255, 255]
    assert np.count_nonzero(found.heatmap.numpy()) == 3


def test_what_names_no_step_cannot_be_compared(session):
    """An empty branch, an unknown name and a picture are InputErrors."""
    with pytest.raises(sl.NotFoundError, match="no step yet"):
        session.diff("HEAD", "HEAD")
    a = session.generate("a star")
    for wrong in ("nope", a.image, 5):
        with pytest.raises(sl.InputError):
            session.diff(a, wrong)
