"""A session as it was at one step."""

import pytest

import sightline as sl


def test_a_view_shows_a_step_and_moves_nothing(session):
    """Its result, its log, and the views of what it read; head and store stay."""
    a = session.generate("a red star")
    b = session.edit(a, "make the star blue")
    session.understand(b, "what color is the star ?")
    before = session.head, session.verify_store()
    view = session.at("HEAD~1")
    assert (view.id, view.step) == (b.step.id, b.step)
    assert view.show().image.ref == view.image.ref == view.images[0].ref == b.image.ref
    assert [step.tool for step in view.log()] == ["edit", "generate"]
    assert view.back() == session.at(a)
    assert view.inputs() == (session.at("img1"),)
    assert "step=" in repr(view)
    assert (session.head, session.verify_store()) == before


def test_work_goes_on_from_a_view_by_a_branch(session):
    """A branch or a tag is made at the view; its picture is taken by any verb."""
    a = session.generate("a red star")
    session.generate("a ring")
    view = session.at(a)
    view.branch("alt")
    view.tag("good")
    assert (session.branches["alt"], session.tags["good"]) == (a.step.id, a.step.id)
    assert session.head[0] == "main"
    assert session.edit(view.image, "make the star blue").step.data_parents == (a.step.id,)
    assert view.diff(session.at("HEAD")).b.tool == "edit"


def test_a_view_of_nothing_is_an_error(session):
    """No step yet, before the first, and a step without a picture are told."""
    with pytest.raises(sl.NotFoundError):
        session.at("HEAD")
    a = session.generate("a star")
    view = session.at(a)
    for n in (1, 2):
        with pytest.raises(sl.NotFoundError):
            view.back(n)
    asked = session.understand(a, "what is it ?")
    with pytest.raises(sl.InputError, match="no picture"):
        _ = session.at(asked).image
