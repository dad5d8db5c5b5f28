"""PostgreSQL: what differs from a file: lost servers, passwords, rights, transactions that collide."""

import traceback
import warnings

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

import sightline as sl
from sightline.errors import StoreError
from sightline.store.dialect import Postgres
from sightline.store.opening import open_store


@pytest.fixture
def opened(postgres, tmp_path):
    """A store of its own on the server."""
    store = open_store(postgres, objects=tmp_path / "objects")
    yield store
    store.close()


def test_the_promised_session_runs_on_a_server(postgres, tmp_path, fake):
    """Draw, edit, ask, branch, undo, replay, report; another session reads it all again."""
    with sl.Session("cats", store=postgres, objects=tmp_path / "o", runtime=fake, seed=1) as s:
        star = s.generate("a red star", n=2)
        s.branch("alt")
        blue = s.edit(star, "make it blue")
        answer = s.understand(blue, "what color is the star ?")
        s.undo()
        s.redo()
        assert s.replay().ok
        assert s.report(tmp_path / "r.html").stat().st_size > 1000
        assert s.path is None
    with sl.Session("cats", store=postgres, runtime=fake) as s:
        assert s.log() == [answer.step, blue.step, star.step]
        assert set(s.branches) == {"main", "alt"}
        assert s.verify_store().problems == ()


def test_objects_are_by_default_under_the_home(postgres, tmp_path, monkeypatch, fake):
    """A folder named after the database, which the database remembers."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with sl.Session("cats", store=postgres, runtime=fake) as s:
        star = s.generate("a star")
    assert list((tmp_path / "home" / ".sightline" / "objects" / "postgres").glob("??/*"))
    monkeypatch.setenv("HOME", str(tmp_path / "other"))
    with sl.Session("cats", store=postgres, runtime=fake) as s:
        assert s.show(star).image.numpy().any()


def test_a_password_is_in_no_error_and_no_repr(tmp_path):
    """A server that is not there is one StoreError, without what is secret in it."""
    url = "postgresql://user:secret@127.0.0.1:1/cats"
    assert "secret" not in repr(Postgres(url))
    with pytest.raises(StoreError, match="'cats' cannot be used") as caught:
        sl.Session("s", store=url, objects=tmp_path)
    told = "".join(traceback.format_exception(caught.value))
    assert "secret" not in told
    assert caught.value.hint


def test_a_lost_connection_is_told_and_the_next_call_goes_on(opened, postgres):
    """Between calls nobody notices; in the middle of one it is a clear error, and nothing of it is kept."""
    _end_others(postgres)
    opened.database.set_meta("a", "1")

    def interrupted():
        with opened.database.alone():
            _end_others(postgres)
            opened.database.set_meta("a", "2")

    with pytest.raises(StoreError, match="connection to the database was lost"):
        interrupted()
    assert opened.database.get_meta("a") == "1"
    opened.database.set_meta("a", "3")


def _end_others(url):
    """End every other connection to the server, as its restart would."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def test_a_login_that_only_reads_is_told(opened, postgres, tmp_path, fake):
    """Reading goes on, writing is refused before anything is computed."""
    opened.database.set_meta("a", "1")
    url = f"{postgres}%20-cdefault_transaction_read_only%3Don"
    store = open_store(url)
    assert store.database.get_meta("a") == "1"
    with pytest.raises(StoreError, match="read-only"):
        store.database.set_meta("a", "2")
    store.close()


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_collision_is_tried_again_a_bounded_number_of_times(opened, state):
    """A serialization failure or a deadlock ends in success, or in the error if it never stops."""
    calls = []

    def work(connection, failures):
        calls.append(1)
        if len(calls) <= failures:
            connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")
        return "done"

    assert opened.database._write(lambda connection: work(connection, 3)) == "done"
    assert len(calls) == 4
    calls.clear()
    with pytest.raises(StoreError):
        opened.database._write(lambda connection: work(connection, 99))
    assert len(calls) == 8


def test_two_writers_that_would_deadlock_both_end(opened, postgres, tmp_path):
    """Sessions that mend the same pictures in opposite order wait for each other and are sorted out."""
    from concurrent.futures import ThreadPoolExecutor

    from sqlalchemy import text

    for session in ("a", "b"):
        opened.database._set_meta("", session, "0")
    stores = [open_store(postgres, session=name) for name in ("a", "b")]

    def write(store, order):
        def work(connection):
            for name in order:
                connection.execute(text("UPDATE meta SET value = value || 'x' WHERE key = :k"), {"k": name})
                connection.exec_driver_sql("SELECT pg_sleep(0.05)")

        store.database._write(work)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, stores, ["ab", "ba"]))
    assert [opened.database.get_shared(name) for name in ("a", "b")] == ["0xx", "0xx"]
    for store in stores:
        store.close()


def test_processes_that_open_a_new_store_at_once_make_it_once(postgres, tmp_path):
    """Whoever is first makes the tables; the others wait and find them."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: open_store(postgres, objects=tmp_path / "o"), range(6)))
    assert {store.database.get_shared("id") for store in stores} == {stores[0].database.get_shared("id")}
    assert len(stores[0].objects.owners()) == 1
    for store in stores:
        store.close()


def test_damage_is_told_from_rights(opened):
    """A table that is gone is damage."""
    opened.database._write(lambda connection: connection.exec_driver_sql("DROP TABLE made"))
    with pytest.raises(sl.CorruptStoreError, match="made"):
        opened.database.producer("a" * 64)


def test_without_psycopg_the_error_says_what_to_install(monkeypatch):
    """The driver is an extra."""
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    with warnings.catch_warnings(), pytest.raises(sl.InputError, match="psycopg") as caught:
        sl.Session("s", store="postgresql://u@h/d")
    assert "sightline[postgres]" in caught.value.hint


def test_errors_of_the_driver_stay_inside(opened):
    """What SQLAlchemy raises comes out as an error of the tree."""
    with pytest.raises(StoreError) as caught:
        opened.database._write(lambda connection: connection.exec_driver_sql("SELECT 1 / 0"))
    assert not isinstance(caught.value, OperationalError)
