"""Features that are kept: what is computed, what is served, and that nobody can tell the difference."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contracts import runtime_suite

import sightline as sl
from sightline.store.opening import open_store
from sightline.tree.feature_rows import Row, kept_row, packed, row_keys
from sightline.tree.stages import Stages
from sightline_runtime.protocol import FeatureRequest, FeatureResult, ImageSlot, Job, Message, Preview
from sightline_runtime.testing import FakeRuntime, FaultyRuntime, with_fingerprint


class Counting(FakeRuntime):
    """Counts the rows of features and the pictures that it makes."""

    def __init__(self):
        super().__init__()
        self.drawn, self.painted = [], 0

    def generate_features(self, request):
        """Note the seeds, and draw."""
        self.drawn.append(request.seeds)
        return super().generate_features(request)

    def decode_features(self, request):
        """Count the pictures, and paint."""
        self.painted += len(request.features)
        return super().decode_features(request)

    def taken(self):
        """The seeds of each request since the last time this was asked, and the pictures painted."""
        found = (self.drawn, self.painted)
        self.drawn, self.painted = [], 0
        return found


@pytest.fixture
def counting():
    """A counting runtime."""
    return Counting()


@pytest.fixture
def s(counting):
    """A session on it, in memory."""
    with sl.Session(runtime=counting, seed=7) as opened:
        yield opened


CHEAP = {
    "another seed of the pixels": {"decode_seed": 5},
    "another size": {"size": (32, 32)},
    "a draft": {"draft": True},
    "all of them": {"decode_seed": 6, "size": (16, 16), "draft": True},
}


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("change", CHEAP.values(), ids=CHEAP)
def test_what_changes_pixels_alone_draws_nothing(s, counting, change, seed):
    """The backbone and the DiT are skipped; the pictures have the same seeds."""
    first = s.generate("a red star", n=2, seed=seed)
    assert (first.cache.status, counting.taken()) == ("miss", ([first.seeds], 2))
    second = s.generate("a red star", n=2, seed=seed, **change)
    assert (second.cache.status, counting.taken()) == ("partial", ([], 2))
    assert "2 of 2" in second.cache.why
    assert second.seeds == first.seeds
    assert "prompt_tokens" in first.usage
    assert "prompt_tokens" not in second.usage  # that was paid for once


@pytest.mark.parametrize("seed", [None, 3])
def test_five_pictures_after_three_draw_two(s, counting, seed):
    """The three are kept, in their places; fewer pictures draw none."""
    three = s.generate("a star", n=3, seed=seed)
    counting.taken()
    five = s.generate("a star", n=5, seed=seed)
    assert counting.taken() == ([five.seeds[3:]], 5)
    assert [p.ref for p in five.images[:3]] == [p.ref for p in three.images]
    assert s.generate("a star", n=4, seed=seed).cache.status == "partial"
    assert counting.taken() == ([], 4)


def test_an_edit_keeps_its_features_too(s, counting):
    """The source picture is part of the key: of another source nothing is served."""
    star, other = s.generate("a red star", seed=1), s.generate("a red star and a blue ring", seed=1)
    counting.taken()
    s.edit(star, "make the star blue", seed=4)
    assert counting.taken() == ([(4,)], 1)
    again = s.edit(star, "make the star blue", seed=4, size=(32, 32))
    assert (again.cache.status, counting.taken()) == ("partial", ([], 1))
    assert s.edit(other, "make the star blue", seed=4).cache.status == "miss"


@pytest.mark.parametrize("change", [{"steps": 3}, {"guidance": 1.0}, {"seed": 8}], ids=str)
def test_what_changes_features_draws_them(s, counting, change):
    """Steps, guidance and seed of the drawing are part of the key."""
    s.generate("a star", **{"seed": 3} | change)
    assert s.generate("a star", seed=3, size=(32, 32)).cache.status == "miss"
    assert len(counting.taken()[0]) == 2


def test_another_model_is_never_served(tmp_path, counting):
    """Rows of other weights stay where they are, and are found again by their own."""

    class Other(Counting):
        info = with_fingerprint(counting.info, "f" * 64)

    for runtime, status in ((counting, "miss"), (Other(), "miss"), (Counting(), "partial")):
        with sl.Session(tmp_path / "s", runtime=runtime, seed=7) as s:
            size = (8, 8) if status == "partial" else (16, 16)
            assert s.generate("a star", seed=3, size=size).cache.status == status
            assert len(runtime.drawn) == (status == "miss")


def spoil_object(folder, blob):
    """Change a byte of an object."""
    path = folder / "objects" / blob[:2] / blob[2:]
    data = bytearray(path.read_bytes())
    data[-1] ^= 0xFF
    path.write_bytes(bytes(data))


def lose_object(folder, blob):
    """Remove an object."""
    (folder / "objects" / blob[:2] / blob[2:]).unlink()


def point_elsewhere(folder, blob):
    """Let the row name the object of another row."""
    with closing(sqlite3.connect(folder / "session.db")) as connection, connection:
        connection.execute("UPDATE stages SET blob = (SELECT blob FROM stages WHERE blob <> ?)", (blob,))


def point_to_a_picture(folder, blob):
    """Let the row name an object that is no row."""
    with closing(sqlite3.connect(folder / "session.db")) as connection, connection:
        connection.execute("UPDATE stages SET blob = (SELECT blob FROM images LIMIT 1)")


@pytest.mark.parametrize("damage", [spoil_object, lose_object, point_elsewhere, point_to_a_picture])
def test_a_damaged_row_is_drawn_again_and_mended(tmp_path, counting, damage):
    """What is kept and not whole is missing; the next call mends it."""
    with sl.Session(tmp_path / "s", runtime=counting, seed=7) as s:
        star = s.generate("a star", seed=3)
        s.generate("a ring", seed=3)
        (row,) = s._store.database.stages_of(star.step.id)
        damage(tmp_path / "s", str(row["blob"]))
        counting.taken()
        again = s.generate("a star", seed=3, size=(32, 32))
        assert (again.cache.status, counting.taken()) == ("miss", ([(3,)], 1))
        assert s.generate("a star", seed=3, size=(16, 16)).cache.status == "partial"
        assert s.promote(s.generate("a star", seed=3, draft=True)).image.ref == star.image.ref


def test_rows_are_kept_with_their_step_and_not_before(tmp_path, fake):
    """A call that fails after drawing leaves no row and no object; nor does a replay."""
    with sl.Session(tmp_path / "s", runtime=FaultyRuntime(fake, {"decode_features": 1}), seed=7) as s:
        with pytest.raises(sl.EngineError):
            s.generate("a star")
        assert (s._store.database.stages(), list(s._store.objects.digests())) == ([], [])
        star = s.generate("a star")
        (row,) = s._store.database.stages()
        assert s._store.database.stages_of(star.step.id) == [row]
        fake.calls.clear()
        assert s.replay(star).ok
        assert fake.calls == ["generate_features", "decode_features"]


def test_objects_are_written_before_rows_and_rows_before_the_branch(s, monkeypatch):
    """A kill in between leaves garbage at most."""
    told = []

    def watched(owner, name):
        inner = getattr(owner, name)

        def work(*args, **options):
            told.append(name)
            return inner(*args, **options)

        monkeypatch.setattr(owner, name, work)

    for name in ("insert_stage", "insert_step", "move_ref"):
        watched(s._store.database, name)
    watched(s._store.objects, "put")
    s.generate("a star", n=2)
    stored = [name for name in told if name != "put"]
    assert stored == ["insert_stage", "insert_stage", "insert_step", "move_ref"]
    assert told.index("put") < told.index("insert_stage")


# --- the runtime itself ------------------------------------------------------------------------


@pytest.fixture
def store():
    """A store in memory."""
    opened = open_store()
    yield opened
    opened.close()


@pytest.mark.parametrize("check", runtime_suite.CHECKS, ids=lambda check: check.__name__)
def test_a_keeping_runtime_is_a_runtime(fake, store, check):
    """It keeps the contract of all runtimes, with nothing kept and with everything kept."""
    first = Stages(fake, store, "")
    check(first)
    first.keep()
    if check is not runtime_suite.check_drawing:  # counts the steps, and none are taken
        check(Stages(fake, store, ""))


def request(seeds, text="a star", **options):
    """Ask for features."""
    return FeatureRequest((Message("user", (text,)),), tuple(seeds), **options)


def test_previews_keep_the_places_of_their_pictures(fake, store):
    """Of five pictures of which three are kept, the previews are those of the other two."""
    first = Stages(fake, store, "")
    first.generate_features(request((1, 3, 5))).result()
    first.keep()
    job = Stages(fake, store, "").generate_features(request((1, 2, 3, 4, 5), preview_every=2))
    plain = fake.generate_features(request((1, 2, 3, 4, 5), preview_every=2))
    expected = [event for event in plain if isinstance(event, Preview) and event.index in (1, 3)]
    found = [event for event in job if isinstance(event, Preview)]
    assert [event.index for event in found] == [event.index for event in expected]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(found, expected, strict=True))


def test_pictures_that_are_all_there_still_tell_progress(fake, store):
    """A stream sees one event, then the end."""
    first = Stages(fake, store, "")
    first.generate_features(request((1, 2))).result()
    (event,) = list(first.generate_features(request((2, 1))))
    assert (event.done, event.total) == (2, 2)


def test_equal_seeds_are_drawn_once(counting, store):
    """A row stands for each seed that names it."""
    made = Stages(counting, store, "").generate_features(request((4, 4, 9, 4))).result()
    assert counting.drawn == [(4, 9)]
    assert [row.sum() for row in made.features] == [made.features[0].sum()] * 2 + [
        made.features[2].sum(),
        made.features[0].sum(),
    ]


class Telling(FakeRuntime):
    """Plans, warns and leaves pictures of even seeds unchanged."""

    def generate_features(self, request):
        """Give what follows from each seed."""
        same = tuple(seed % 2 == 0 for seed in request.seeds)
        rows = tuple(np.full(self.info.feature_shape, seed, np.float32) for seed in request.seeds)
        warnings = ("a word is unknown", *(("nothing to change",) if any(same) else ()))
        plans = request.plans or tuple(f"plan {seed}" for seed in request.seeds)
        job = Job()
        job.finish(FeatureResult(rows, plans, same, warnings))
        return job


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5), min_size=1, max_size=5))
def test_whatever_was_kept_the_result_is_that_of_a_fresh_run(asked):
    """Features, plans, what is unchanged and warnings are those of one call without a store."""
    store = open_store()
    for seeds in asked:
        stages = Stages(Telling(), store, "")
        found = stages.generate_features(request(seeds)).result()
        fresh = Telling().generate_features(request(seeds)).result()
        assert np.array_equal(found.features, fresh.features)
        assert (found.plans, found.unchanged) == (fresh.plans, fresh.unchanged)
        assert found.warnings == fresh.warnings
        stages.keep()
    store.close()


def test_given_plans_belong_to_their_rows(store):
    """Another plan is another row; plans are passed on for the missing rows alone."""
    first = Stages(Telling(), store, "")
    first.generate_features(request((1, 3), plans=("p", "q"))).result()
    first.keep()
    second = Stages(Telling(), store, "")
    made = second.generate_features(request((1, 3, 5), plans=("p", "other", "r"))).result()
    assert made.plans == ("p", "other", "r")
    assert second.cache.status == "partial"
    assert "1 of 3" in second.cache.why


PICTURE = np.zeros((4, 4, 3), np.uint8)
SHOWN = FeatureRequest((Message("user", (ImageSlot(0), "make it red")),), (1, 2), (PICTURE,))
OTHERS = {
    "text": replace(SHOWN, messages=(Message("user", (ImageSlot(0), "make it blue")),)),
    "role": replace(SHOWN, messages=(Message("system", (ImageSlot(0), "make it red")),)),
    "order": replace(SHOWN, messages=(Message("user", ("make it red", ImageSlot(0))),)),
    "picture": replace(SHOWN, images=(PICTURE + 1,)),
    "shape": replace(SHOWN, images=(PICTURE.reshape(2, 8, 3),)),
    "steps": replace(SHOWN, steps=3),
    "guidance": replace(SHOWN, guidance=2.0),
    "plans": replace(SHOWN, plans=("a", "b")),
    "seeds": replace(SHOWN, seeds=(3, 4)),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_every_part_of_a_request_is_in_the_key(other):
    """No two requests that differ share a row, nor do two models."""
    assert not set(row_keys(SHOWN, "f")) & set(row_keys(other, "f"))
    assert not set(row_keys(SHOWN, "f")) & set(row_keys(SHOWN, "g"))


def test_what_cannot_change_features_is_not_in_the_key():
    """Previews, deadlines and pictures that nothing shows leave the keys as they are."""
    same = replace(SHOWN, images=(PICTURE, PICTURE + 1), preview_every=3, deadline=9.0)
    assert row_keys(same, "f") == row_keys(SHOWN, "f")
    assert row_keys(replace(SHOWN, seeds=(2, 1)), "f") == row_keys(SHOWN, "f")[::-1]


BAD = {
    "no seeds": replace(SHOWN, seeds=()),
    "a picture that is not there": replace(SHOWN, images=()),
    "floating-point pixels": replace(SHOWN, images=(PICTURE.astype(np.float32),)),
    "too few plans": replace(SHOWN, plans=("a",)),
    "no steps": replace(SHOWN, steps=0),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_request_is_the_inner_runtimes_business(embedded, store, bad):
    """The error is the one that the model gives by itself, and nothing is kept."""
    with pytest.raises(sl.InputError) as plain:
        embedded.generate_features(bad).result()
    stages = Stages(embedded, store, "")
    with pytest.raises(sl.InputError) as caught:
        stages.generate_features(bad).result()
    assert str(caught.value) == str(plain.value)
    assert stages.keep() == ()


@settings(max_examples=40)
@given(
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=9),
    st.none() | st.text(),
    st.none() | st.booleans(),
    st.lists(st.text(), max_size=3),
)
def test_a_row_comes_back_to_the_bit(values, plan, unchanged, warnings):
    """What is packed is unpacked, and equal rows have equal bytes."""
    store = open_store()
    row = Row(np.array([values], np.float32), plan, unchanged, tuple(warnings))
    data = packed("key", row)
    assert data == packed("key", replace(row, features=row.features.copy()))
    store.database.insert_stage("key", store.objects.put(data), "{}")
    found = kept_row(store, "key")
    assert found.features.tobytes() == row.features.tobytes()
    assert replace(found, features=None) == replace(row, features=None)
    store.close()


# --- the shipped model -------------------------------------------------------------------------


def test_kept_features_give_the_very_pixels_of_a_fresh_run(embedded):
    """Five after three, another size, an edit: bit by bit as drawn alone, on the embedded model."""
    prompt, asked = "a red circle left of a blue square", "make the circle green"
    with sl.Session(runtime=embedded, seed=7) as kept, sl.Session(runtime=embedded, seed=7) as fresh:
        kept.generate(prompt, n=3)
        both = kept.generate(prompt, n=5), fresh.generate(prompt, n=5)
        kept.edit(both[0], asked, draft=True)
        edits = kept.edit(both[0], asked), fresh.edit(both[1], asked)
        sized = kept.generate(prompt, size=(48, 80)), fresh.generate(prompt, size=(48, 80), n=1)
        for again, first in (both, edits):
            assert (again.cache.status, first.cache.status) == ("partial", "miss")
        for again, first in (both, edits, sized):
            assert [p.ref.pixels for p in again.images] == [p.ref.pixels for p in first.images]
            assert (again.plans, again.warnings, again.seeds) == (first.plans, first.warnings, first.seeds)


def test_a_decode_seed_gives_other_pixels_of_the_same_features(embedded):
    """The noise of the decoder differs; the plan, and so the scene, stays."""
    with sl.Session(runtime=embedded, seed=7) as s:
        plain = s.generate("a red circle left of a blue square")
        other = s.generate("a red circle left of a blue square", decode_seed=1)
        assert other.image.ref != plain.image.ref
        assert other.plans == plain.plans
        assert other.seeds == plain.seeds
