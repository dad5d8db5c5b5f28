"""Sweeping: what nobody can reach goes, what anybody can reach never does, and a dry run only tells."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

import sightline as sl
from sightline.errors import CorruptStoreError, InputError, StoreError
from sightline.store import sweep
from sightline.store.opening import open_store


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """Where sessions of one store are opened: the arguments of Session."""
    if request.param == "sqlite":
        return {"store": tmp_path / "s"}
    return {"store": request.getfixturevalue("postgres"), "objects": tmp_path / "objects"}


def contents(store):
    """Everything in a store, to compare."""
    tables = ("steps", "images", "made", "refs", "moves", "aliases", "stages", "step_stages", "texts", "meta")
    rows = {table: sorted(map(str, store.database._select(f"SELECT * FROM {table}"))) for table in tables}
    return rows, sorted(store.objects.digests())


def undone(session, prompt="a ring"):
    """A step that nothing leads to but the memory of moves: it was undone and something else done."""
    gone = session.generate(prompt)
    session.undo()
    session.generate("a heart")
    return gone


def test_what_nothing_leads_to_is_removed(place, fake):
    """Rows, words, long texts and objects go; the rest of the session is as it was."""
    with sl.Session("a", **place, runtime=fake) as s:
        star = s.generate("a star")
        gone = undone(s, "a ring " + "x" * 600)
        heart = s.show("HEAD")
        swept = s.gc(dry_run=False, older_than=0)
        assert (swept.steps, swept.images) == ((gone.step.id,), (gone.image.ref.pixels,))
        assert gone.image.ref.blob in swept.objects
        assert swept.bytes > 0
        assert s.log() == [heart.step, star.step]
        assert [found.step for found in s.find("a")] == [heart.step, star.step]
        for kept in (star, heart):
            assert np.array_equal(s.show(kept).image.numpy(), kept.image.numpy())
        with pytest.raises(sl.NotFoundError):
            s.show(gone.step.id)
        report = s.verify_store()
        assert (report.problems, report.steps, report.images) == ((), 2, 2)
        assert s.gc(dry_run=False, older_than=0).steps == ()
        assert s.generate("a ring " + "x" * 600).image.ref == gone.image.ref


def test_a_dry_run_tells_the_same_and_changes_nothing(place, fake):
    """What it lists is what the next call removes."""
    with sl.Session("a", **place, runtime=fake) as s:
        undone(s)
        before = contents(s._store)
        told = s.gc(older_than=0)
        assert contents(s._store) == before
        assert told.dry_run
        done = s.gc(dry_run=False, older_than=0)
        assert (told.steps, told.images, told.objects, told.bytes) == (
            done.steps,
            done.images,
            done.objects,
            done.bytes,
        )
        assert "dry run" in repr(told)
        assert "1 steps" in repr(done)


def test_what_is_young_stays(place, fake):
    """By default two weeks are kept: a step that was undone just now is one reflog entry away."""
    with sl.Session("a", **place, runtime=fake) as s:
        gone = undone(s)
        s._store.objects.put(b"left by a crash")
        before = contents(s._store)
        assert s.gc(dry_run=False).steps == ()
        assert contents(s._store) == before
        assert s.show(gone).step == gone.step


@pytest.mark.parametrize("pin", ["tag", "branch", "redo", "data", "other session"])
def test_what_is_pinned_stays(place, fake, pin):
    """A tag, a branch, a redo, a picture that was used later, and other sessions keep a step."""
    with sl.Session("a", **place, runtime=fake) as s, sl.Session("b", **place, runtime=fake) as other:
        kept = s.generate("a ring")
        if pin in ("tag", "branch"):
            getattr(s, pin)("pin", at=kept)
        s.undo()
        if pin != "redo":
            s.generate("a heart")
        if pin == "data":
            s.crop(kept, (0, 0, 9, 9))
        if pin == "other session":
            other.crop(kept, (0, 0, 9, 9))
        assert s.gc(dry_run=False, older_than=0).steps == ()
        assert s.show(kept).image.numpy().any()
        assert s.verify_store().problems == ()


def test_stages_go_with_their_steps(place, fake):
    """A stage that a kept step used stays with its object; one of a removed step goes with it."""
    with sl.Session("a", **place, runtime=fake) as s:
        store, row = s._store, s.generate("a star").step.to_row()
        own = {row["key"] for row in store.database.stages()}
        for key, parent in (("kept", row["id"]), ("gone", None)):
            store.database.insert_stage(key, store.objects.put(key.encode()), "{}")
            placed = sl.Step.from_row(row)
            made = sl.Step(**{**vars(placed), "parent": parent, "recipe": key, "id": ""})
            store.database.insert_step(made.to_row(), stages=[key])
            if key == "kept":
                store.database.move_ref("tag", "t", expected=None, new=made.id, create=True)
        swept = s.gc(dry_run=False, older_than=0)
        assert "gone" in swept.stages
        assert {row["key"] for row in store.database.stages()} == {"kept", *own}
        assert store.objects.get(str(store.database.get_stage("kept")["blob"])) == b"kept"


def test_old_work_that_is_found_again_is_dated_anew(place, fake):
    """A picture of a step that nothing leads to is kept from a sweep once a call is about to reuse it."""
    with sl.Session("a", **place, runtime=fake) as s:
        gone, database = undone(s), s._store.database
        pixels = gone.image.ref.pixels
        database._write(lambda c: c.exec_driver_sql("UPDATE images SET touched = 1"))
        assert database.touch_images([pixels])
        assert time.time() - database.images_touched()[pixels] < 60
        assert not database.touch_images([pixels, "0" * 64])


def test_a_writer_is_told_when_a_sweep_took_its_ground(place, fake):
    """A step on a head that was moved away and swept is refused; the next call goes on."""
    with sl.Session("a", **place, runtime=fake) as s, sl.Session("a", **place, runtime=fake) as late:
        s.generate("a ring")
        late.checkout("main")
        s.undo()
        s.generate("a heart")
        s.gc(dry_run=False, older_than=0)
        with pytest.raises(StoreError):
            late.generate("a star")
        late.checkout("main")
        late.generate("a star")
        assert len(late.log()) == 2
        assert s.verify_store().problems == ()


def test_a_sweep_beside_writers_breaks_nothing(place, fake):
    """Threads draw, undo and draw again while sweeps run; every branch is whole after each."""
    stop, failures = threading.Event(), []

    def work(name):
        try:
            with sl.Session(name, **place, runtime=fake) as s:
                for number in range(12):
                    s.generate(f"a star {number % 5}")
                    if number % 3 == 2:
                        s.undo(2)
        except sl.SightlineError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    with sl.Session("c", **place, runtime=fake) as s:
        while any(thread.is_alive() for thread in threads) and not stop.wait(0.01):
            s.gc(dry_run=False, older_than=30)
        s.gc(dry_run=False, older_than=0)
        assert failures == []
        assert s.verify_store().problems == ()
    for name in ("a", "b"):
        with sl.Session(name, **place, runtime=fake) as s:
            assert len(s.log()) == 4
            assert all(s.show(step).image.numpy().any() for step in s.log())


def test_an_object_that_is_put_again_is_not_discarded(tmp_path):
    """What is younger than the limit is given back, what is older goes, what is gone stays so."""
    store = open_store(tmp_path / "s")
    digest = store.objects.put(b"data")
    assert not store.objects.discard(digest, older_than=60)
    assert store.objects.get(digest) == b"data"
    assert store.objects.discard(digest, older_than=0)
    assert store.objects.discard(digest, older_than=0)
    (tmp_path / "s" / "objects" / digest[:2] / "half.new").write_bytes(b"da")
    sweep.gc(store, dry_run=False, older_than=0)
    assert [path for path in (tmp_path / "s" / "objects").rglob("*") if path.is_file()] == []
    store.close()


DAMAGE = {
    "a step": "UPDATE steps SET data_parents = '{oops' WHERE tool = 'generate'",
    "its pictures": "UPDATE steps SET outputs = '[' WHERE tool = 'generate'",
    "a list to redo": "UPDATE refs SET target = 'oops' WHERE kind = 'redo'",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_stops_a_sweep(place, fake, what):
    """What leads where is unknown, so nothing is removed."""
    with sl.Session("a", **place, runtime=fake) as s:
        s.generate("a star")
        s.crop(s.show("HEAD"), (0, 0, 9, 9))
        s.undo()
        s._store.database._write(lambda connection: connection.exec_driver_sql(DAMAGE[what]))
        before = contents(s._store)
        with pytest.raises(CorruptStoreError, match="nothing was removed"):
            s.gc(dry_run=False, older_than=0)
        assert contents(s._store) == before


def test_stores_that_share_their_objects_are_not_swept(tmp_path, fake):
    """A second store in the same place may need any of them."""
    shared = tmp_path / "shared"
    with (
        sl.Session(tmp_path / "a", objects=shared, runtime=fake) as a,
        sl.Session(tmp_path / "b", objects=shared, runtime=fake) as b,
    ):
        star = a.generate("a star")
        for session in (a, b):
            with pytest.raises(StoreError, match="another store"):
                session.gc(dry_run=False, older_than=0)
        assert a.show(star).image.numpy().any()


@pytest.mark.parametrize("older_than", [-1, "week", None, True, float("nan")])
def test_an_age_must_be_one(fake, older_than):
    """Anything but seconds from 0 on is refused."""
    with sl.Session(runtime=fake) as s, pytest.raises(InputError, match="older_than"):
        s.gc(older_than=older_than)


def test_a_sweep_that_dies_midway_is_finished_by_the_next(place, fake, monkeypatch):
    """Rows go first: what is left are objects that no row names."""
    with sl.Session("a", **place, runtime=fake) as s:
        gone = undone(s)

        def die(*args, **kwargs):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(type(s._store.objects), "discard", die)
            with pytest.raises(KeyboardInterrupt):
                s.gc(dry_run=False, older_than=0)
        assert s.verify_store().problems == ()
        assert gone.image.ref.blob in s._store.objects.digests()
        assert gone.image.ref.blob in s.gc(dry_run=False, older_than=0).objects
        assert s.verify_store().problems == ()


def test_a_file_that_is_finished_while_it_is_swept_is_no_error(tmp_path, fake, monkeypatch):
    """A sweep lists a half-written file that its writer has renamed a moment later."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        s.generate("a red star")
        objects = s._store.objects
        ghost = tmp_path / "s" / "objects" / "ab" / "cd.new"
        monkeypatch.setattr(Path, "glob", lambda *_: iter([ghost]))
        objects.sweep_halves(older_than=0)
        assert s.verify_store().problems == ()
