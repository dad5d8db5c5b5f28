"""A recorded call put on another branch."""

import pytest

import sightline as sl
from sightline_runtime.testing import FaultyRuntime


@pytest.fixture
def parted(session):
    """A star on main, drawn blue there; a branch without that."""
    star = session.generate("a red star")
    session.branch("alt")
    session.edit(star, "make the star blue")
    return session


def test_the_call_is_put_on_another_branch_without_computing(parted, fake):
    """Recipe, pictures and data parents stay; the current branch does not move."""
    head, calls = parted.head, len(fake.calls)
    picked = parted.cherry_pick("HEAD", onto="alt")
    blue = parted.show("main")
    assert len(fake.calls) == calls
    assert (parted.head, parted.branches["alt"]) == (head, picked.step.id)
    assert picked.step.recipe == blue.step.recipe
    assert picked.step.data_parents == blue.step.data_parents
    assert picked.step.parent == parted.at("main~1").id
    assert (picked.image.ref, picked.alias, picked.cache.status) == (blue.image.ref, blue.alias, "hit")
    assert parted.reflog(1)[0].why == "cherry_pick"
    assert parted.verify_store().problems == ()


def test_it_goes_onto_the_current_branch_by_default(parted):
    """The branch advances, and what could be redone is forgotten."""
    blue = parted.show("HEAD")
    parted.checkout("alt")
    picked = parted.cherry_pick(blue)
    assert parted.head == ("alt", picked.step.id)
    with pytest.raises(sl.InputError, match="redone"):
        parted.redo()


def test_an_answer_and_an_added_picture_are_picked_too(parted, fake):
    """Any finished step can be, also where its tool is not installed."""
    asked = parted.understand("img1", "what color is the star ?")
    added = parted.add(b := parted.show("img1").image.numpy()[::-1].copy())
    assert parted.cherry_pick(asked, onto="alt").text == "red"
    assert (parted.cherry_pick(added, onto="alt").image.numpy() == b).all()


def test_what_cannot_be_picked_is_refused(parted, fake):
    """An unknown step or branch, a tag as a branch, and a failed step; nothing moves."""
    before = parted.branches, parted.verify_store().steps
    parted.tag("good")
    for step, onto in (("nope", "alt"), ("HEAD", "nope"), ("HEAD", "@good"), ("HEAD", "")):
        with pytest.raises(sl.NotFoundError):
            parted.cherry_pick(step, onto=onto)
    assert (parted.branches, parted.verify_store().steps) == before
    with sl.Session(runtime=FaultyRuntime(fake, {"generate_features": 1})) as s:
        with pytest.raises(sl.EngineError):
            s.generate("a star")
        failed = s.tree(everything=True).nodes[0]
        with pytest.raises(sl.InputError, match="failed"):
            s.cherry_pick(failed.id)
