"""In what SQLite and PostgreSQL differ; all other SQL is one text for both.

Both give a writer the same promise: from its first statement to its commit nobody
else writes to the same session, so that what it reads it may decide on. SQLite has
one writer at a time (`BEGIN IMMEDIATE`: a read that is upgraded to a write in WAL
mode fails at once, whatever the timeout). PostgreSQL takes advisory locks: a writer
shares the store's and owns its session's, whoever must be alone owns the store's.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, Connection, TextClause, create_engine, event, make_url, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import StaticPool

from sightline.errors import CorruptStoreError, InputError, StoreError

_DAMAGE = ("malformed", "no such table", "no such column", "has no column")
_COPY = "the objects folder is untouched; restore session.db from a copy"


@cache
def sql(statement: str) -> TextClause:
    """A statement that is read once, however often it is run."""
    return text(statement)


class Dialect(Protocol):
    """What one kind of database does in its own way."""

    types: Mapping[str, str]
    word_key: str
    """The column of the index of words that holds the number of a step."""

    def engine(self, newest: int) -> Engine:
        """Make the door to the database; `newest` is the schema that will be asked for."""

    def read_only(self, connection: Connection) -> bool:
        """Tell whether nothing can be written."""

    @contextmanager
    def transaction(self, connection: Connection, session: str | None) -> Iterator[None]:
        """Hold off the other writers of a session, or with None all others, until the commit."""

    def version(self, connection: Connection) -> int:
        """Read the number of the schema, 0 without one."""

    def set_version(self, connection: Connection, number: int) -> None:
        """Write the number of the schema."""

    def add_words(self, connection: Connection, seq: int, words: Sequence[str]) -> None:
        """Let the step of a number be found by its words."""

    def drop_words(self, connection: Connection, seqs: Sequence[int]) -> None:
        """Let steps be found by their words no more."""

    def matching(self, words: Sequence[str]) -> tuple[str, str]:
        """Give a condition on the index, for steps that hold beginnings of all words, and its :query."""

    def transient(self, error: BaseException) -> bool:
        """Tell whether the same transaction may succeed if it is tried again."""

    def translated(self, error: DBAPIError) -> StoreError:
        """Say what a database's error means, with nothing secret in it."""


class Sqlite:
    """A file, or None for memory."""

    types: Mapping[str, str] = {
        "serial": "INTEGER PRIMARY KEY",
        "bytes": "BLOB",
        "index": 'CREATE VIRTUAL TABLE words USING fts5 (said, tokenize="unicode61 remove_diacritics 0")',
    }

    word_key = "rowid"

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def engine(self, newest: int) -> Engine:
        """Make the door: in memory all threads share one connection, under the lock of the store."""
        engine = _sqlite(self._path)
        if self._path is None or not self._locked():
            return engine
        try:
            with engine.connect() as connection:
                outdated = self.version(connection) < newest
        except DBAPIError as error:
            raise self.translated(error) from error
        return _copied(engine) if outdated else engine

    def _locked(self) -> bool:
        return self._path is not None and self._path.exists() and not _writable(self._path)

    def read_only(self, connection: Connection) -> bool:
        """Tell whether the file cannot be written."""
        return self._locked()

    @contextmanager
    def transaction(self, connection: Connection, session: str | None) -> Iterator[None]:
        """Hold the write lock of the whole file."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")

    def version(self, connection: Connection) -> int:
        """Read the number in the head of the file."""
        return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())

    def set_version(self, connection: Connection, number: int) -> None:
        """Write the number into the head of the file."""
        connection.exec_driver_sql(f"PRAGMA user_version = {number}")

    def add_words(self, connection: Connection, seq: int, words: Sequence[str]) -> None:
        """Add a row of the full text index."""
        statement = "INSERT INTO words (rowid, said) VALUES (:seq, :words)"
        connection.execute(sql(statement), {"seq": seq, "words": " ".join(words)})

    def drop_words(self, connection: Connection, seqs: Sequence[int]) -> None:
        """Remove rows of the full text index."""
        if seqs:
            connection.execute(sql("DELETE FROM words WHERE rowid = :seq"), [{"seq": seq} for seq in seqs])

    def matching(self, words: Sequence[str]) -> tuple[str, str]:
        """Give the condition; words hold letters and digits only, so quoting is enough."""
        query = " AND ".join(f'"{word}"*' for word in words)
        return "seq IN (SELECT rowid FROM words WHERE said MATCH :query)", query

    def transient(self, error: BaseException) -> bool:
        """Tell that nothing is: SQLite waits for the lock by itself."""
        return False

    def translated(self, error: DBAPIError) -> StoreError:
        """Tell damage from what can be mended from outside."""
        if isinstance(error, OperationalError) and not any(sign in str(error.orig) for sign in _DAMAGE):
            said = f"the session database cannot be used: {error.orig}"
            return StoreError(said, hint="check space and rights")
        return CorruptStoreError(f"the session database is damaged: {error.orig}", hint=_COPY)


def _sqlite(path: Path | None) -> Engine:
    url = "sqlite://" if path is None else f"sqlite:///{path}"
    options = {"poolclass": StaticPool} if path is None else {}
    engine = create_engine(url, connect_args={"check_same_thread": False}, **options)
    event.listen(engine, "connect", _configure)
    return engine


def _copied(source: Engine) -> Engine:
    """An older file that cannot be written, as a copy in memory, where its schema is brought up."""
    memory = _sqlite(None)
    with source.connect() as file, memory.connect() as copy:
        original, new = file.connection.driver_connection, copy.connection.driver_connection
        if isinstance(original, sqlite3.Connection) and isinstance(new, sqlite3.Connection):
            original.backup(new)
    source.dispose()
    return memory


def _configure(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions are begun by hand
    for pragma in ("busy_timeout = 10000", "foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL"):
        try:
            connection.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise


def _writable(path: Path) -> bool:
    try:
        with path.open("r+b"):
            return True
    except OSError:
        return False


class Postgres:
    """A PostgreSQL database by its URL; the password is in no message."""

    types: Mapping[str, str] = {
        "serial": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        "bytes": "BYTEA",
        "index": "CREATE TABLE words (seq BIGINT PRIMARY KEY, said TSVECTOR NOT NULL);"
        "CREATE INDEX words_said ON words USING gin (said)",
    }

    word_key = "seq"

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)

    @property
    def name(self) -> str:
        """The name of the database."""
        return self._url.database or self._url.username or "postgres"

    def __repr__(self) -> str:
        return f"Postgres({self._url.render_as_string(hide_password=True)!r})"

    def engine(self, newest: int) -> Engine:
        """Make the door; a connection that was lost while idle is opened again."""
        try:
            return create_engine(self._url, pool_pre_ping=True, pool_size=2)
        except ImportError as error:
            raise InputError(
                "PostgreSQL needs psycopg, which is not installed", hint="pip install 'sightline[postgres]'"
            ) from error

    def read_only(self, connection: Connection) -> bool:
        """Tell whether this is a standby, or a login that only reads."""
        return str(connection.exec_driver_sql("SHOW transaction_read_only").scalar_one()) == "on"

    @contextmanager
    def transaction(self, connection: Connection, session: str | None) -> Iterator[None]:
        """Take the locks; they end with the transaction."""
        store = "hashtext(current_schema() || '/sightline')"
        locks = f"pg_advisory_xact_lock({store}, 0)"
        if session is not None:
            locks = (
                f"pg_advisory_xact_lock_shared({store}, 0), pg_advisory_xact_lock({store}, hashtext(:s) | 1)"
            )
        with connection.begin():
            connection.execute(sql(f"SELECT {locks}"), {} if session is None else {"s": session})
            yield

    def version(self, connection: Connection) -> int:
        """Read the number from its table."""
        # not to_regclass, which may answer from before another process made the tables
        named = "schemaname = current_schema() AND tablename = 'sightline_schema'"
        if connection.exec_driver_sql(f"SELECT 1 FROM pg_tables WHERE {named}").first() is None:
            return 0
        return int(connection.exec_driver_sql("SELECT version FROM sightline_schema").scalar_one())

    def set_version(self, connection: Connection, number: int) -> None:
        """Write the number into its table."""
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS sightline_schema (version INTEGER NOT NULL)")
        connection.exec_driver_sql("DELETE FROM sightline_schema")
        connection.execute(sql("INSERT INTO sightline_schema VALUES (:number)"), {"number": number})

    def add_words(self, connection: Connection, seq: int, words: Sequence[str]) -> None:
        """Add a row of lexemes: the words as they are, so that both databases find the same."""
        statement = "INSERT INTO words VALUES (:seq, array_to_tsvector(:words)) ON CONFLICT DO NOTHING"
        connection.execute(sql(statement), {"seq": seq, "words": list(words)})

    def drop_words(self, connection: Connection, seqs: Sequence[int]) -> None:
        """Remove rows of lexemes."""
        connection.execute(sql("DELETE FROM words WHERE seq = ANY(:seqs)"), {"seqs": list(seqs)})

    def matching(self, words: Sequence[str]) -> tuple[str, str]:
        """Give the condition; words hold letters and digits only, so quoting is enough."""
        query = " & ".join(f"'{word}':*" for word in words)
        return "seq IN (SELECT seq FROM words WHERE said @@ CAST(:query AS tsquery))", query

    def transient(self, error: BaseException) -> bool:
        """Tell a serialization failure or a deadlock, which the server ended for another writer."""
        return isinstance(error, DBAPIError) and _state(error) in {"40001", "40P01", "55P03"}

    def translated(self, error: DBAPIError) -> StoreError:
        """Tell a lost server from damage and from rights."""
        said = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no reason was given"
        if error.connection_invalidated or isinstance(error, InterfaceError):
            return StoreError(
                "the connection to the database was lost; what was committed is there",
                hint="check the server, then repeat the call",
            )
        if _state(error)[:4] in {"42P0", "4270"} or _state(error)[:2] == "XX":
            return CorruptStoreError(f"the database is damaged: {said}", hint="restore it from a copy")
        return StoreError(
            f"the database {self.name!r} cannot be used: {said}",
            hint="check the URL, the server and your rights",
        )


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _parsed(url: str) -> URL:
    """A URL for psycopg; what is wrong with it is told without repeating it."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.drivername.split("+")[0] not in {"postgresql", "postgres"}:
        raise InputError(
            "the store is not a URL that is known here",
            hint="give a folder, or postgresql://user:password@host/database",
        )
    return parsed.set(drivername="postgresql+psycopg")
