"""Opening: many sessions of a store, objects wherever they are, and what is refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import fsspec
import numpy as np
import pytest

import sightline as sl
from sightline.errors import InputError, StoreError
from sightline.store.objects import Objects
from sightline.store.opening import open_store


def test_sessions_of_one_folder_share_their_work(tmp_path, fake):
    """The same call in another session is found; branches, seeds and numbers are each session's own."""
    with sl.Session("cats", store=tmp_path / "s", runtime=fake, seed=1) as cats:
        star = cats.generate("a star", seed=5)
        cats.branch("alt")
    with sl.Session("dogs", store=str(tmp_path / "s"), runtime=fake, seed=2) as dogs:
        assert (dogs.name, dogs.log(), list(dogs.branches)) == ("dogs", [], ["main"])
        dogs.add(np.zeros((4, 4, 3), np.uint8))
        again = dogs.generate("a star", seed=5)
        assert again.cache.status == "hit"
        assert again.image.ref == star.image.ref
        assert again.step.id != star.step.id
        assert dogs.find("star")[0].step == again.step
        assert dogs.verify_store().problems == ()
    with sl.Session("cats", store=tmp_path / "s", runtime=fake) as cats:
        assert cats.log() == [star.step]
        assert cats._executor.seed == 1


def test_a_folder_without_a_name_is_the_session_main(tmp_path, fake):
    """Session(folder) and Session("main", store=folder) are the same."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        star = s.generate("a star")
        assert s.name == "main"
    for arguments in (("main",), ()):
        with sl.Session(*arguments, store=tmp_path / "s", runtime=fake) as s:
            assert s.log() == [star.step]
            assert s.path == tmp_path / "s"


@pytest.mark.parametrize("name", ["", "a b", "../x", "ä", "x" * 101, 3, "\x00"])
def test_a_strange_name_is_refused(tmp_path, name):
    """Names are those of branches; nothing is made."""
    with pytest.raises(InputError, match="name a session"):
        sl.Session(name, store=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_path_is_no_name(tmp_path):
    """A path beside a store is a mistake."""
    with pytest.raises(InputError, match="not the name"):
        sl.Session(Path("cats"), store=tmp_path / "s")


@pytest.mark.parametrize("kind", ["memory", "file", "folder"])
def test_objects_are_remembered_where_they_are(tmp_path, fake, kind):
    """The place is given once; the session finds its pictures again."""
    place = {"memory": f"memory://{tmp_path.name}", "file": f"file://{tmp_path}/o", "folder": tmp_path / "o"}[
        kind
    ]
    with sl.Session(tmp_path / "s", objects=place, runtime=fake) as s:
        star = s.generate("a star")
    assert not (tmp_path / "s" / "objects").exists()
    for again in ({}, {"objects": place}):
        with sl.Session(tmp_path / "s", runtime=fake, **again) as s:
            assert np.array_equal(s.show(star).image.numpy(), star.image.numpy())
            assert s.verify_store().problems == ()
    with pytest.raises(InputError, match="elsewhere"):
        sl.Session(tmp_path / "s", objects=tmp_path / "other", runtime=fake)
    fsspec.filesystem("memory").store.clear()


def test_objects_far_away_are_written_checked_and_swept(fake):
    """What fsspec serves keeps the promises of files: digests, damage, ages."""
    objects = Objects("memory://far")
    digest = objects.put(b"data")
    assert objects.put(b"data") == digest
    assert objects.get(digest) == b"data"
    assert list(objects.digests()) == [digest]
    assert objects.age(digest) < 60
    assert objects.size(digest) == 4
    assert not objects.discard(digest, older_than=60)
    fsspec.filesystem("memory").pipe_file(f"/far/{digest[:2]}/{digest[2:]}", b"d@ta")
    with pytest.raises(sl.CorruptStoreError):
        objects.get(digest)
    assert objects.discard(digest, older_than=0)
    assert objects.discard(digest, older_than=0)
    assert (objects.size(digest), list(objects.digests())) == (0, [])
    objects.clear()


@pytest.mark.parametrize("place", ["nothing://x", 3, b"x", "s3n0://user:secret@x"])
def test_a_place_for_objects_that_is_none_is_refused(tmp_path, place):
    """The error names the kind of place and no secret."""
    with pytest.raises(InputError) as caught:
        sl.Session(tmp_path / "s", objects=place)
    assert "secret" not in str(caught.value)


def test_a_session_in_memory_has_no_objects_elsewhere():
    """What is forgotten with the session leaves nothing behind."""
    with pytest.raises(InputError, match="memory"):
        sl.Session(objects="memory://x")


@pytest.mark.parametrize(
    "url", ["mysql://u:secret@h/d", "http://u:secret@h", "postgresql://u:secret@h:port/d"]
)
def test_a_url_that_is_no_store_is_refused(url):
    """The error says what is known, and no secret."""
    with pytest.raises(InputError) as caught:
        sl.Session("cats", store=url)
    assert "secret" not in str(caught.value)
    assert "postgresql://" in caught.value.hint


def test_a_store_of_an_old_schema_that_cannot_be_written_is_read(tmp_path, fake, monkeypatch):
    """It is brought up in memory; the file stays as it is, and writing is refused."""
    from tests.sdk.store.old_stores import make_old

    with sl.Session(tmp_path / "s", runtime=fake) as s:
        star = s.generate("a star")
    file = tmp_path / "s" / "session.db"
    make_old(file, 2)
    monkeypatch.setattr("sightline.store.dialect._writable", lambda path: False)
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        assert s.log() == [star.step]
        assert s.find("star")[0].step == star.step
        assert s.show(star).image.numpy().any()
        with pytest.raises(StoreError, match="read-only"):
            s.generate("a ring")
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_forked_child_opens_connections_of_its_own(tmp_path, fake):
    """A child process works on the session that its parent opened, and both go on."""
    import multiprocessing

    with sl.Session(tmp_path / "s", runtime=fake) as s:
        s.generate("a star")
        child = multiprocessing.get_context("fork").Process(target=s.generate, args=("a ring",))
        child.start()
        child.join(30)
        assert child.exitcode == 0
        s.checkout("main")
        assert len(s.log()) == 2
        s.generate("a heart")
        assert s.verify_store().problems == ()


def test_database_rows_of_a_thousand_steps_are_small(tmp_path, fake):
    """A thousand steps with pictures take less than 5 MB of database."""
    from tests.contracts.store_suite import insert, shows, step

    store, parent = open_store(tmp_path / "s"), None
    with store.database.alone():
        for number in range(1000):
            args = {"prompt": f"a red circle left of a blue square number {number}", "n": 1}
            made = step(number, parent, args=args, outputs=shows(f"{number:064x}"))
            parent = insert(store.database, made).id
    store.close()
    assert sum(path.stat().st_size for path in (tmp_path / "s").glob("session.db*")) < 5_000_000
