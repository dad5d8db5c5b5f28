"""What changed, in words: kind, thing and place of every kind of edit."""

import numpy as np
import pytest

from sightline.reasoning.changes import changed_places
from sightline_runtime.world import judge, language
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import Scene, SceneSampler, Thing

STAR, RING = Thing("star", "red", "large", 0), Thing("ring", "blue", "small", 8)


def sentence(change):
    """What a change should be called."""
    before, after = ({thing.cell: thing for thing in one.things} for one in (change.source, change.target))
    cells = [cell for cell in range(9) if before.get(cell) != after.get(cell)]
    if not cells:
        return f"the background became {change.target.background}"
    gone, come = (next((cell for cell in cells if cell in one), None) for one in (before, after))
    old, new = (
        None if cell is None else f"{one[cell].size} {one[cell].color} {one[cell].shape}"
        for one, cell in ((before, gone), (after, come))
    )
    if len(cells) == 2:
        return f"the {old} moved from {language.place(gone)[3:]} to {language.place(come)[3:]}"
    where = language.place(cells[0])
    if old is None:
        return f"a {new} was added {where}"
    return f"the {old} {where} was removed" if new is None else f"the {old} {where} became a {new}"


@pytest.mark.parametrize("kind", language.EDIT_KINDS)
def test_an_edit_is_told_in_one_sentence(session, kind):
    """Kind, thing and place."""
    world, told = SceneSampler(31, held_out=False), 0
    while told < 3:
        change = language.edit(world, kind)
        if not judge.edited(judge.read(paint(change.target)), change.source, change.target):
            continue
        found = session.describe_change(paint(change.source), paint(change.target))
        assert str(found) == sentence(change)
        told += 1


def test_several_changes_are_several_sentences(session):
    """The background first, then what became of things."""
    before = Scene("white", (STAR, RING))
    after = Scene("black", (Thing("heart", "red", "large", 0), Thing("cross", "green", "small", 4)))
    assert session.describe_change(paint(before), paint(after)).sentences == (
        "the background became black",
        "the large red star at the top left became a large red heart",
        "the small blue ring at the bottom right was removed",
        "a small green cross was added in the center",
    )


def test_nothing_changed_asks_nothing(session, fake):
    """The model is asked only where pixels differ."""
    picture = paint(Scene("white", (STAR,)))
    assert str(session.describe_change(picture, picture)) == "nothing changed"
    assert fake.calls == []


def test_places_that_differ_are_named_in_order(session):
    """Beside the background; what a decoder redraws without meaning it is none."""
    first = session.add(paint(Scene("white", (STAR, RING)))).image
    redrawn = session.add(first.numpy() - np.uint8(15)).image
    other = session.add(paint(Scene("white", (RING, Thing("cross", "green", "large", 4))))).image
    assert changed_places(first, redrawn) == ()
    assert changed_places(first, other) == ("at the top left", "in the center")


@pytest.mark.parametrize("size", [(1, 1), (2, 64)])
def test_tiny_pictures_have_places_without_pixels(session, size):
    """Nothing changes there."""
    before, after = (np.full((*size, 3), value, np.uint8) for value in (0, 255))
    assert session.describe_change(before, after).background is not None


def test_what_nobody_sees_has_not_changed(session, fake):
    """Transparent pixels are white to the model, whatever is below them."""
    one, other = (np.full((64, 64, 4), (*color, 0), np.uint8) for color in ((255, 0, 0), (0, 0, 255)))
    assert str(session.describe_change(one, other)) == "nothing changed"
    assert fake.calls == []


def test_pictures_of_two_sizes_are_compared(session):
    """The first is brought to the size of the second."""
    small = paint(Scene("white", (STAR,)))
    large = np.kron(small, np.ones((2, 2, 1), np.uint8))
    assert str(session.describe_change(small, large)) == "nothing changed"
