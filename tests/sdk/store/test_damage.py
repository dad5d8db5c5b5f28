"""Damage of every kind is one CorruptStoreError that names it, and the rest of the session works."""

import sqlite3
from contextlib import closing

import pytest

import sightline as sl


@pytest.fixture
def folder(tmp_path, fake):
    """A session on disk: a star, then a ring, which the branch stands at; `alt` stands at the star."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=1) as s:
        s.generate("a star")
        s.branch("alt")
        s.generate("a ring")
    return tmp_path / "s"


def run(folder, statement):
    """Change the database behind the session's back."""
    with closing(sqlite3.connect(folder / "session.db")) as connection, connection:
        connection.execute(statement)


def flip(folder, blob):
    """Change one byte of an object; its length stays."""
    path = folder / "objects" / blob[:2] / blob[2:]
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("lost", [False, True])
def test_the_same_call_heals_a_damaged_picture(folder, fake, lost):
    """A flipped byte or a missing file is no hit: the picture is painted and written again."""
    with sl.Session(folder, runtime=fake) as s:
        ring = s.show("HEAD")
        blob = ring.image.ref.blob
        if lost:
            (folder / "objects" / blob[:2] / blob[2:]).unlink()
        else:
            flip(folder, blob)
        with pytest.raises(sl.CorruptStoreError):
            ring.image.numpy()
        assert s.replay(ring).ok
        again = s.generate("a ring")
        assert again.cache.status == "partial"
        assert again.image.ref == ring.image.ref
        assert again.image.pil().size == (64, 64)
        assert s.verify_store().problems == ()


def test_adding_a_picture_again_heals_it(folder, fake):
    """What is put is compared with what is there."""
    with sl.Session(folder, runtime=fake) as s:
        ring = s.show("HEAD")
        data = ring.image.numpy()
        flip(folder, ring.image.ref.blob)
        s.add(data)
        assert s.verify_store().problems == ()


ROWS = [
    "UPDATE steps SET args = '{oops' WHERE seq = 2",
    "UPDATE steps SET seeds = '[\"x\"]' WHERE seq = 2",
    "UPDATE steps SET outputs = '{}' WHERE seq = 2",
    "UPDATE steps SET data_parents = 'null' WHERE seq = 2",
]


@pytest.mark.parametrize("statement", ROWS)
def test_a_damaged_step_is_named_and_walked_around(folder, fake, tmp_path, statement):
    """Looking at it raises; drawing, undoing, other branches and the report go on."""
    with sl.Session(folder, runtime=fake) as s:
        step = s.log()[0]
        run(folder, statement)
        for look in (s.log, s.replay, lambda: s.show("HEAD")):
            with pytest.raises(sl.CorruptStoreError, match=step.short) as caught:
                look()
            assert caught.value.hint
        assert [p for p in s.verify_store().problems if step.short in p]
        assert step.short in s.report(tmp_path / "r.html").read_text()
        assert s.generate("a ring").cache.status == "partial"
        assert s.undo(2).tool == "generate"
        assert len(s.log()) == 1


@pytest.mark.parametrize("change", ["mode = 'CMYK'", "width = 63", "blob = 'gone'"])
def test_a_damaged_picture_row_is_named_and_healed(folder, fake, tmp_path, change):
    """verify_store names the picture; the same call writes its row again."""
    with sl.Session(folder, runtime=fake) as s:
        ring = s.show("HEAD")
        run(folder, f"UPDATE images SET {change} WHERE pixels = '{ring.image.ref.pixels}'")
        (problem,) = [p for p in s.verify_store().problems if p.startswith("picture")]
        assert ring.image.ref.pixels[:8] in problem
        if change != "width = 63":
            with pytest.raises(sl.CorruptStoreError, match=ring.image.ref.pixels[:8]):
                s.show("HEAD")
            assert s.report(tmp_path / "r.html").exists()
        s.add(ring.image.numpy())
        assert s.show(ring).image.ref == ring.image.ref
        assert s.verify_store().problems == ()


def test_a_damaged_redo_list_is_named_and_started_anew(folder, fake):
    """Redo says so; a new step lands and mends it."""
    with sl.Session(folder, runtime=fake) as s:
        s.undo()
        run(folder, "UPDATE refs SET target = 'oops' WHERE kind = 'redo'")
        assert "redo" in s.verify_store().problems[0]
        with pytest.raises(sl.CorruptStoreError, match="redo"):
            s.redo()
        s.generate("a heart")
        assert len(s.log()) == 2
        assert s.verify_store().problems == ()


def test_a_lost_branch_is_not_an_empty_one(folder, fake):
    """HEAD that names no branch is told; checking another branch out goes on."""
    run(folder, "UPDATE refs SET target = 'gone' WHERE kind = 'head'")
    with sl.Session(folder, runtime=fake) as s:
        assert "gone" in s.verify_store().problems[0]
        for verb in (s.log, lambda: s.generate("a cross"), lambda: s.head):
            with pytest.raises(sl.CorruptStoreError, match="gone") as caught:
                verb()
        assert "alt" in caught.value.hint
        s.checkout("main")
        assert len(s.log()) == 2


def test_a_damaged_session_seed_is_named(folder, fake):
    """The session opens with a seed of one's own."""
    run(folder, "UPDATE meta SET value = 'x' WHERE key = 'seed'")
    with pytest.raises(sl.CorruptStoreError, match="seed"):
        sl.Session(folder, runtime=fake)
    with sl.Session(folder, runtime=fake, seed=1) as s:
        assert len(s.log()) == 2


def test_a_step_before_itself_does_not_hang(folder, fake):
    """A loop of parents is damage."""
    run(folder, "UPDATE steps SET parent = id")
    with sl.Session(folder, runtime=fake) as s, pytest.raises(sl.CorruptStoreError):
        s.log()


def test_a_missing_table_is_damage(folder, fake):
    """The database is named, not space and rights."""
    run(folder, "DROP TABLE made")
    with sl.Session(folder, runtime=fake) as s, pytest.raises(sl.CorruptStoreError, match="made"):
        s.generate("a cross")


@pytest.mark.parametrize("empty", [True, False])
def test_pictures_without_their_database_are_no_new_session(folder, empty):
    """An empty or missing session.db beside pictures is damage, and stays as it is."""
    for path in folder.glob("session.db*"):
        path.unlink()
    if empty:
        (folder / "session.db").touch()
    with pytest.raises(sl.CorruptStoreError, match="missing or empty"):
        sl.Session(folder)
    assert (folder / "session.db").exists() == empty


@pytest.mark.parametrize("where", [None, "closed"])
def test_a_closed_session_says_so(tmp_path, fake, where):
    """Every verb after closing is one StoreError, in memory and on disk alike."""
    s = sl.Session(where and tmp_path / where, runtime=fake)
    star = s.generate("a star")
    ring = star.image.numpy()[::-1]
    stored = len(list(tmp_path.glob("closed/objects/*/*")))
    s.close()
    writes = (lambda: s.generate("a ring"), lambda: s.crop(star, (0, 0, 1, 1)), lambda: s.add(ring))
    for verb in (s.log, s.verify_store, *writes):
        with pytest.raises(sl.StoreError, match="closed"):
            verb()
    assert len(list(tmp_path.glob("closed/objects/*/*"))) == stored
