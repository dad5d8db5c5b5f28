"""The store: objects, rows, pointers, and what a crash or damage leaves."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sdk.store.old_stores import make_old

import sightline as sl
from sightline.errors import CorruptStoreError, StaleHeadError, StoreError
from sightline.store.objects import Objects
from sightline.store.opening import open_store


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=2000))
def test_objects_give_back_what_was_put(data):
    """Bytes are found under their sha256."""
    objects = Objects(None)
    digest = objects.put(data)
    assert digest == hashlib.sha256(data).hexdigest()
    assert objects.get(digest) == data
    assert list(objects.digests()) == [digest]
    objects.clear()


def test_objects_in_memory_are_private():
    """Two stores in memory do not see each other's objects."""
    one, two = Objects(None), Objects(None)
    digest = one.put(b"mine")
    assert list(two.digests()) == []
    with pytest.raises(CorruptStoreError, match="missing"):
        two.get(digest)


def test_a_changed_object_is_named(tmp_path):
    """Bytes that no longer match their digest are refused; others are readable."""
    objects = Objects(tmp_path)
    good, bad = objects.put(b"good"), objects.put(b"bad")
    (tmp_path / bad[:2] / bad[2:]).write_bytes(b"b@d")
    with pytest.raises(CorruptStoreError, match=bad[:8]):
        objects.get(bad)
    assert objects.get(good) == b"good"


def test_no_half_written_object_is_left(tmp_path, monkeypatch):
    """A write that fails leaves neither an object nor a temporary file."""
    objects = Objects(tmp_path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space"):
        objects.put(b"data")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_or_a_foreign_folder_is_refused_untouched(tmp_path):
    """What is not a session is not made into one."""
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    for path in (file, tmp_path):
        with pytest.raises(StoreError) as caught:
            open_store(path)
        assert caught.value.hint
    assert sorted(tmp_path.iterdir()) == [file]


def test_a_damaged_database_is_a_clear_error(tmp_path, fake):
    """A session.db that is no database is refused with a hint, and left as it is."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        s.generate("a star")
    database = tmp_path / "s" / "session.db"
    for rest in (tmp_path / "s").glob("session.db-*"):
        rest.unlink()
    database.write_bytes(b"not a database at all" * 100)
    with pytest.raises(CorruptStoreError) as caught:
        sl.Session(tmp_path / "s", runtime=fake)
    assert caught.value.code == "store_corrupt"
    assert database.read_bytes().startswith(b"not a database")


def test_a_store_of_a_newer_version_is_refused(tmp_path):
    """An older program does not touch a newer schema."""
    open_store(tmp_path / "s").close()
    with sqlite3.connect(tmp_path / "s" / "session.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="99"):
        open_store(tmp_path / "s")


def test_a_corrupt_picture_is_named_and_the_rest_works(tmp_path, fake):
    """verify_store names the damage; other pictures load; the report is still written."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=1) as s:
        a, b = s.generate("a star"), s.generate("a ring")
        blob = a.image.ref.blob
        (tmp_path / "s" / "objects" / blob[:2] / blob[2:]).write_bytes(b"rubbish")
        problems = s.verify_store().problems
        assert len(problems) == 1
        assert a.image.ref.pixels[:8] in problems[0]
        with pytest.raises(CorruptStoreError):
            a.image.numpy()
        assert b.image.numpy().shape == (64, 64, 3)
        assert s.report(tmp_path / "r.html").exists()


def test_a_tampered_step_is_named(tmp_path, fake):
    """A row that was changed no longer matches its id."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=1) as s:
        step = s.generate("a star").step
        with sqlite3.connect(tmp_path / "s" / "session.db") as connection:
            connection.execute("UPDATE steps SET args = replace(args, 'star', 'ring')")
        assert s.verify_store().problems == (f"step {step.short} does not match its digest",)


def test_two_writers_of_one_branch_one_wins(tmp_path, fake):
    """The stale writer gets an error with both heads; its step is stored and findable."""
    with sl.Session(tmp_path / "s", runtime=fake) as one, sl.Session(tmp_path / "s", runtime=fake) as two:
        first = one.generate("a star")
        with pytest.raises(StaleHeadError) as caught:
            two.generate("a ring")
        assert caught.value.found == first.step.id
        assert caught.value.expected is None
        assert one.verify_store().steps == 2
        two.checkout("main")
        assert two.generate("a ring").cache.status == "hit"


def test_many_threads_share_one_store(tmp_path):
    """Objects and rows written from many threads are all there."""
    store = open_store(tmp_path / "s")

    def write(number):
        for index in range(5):
            store.objects.put(f"{number} {index}".encode())
            store.database.set_meta(f"{number} {index}", "x")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(store.objects.digests())) == 30
    assert all(store.database.get_meta(f"{n} {i}") == "x" for n in range(6) for i in range(5))
    store.close()


KILLED = """
import os, signal, sys
import sightline as sl
from sightline.store.database import Database
from sightline.tree.refs import Refs
where, path = sys.argv[1:]
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
with sl.Session(path, runtime=sl.FakeRuntime(), seed=1) as s:
    s.generate("a star")
    if where == "before the row":
        Database.insert_step = die
    else:
        Refs.advance = die
    s.generate("a ring")
"""


@pytest.mark.parametrize("where", ["before the row", "before the ref"])
def test_a_kill_leaves_garbage_at_most(tmp_path, fake, where):
    """kill -9 between object and row, or row and ref: the store is whole, the head is old."""
    path = tmp_path / "s"
    killed = subprocess.run([sys.executable, "-c", KILLED, where, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with sl.Session(path, runtime=fake) as s:
        report = s.verify_store()
        assert report.problems == ()
        assert report.steps == len(s.log()) == 1
        assert s.generate("a ring").cache.status == "miss"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_store_can_be_read(tmp_path, fake):
    """Reading works, writing says so."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        s.generate("a star")
    (tmp_path / "s" / "session.db").chmod(0o444)
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        assert len(s.log()) == 1
        with pytest.raises(StoreError, match="read-only"):
            s.generate("a ring")


def test_a_step_row_stays_small(tmp_path, fake):
    """However large the pictures, however many, however long the prompt: a row is under 4 KB and complete."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=1) as s:
        large = s.add(np.random.default_rng(0).integers(0, 255, (600, 800, 3), dtype=np.uint8))
        s.grid([large] * 9)
        many = s.generate("a star", n=64)
        s.generate("ä" * 21_000)
        s.grid([s.add(np.full((1, 1, 3), level, np.uint8)) for level in range(64)])
        with closing(sqlite3.connect(tmp_path / "s" / "session.db")) as connection:
            rows = connection.execute("SELECT * FROM steps").fetchall()
        assert max(sum(len(str(value).encode()) for value in row) for row in rows) < 4096
        assert s.show(many).images == many.images
        assert s.verify_store().problems == ()


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_of_an_earlier_version_opens(tmp_path, fake, version):
    """What was stored is read as before, is found by its words, and has short names in order."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        stars = s.generate("a star", n=2)
        ring = s.generate("a ring" if version == 1 else "a ring " + "x" * 600)
        s.undo()
    make_old(tmp_path / "s" / "session.db", version)
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        database = s._store.database
        assert s.log() == [stars.step]
        assert s.redo() == ring.step
        assert database.search("RING") == [ring.step.id]
        assert [database.alias(p.ref.pixels) for p in ring.images] == [3]
        assert {database.alias(p.ref.pixels) for p in stars.images} == {1, 2}
        assert len(s.generate("a heart", n=64).images) == 64
        assert s.verify_store().problems == ()


def test_a_lost_text_is_named(tmp_path, fake):
    """A step whose long text is gone is damaged; the others are not."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        lost, kept = s.generate("a" * 1000), s.generate("a star")
        with closing(sqlite3.connect(tmp_path / "s" / "session.db")) as connection, connection:
            connection.execute("DELETE FROM texts WHERE text LIKE '%aaaaaaaa%'")
        (problem,) = s.verify_store().problems
        assert lost.step.short in problem
        assert s.show(kept).image.ref == kept.image.ref
