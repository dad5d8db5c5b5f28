"""Flatten: a chain of edits redone from its first picture."""

import numpy as np
import pytest

import sightline as sl
from sightline_runtime.world import judge


def seen(picture):
    """What the judge reads in a picture."""
    reading = judge.read(picture.numpy())
    return reading.background, {(thing.color, thing.shape) for thing in reading.things}


@pytest.fixture
def chain(session):
    """A drawing, three edits with other steps between, the second a draft."""
    drawn = session.generate("a red circle left of a blue square")
    green = session.edit(drawn, "make the circle green")
    session.understand(green, "what color is the circle ?")
    black = session.call("edit", image=green, instruction="change the background to black", draft=True)
    session.generate("a star")
    last = session.edit(black, "remove the square", steps=2)
    return drawn, last


def test_a_chain_is_redone_alone_and_at_full_quality(session, fake, chain):
    """The new branch holds the drawing and the edits, no draft, and shows what was asked."""
    drawn, _ = chain
    head, branches = session.head, dict(session.branches)
    fake.calls.clear()
    flat = session.flatten()
    assert [step.tool for step in session.log(branch=flat.branch)] == ["edit", "edit", "edit", "generate"]
    assert (flat.branch, flat.head) == ("main-flat", session.branches["main-flat"])
    assert flat.original.ref == drawn.image.ref
    assert flat.instructions == (
        "make the circle green",
        "change the background to black",
        "remove the square",
    )
    assert seen(flat.result.image) == ("black", {("green", "circle")})
    assert not any(
        step.args.get("draft") or step.args.get("steps") for step in session.log(branch="main-flat")
    )
    # the features of the draft are found again, its picture is decoded anew
    assert fake.calls == ["decode_features", "generate_features", "decode_features"]
    assert session.head == head
    assert {name: at for name, at in session.branches.items() if name != "main-flat"} == branches


def test_a_chain_at_full_quality_is_only_put_on_its_own(session, fake):
    """Where nothing was quick nothing is computed."""
    star = session.add(np.full((64, 64, 3), 245, np.uint8))
    first = session.edit(star, "add a red star")
    session.generate("a ring")
    last = session.edit(first, "make the star blue")
    fake.calls.clear()
    flat = session.flatten(last, branch="flat")
    assert fake.calls == []
    assert flat.result.image.ref == last.image.ref
    assert [step.tool for step in session.log(branch="flat")] == ["edit", "edit", "add"]


def test_one_call_joins_the_instructions(session, chain):
    """All that was asked is one edit of the first picture."""
    drawn, last = chain
    flat = session.flatten(last, one_call=True)
    step = session.show(flat.head).step
    assert (
        step.args["instruction"]
        == "make the circle green, then change the background to black, then remove the square"
    )
    assert step.data_parents == (drawn.step.id,)
    assert len(session.log(branch=flat.branch)) == 2


def test_the_picture_that_the_chain_went_through_counts(session):
    """Of several pictures of an edit the one that was edited further is redone."""
    two = session.generate("a star", n=2)
    edited = session.edit(two.images[1], "make the star blue", n=2)
    last = session.edit(edited.images[1], "change the background to black", steps=3)
    flat = session.flatten(last)
    assert flat.original.ref == two.images[1].ref
    assert flat.result.step.data_parents == (session.log(branch=flat.branch)[1].id,)


def test_what_is_no_chain_is_refused(session):
    """The last step must be an edit, and regions cannot be joined; nothing is made."""
    star = session.generate("a red star")
    region = session.edit(star, "make the star blue", region=(0, 0, 0.5, 1))
    for ref, options in ((star, {}), (region, {"one_call": True})):
        with pytest.raises(sl.InputError) as caught:
            session.flatten(ref, **options)
        assert caught.value.hint
    assert list(session.branches) == ["main"]
    assert session.flatten(region).result.image.ref == region.image.ref
