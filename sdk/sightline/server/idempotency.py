"""Idempotency keys: a request that is sent twice is done once, also over a restart of the server.

A key is claimed before the work, marked with where its step will be found, and keeps
the answer. If the server dies in between, the mark tells whether the step was committed:
the same recipe, in the same session, stored after the claim.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from sightline.errors import ConflictError, InputError, StoreError

KEPT = 24 * 3600.0
"""Seconds for which a key is kept."""
MOST = 10_000
"""Keys of a tenant that are kept; the oldest go first."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TABLE = """CREATE TABLE IF NOT EXISTS answers (
    tenant TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, run TEXT NOT NULL, started REAL NOT NULL,
    mark TEXT, body TEXT, PRIMARY KEY (tenant, key))"""
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS by_age ON answers (started)",
    "CREATE INDEX IF NOT EXISTS by_tenant ON answers (tenant, started)",
)
"""Each claim looks for what is too old or too much: without these it would read every answer."""


class Mark(BaseModel):
    """Where the step of a call will be: with this recipe, stored after number `seq` of the store."""

    session: str
    branch: str
    recipe: str
    seq: int


@dataclass(frozen=True)
class Entry:
    """What a key stands for: its run, its mark if the work began, and the answer if it ended."""

    run: str
    mark: Mark | None
    body: str | None


class ReusedKeyError(ConflictError):
    """The key stands for another request; the status is 422."""


class Ledger:
    """The keys of all tenants in one SQLite file; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def claim(self, tenant: str, key: str, request: str, run: str) -> Entry | None:
        """Take a key for a run: None if it was free, else what it stands for.

        `request` is the digest of what was asked; ReusedKeyError if the key stands for
        something else, InputError for what is no key.
        """
        if not _KEY.fullmatch(key):
            raise InputError(
                "the Idempotency-Key is not 1 to 255 visible ASCII characters", hint="use a UUID"
            )
        with self._writing() as connection:
            self._prune(connection, tenant)
            taken = "INSERT INTO answers VALUES (?, ?, ?, ?, ?, NULL, NULL) ON CONFLICT DO NOTHING"
            if connection.execute(taken, (tenant, key, request, run, time.time())).rowcount:
                return None
            found = "SELECT request, run, mark, body FROM answers WHERE tenant = ? AND key = ?"
            asked, by, mark, body = connection.execute(found, (tenant, key)).fetchone()
        if asked != request:
            raise ReusedKeyError("this Idempotency-Key stands for another request", hint="use a new key")
        return Entry(by, None if mark is None else Mark.model_validate_json(mark), body)

    def take_over(self, tenant: str, key: str, dead: str, run: str) -> bool:
        """Take a key from a run that died without a trace; False if another request was faster."""
        return self._set("run = ?, mark = NULL", tenant, key, dead, run)

    def mark(self, tenant: str, key: str, run: str, mark: Mark) -> None:
        """Note where the step of a run will be."""
        self._set("mark = ?", tenant, key, run, mark.model_dump_json())

    def keep(self, tenant: str, key: str, run: str, body: str) -> None:
        """Keep the answer of a run."""
        self._set("body = ?", tenant, key, run, body)

    def free(self, tenant: str, key: str, run: str) -> None:
        """Let a key go: its run did nothing, and may be tried again."""
        with self._writing() as connection:
            mine = "tenant = ? AND key = ? AND run = ? AND body IS NULL"
            connection.execute(f"DELETE FROM answers WHERE {mine}", (tenant, key, run))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _set(self, change: str, tenant: str, key: str, run: str, value: str) -> bool:
        with self._writing() as connection:
            statement = f"UPDATE answers SET {change} WHERE tenant = ? AND key = ? AND run = ?"
            return bool(connection.execute(statement, (value, tenant, key, run)).rowcount)

    def _prune(self, connection: sqlite3.Connection, tenant: str) -> None:
        connection.execute("DELETE FROM answers WHERE started < ?", (time.time() - KEPT,))
        last = "SELECT started FROM answers WHERE tenant = ? ORDER BY started DESC LIMIT 1 OFFSET ?"
        gone = f"DELETE FROM answers WHERE tenant = ? AND started <= ({last})"
        connection.execute(gone, (tenant, tenant, MOST))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                with self._open() as connection:
                    yield connection
            except sqlite3.Error as error:
                raise StoreError("Idempotency-Keys cannot be kept", hint="call without one") from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=5.0, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            for statement in (_TABLE, *_INDEXES):
                self._connection.execute(statement)
        return self._connection
