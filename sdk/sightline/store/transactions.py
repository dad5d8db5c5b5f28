"""Reading and writing: one lock, one transaction, errors of the tree; a short conflict is tried again."""

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from sightline.errors import StoreError
from sightline.store.dialect import Dialect, sql
from sightline.store.migrations import MIGRATIONS

Row = dict[str, object]
T = TypeVar("T")

_TRIES = 8


class Transactions:
    """A database as one session sees it; safe to use from several threads and processes."""

    def __init__(self, dialect: Dialect, session: str) -> None:
        self.session = session
        self._dialect, self._lock = dialect, threading.RLock()
        self._closed, self._pid = False, os.getpid()
        self._held: Connection | None = None
        self._engine: Engine = dialect.engine(len(MIGRATIONS))
        self._end = weakref.finalize(self, self._engine.dispose)
        with self._reading() as connection:
            self.read_only = dialect.read_only(connection)
        self._migrate()

    def close(self) -> None:
        """Close all connections; what is asked afterwards is refused."""
        self._closed = True
        self._end()

    def check_writable(self) -> None:
        """Raise StoreError if nothing can be written."""
        self._check_open()
        if self.read_only:
            raise StoreError("this store is read-only", hint="copy it to a folder you may write to")

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the session is closed", hint="open it again, or close it later")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other writer of the store out; what is read and written inside is one transaction."""
        self.check_writable()
        with self._connected() as connection, self._transaction(connection, None):
            yield

    def together(self, work: Callable[[], T]) -> T:
        """Do work whose writing is one transaction, all or nothing; after a collision it is done again."""
        return self._write(lambda _: work())

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do work in a transaction that holds the write lock from its start and commits at its end."""
        self.check_writable()
        with self._lock:
            if self._held is not None:
                return work(self._held)
            with _translated(self._dialect):
                done: T = self._retrying()(self._once, work)
                return done

    def _once(self, work: Callable[[Connection], T]) -> T:
        with self._open().connect() as connection, self._transaction(connection, self.session):
            return work(connection)

    @contextmanager
    def _transaction(self, connection: Connection, session: str | None) -> Iterator[None]:
        """A transaction that all reading and writing inside is part of."""
        with self._dialect.transaction(connection, session):
            self._held = connection
            try:
                yield
            finally:
                self._held = None

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception(self._dialect.transient),
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(multiplier=0.01, max=0.5),
            reraise=True,
        )

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        self._check_open()
        with self._lock:
            if self._held is not None:
                yield self._held
                return
            with self._connected() as connection:
                yield connection

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._lock, _translated(self._dialect), self._open().connect() as connection:
            yield connection

    def _open(self) -> Engine:
        """The engine; a forked child leaves its parent's connections alone and opens its own."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._engine.dispose(close=False)
        return self._engine

    def _select(self, statement: str, **values: object) -> list[Row]:
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(sql(statement), values).mappings()]

    def _migrate(self) -> None:
        with self._reading() as connection:
            version = self._dialect.version(connection)
        if version > len(MIGRATIONS):
            raise StoreError(
                f"the store has schema {version}, this Sightline knows up to {len(MIGRATIONS)}",
                hint="upgrade sightline",
            )
        if version < len(MIGRATIONS):
            with self._connected() as connection, self._dialect.transaction(connection, None):
                self._upgrade(connection)

    def _upgrade(self, connection: Connection) -> None:
        version = self._dialect.version(connection)
        for number, migration in enumerate(MIGRATIONS[version:], version + 1):
            migration(connection, self._dialect)
            self._dialect.set_version(connection, number)


@contextmanager
def _translated(dialect: Dialect) -> Iterator[None]:
    """A database's errors as errors of the tree."""
    try:
        yield
    except DBAPIError as error:
        raise dialect.translated(error) from error
