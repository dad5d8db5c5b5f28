"""Why a step was computed or not."""

import re

import numpy as np
import pytest

import sightline as sl
from sightline_runtime.testing import FakeRuntime, FaultyRuntime, with_fingerprint
from sightline_tools.tool import Picture, ToolArgs
from sightline_tools.toolbox import default_toolbox


def changes(explanation):
    """What differs from the nearest step, by name."""
    return {change.name: (change.a, change.b) for change in explanation.differs}


def test_a_hit_names_the_step_its_session_and_branches(session):
    """The step that computed it, wherever the call was repeated since."""
    first = session.generate("a star", seed=3)
    session.branch("alt")
    session.generate("a star", seed=3)
    told = session.explain(session.generate("a star", seed=3))
    assert (told.status, told.source.id, told.session) == ("hit", first.step.id, "main")
    assert told.branches == ("alt", "main")
    assert first.step.short in str(told)


def test_a_hit_of_another_session_says_so(tmp_path, fake):
    """Sessions of one store share what was done."""
    with sl.Session("cats", store=tmp_path / "all", runtime=fake) as s:
        star = s.generate("a star", seed=3)
    with sl.Session("dogs", store=tmp_path / "all", runtime=fake) as s:
        told = s.explain(s.generate("a star", seed=3))
        assert (told.status, told.source.id, told.session, told.branches) == ("hit", star.step.id, "cats", ())


def test_a_partial_step_tells_what_was_kept_and_what_was_computed(session):
    """Picture by picture: seed, kept or computed, by which step, in how many seconds."""
    three = session.generate("a star", n=3, seed=3)
    five = session.generate("a star", n=5, seed=3)
    told = session.explain(five)
    assert (told.status, "3 of 5" in told.cache.why) == ("partial", True)
    assert [(row.seed, row.kept) for row in told.features] == [
        (seed, place < 3) for place, seed in enumerate(five.seeds)
    ]
    assert [row.maker.id for row in told.features[:3]] == [three.step.id] * 3
    assert changes(told) == {"n": (3, 5), "seeds": (three.seeds, five.seeds)}
    assert str(told).count("kept from") == 3


DIFFERENT = {
    "prompt": ({"prompt": "a red ring"}, ("a red star", "a red ring")),
    "steps": ({"steps": 9}, (None, 9)),
    "size": ({"size": (8, 8)}, (None, [8, 8])),
    "seeds": ({"seed": 9}, ((3,), (9,))),
    "draft": ({"draft": True}, (None, True)),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_miss_names_the_nearest_step_and_each_argument_that_differs(session, name):
    """Of two earlier steps the one with fewer differences."""
    near = session.generate("a red star", seed=3)
    session.generate("something else", seed=4, guidance=1.0)
    change, values = DIFFERENT[name]
    told = session.explain(session.generate(**{"prompt": "a red star", "seed": 3} | change))
    assert told.nearest.id == near.step.id
    assert changes(told) == {name: values}
    assert "no earlier step has this recipe" in told.cache.why or told.status == "partial"
    assert f"{name}: {values[0]!r} → {values[1]!r}" in str(told)


def test_another_source_picture_is_named_by_its_digest(session):
    """The picture that an edit read is one of the things that can differ."""
    a, b = session.generate("a red star", seed=1), session.generate("a red star and a blue ring", seed=1)
    session.edit(a, "make the star blue", seed=3)
    told = session.explain(session.edit(b, "make the star blue", seed=3))
    before, after = changes(told)["image"]
    assert (a.image.ref.pixels in str(before), b.image.ref.pixels in str(after)) == (True, True)
    assert re.search(r"image: \S*sha256:[0-9a-f]{8}\S* → ", str(told))


def test_another_model_and_another_version_are_named(tmp_path, fake):
    """A miss after an upgrade says that the weights, or the tool, are others."""

    class Other(FakeRuntime):
        info = with_fingerprint(fake.info, "f" * 64)

    def mark(version):
        @sl.tool(version=version)
        def mark(args: ToolArgs, ctx: sl.ToolContext) -> Picture:
            """Make a grey picture."""
            return Picture(image=ctx.save(np.zeros((4, 4, 3), np.uint8)))

        return default_toolbox().with_tools(mark)

    for runtime, version in ((fake, "1"), (Other(), "2")):
        with sl.Session(tmp_path / "s", runtime=runtime, toolbox=mark(version)) as s:
            drawn, made = s.generate("a star", seed=3), s.call("mark")
            told = s.explain(drawn), s.explain(made)
    assert changes(told[0]) == {"model": (fake.info.fingerprint, "f" * 64)}
    assert changes(told[1]) == {"tool version": ("1", "2")}


def test_the_first_step_of_a_tool_has_no_nearest(session):
    """There is nothing to compare it with, and it says so."""
    told = session.explain(session.generate("a star"))
    assert (told.status, told.nearest, told.differs) == ("miss", None, ())
    assert "no earlier step used generate" in told.cache.why
    assert session.explain() == told


def test_a_picture_from_outside_is_no_work_of_ours(session):
    """Bringing it in once is a miss, twice a hit."""
    grey = np.full((4, 4, 3), 9, np.uint8)
    first, second = session.add(grey), session.add(grey)
    assert "from outside" in session.explain(first).cache.why
    assert session.explain(second).source.id == first.step.id
    assert (first.cache.status, second.cache.status) == ("miss", "hit")


def test_a_failed_step_explains_itself(fake):
    """What failed is never served."""
    with sl.Session(runtime=FaultyRuntime(fake, {"decode_features": 1}), seed=1) as s:
        with pytest.raises(sl.EngineError):
            s.generate("a star")
        (failed,) = s._store.database.steps()
        assert "failed" in s.explain(str(failed["id"])).cache.why
        told = s.explain(s.generate("a star"))
        assert (told.status, told.nearest) == ("miss", None)


def test_a_step_that_was_damaged_then_is_named(tmp_path, fake):
    """The recipe was there, but its picture could not be read when it was asked for."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=1) as s:
        star = s.generate("a star")
        blob = star.image.ref.blob
        (tmp_path / "s" / "objects" / blob[:2] / blob[2:]).unlink()
        again = s.crop(s.generate("a star"), (0, 0, 1, 1))
        told = s.explain(again.step.data_parents[0])
        assert (told.status, told.nearest.id, told.differs) == ("partial", star.step.id, ())


def test_a_hit_whose_source_was_removed_is_still_a_hit(session):
    """The copy stands for itself."""
    session.generate("a star", seed=3)
    again = session.generate("a star", seed=3)
    session._store.database.delete_steps([again.step.parent])
    told = session.explain(again.step.id)
    assert (told.status, told.source) == ("hit", None)
    assert "not in the store any more" in str(told)


def test_damaged_notes_beside_rows_explain_nothing_and_break_nothing(session):
    """A note that cannot be read is left out."""
    star = session.generate("a star")
    (row,) = session._store.database.stages_of(star.step.id)
    for note in ("{", "[]", '{"seed": "x"}'):
        session._store.database.insert_stage(str(row["key"]), str(row["blob"]), note)
        assert session.explain(star).features == ()
    assert session.generate("a star", size=(8, 8)).cache.status == "partial"


@pytest.mark.parametrize("bad", ["nowhere", "HEAD~9", "main~1"])
def test_an_unknown_step_cannot_be_explained(session, bad):
    """NotFoundError, as everywhere."""
    session.generate("a star")
    with pytest.raises(sl.NotFoundError):
        session.explain(bad)


def test_an_empty_branch_has_nothing_to_explain(session):
    """The error says that there is no step yet."""
    with pytest.raises(sl.NotFoundError, match="no step yet"):
        session.explain()
