"""Rows of pointers and settings: each session has its own, and a line for every move of a pointer."""

import time
from dataclasses import dataclass

from sqlalchemy import Connection

from sightline.errors import NotFoundError, StaleHeadError
from sightline.store.dialect import sql
from sightline.store.transactions import Row, Transactions


@dataclass(frozen=True)
class Ref:
    """A named pointer of a session: its kind (branch, tag, head, redo), target and revision."""

    name: str
    kind: str
    target: str | None
    revision: int
    session: str


class RefRows(Transactions):
    """The pointers and settings of this session; settings of the whole store have no session."""

    # --- settings ----------------------------------------------------------------------------

    def session_names(self) -> list[str]:
        """The sessions that the store holds, sorted."""
        rows = self._select("SELECT DISTINCT session FROM meta WHERE session <> '' ORDER BY session")
        return [str(row["session"]) for row in rows]

    def get_meta(self, key: str) -> str | None:
        """A setting of this session."""
        return self._meta(self.session, key)

    def set_meta(self, key: str, value: str) -> None:
        """Store a setting of this session."""
        self._set_meta(self.session, key, value)

    def get_shared(self, key: str) -> str | None:
        """A setting of the whole store."""
        return self._meta("", key)

    def settle(self, key: str, value: str) -> str:
        """Store a setting of the whole store unless there is one; gives the one that is there."""

        def work(connection: Connection) -> None:
            statement = "INSERT INTO meta VALUES ('', :key, :value) ON CONFLICT DO NOTHING"
            connection.execute(sql(statement), {"key": key, "value": value})

        self._write(work)
        return self._meta("", key) or value

    def _meta(self, session: str, key: str) -> str | None:
        rows = self._select("SELECT value FROM meta WHERE session = :s AND key = :key", s=session, key=key)
        return str(rows[0]["value"]) if rows else None

    def _set_meta(self, session: str, key: str, value: str) -> None:
        statement = (
            "INSERT INTO meta VALUES (:session, :key, :value) "
            "ON CONFLICT (session, key) DO UPDATE SET value = excluded.value"
        )
        values = {"session": session, "key": key, "value": value}
        self._write(lambda connection: connection.execute(sql(statement), values))

    def sessions(self) -> list[str]:
        """The names of all sessions of the store."""
        rows = self._select("SELECT DISTINCT session FROM refs")
        return sorted(str(row["session"]) for row in rows)

    # --- pointers ----------------------------------------------------------------------------

    def get_ref(self, kind: str, name: str) -> Ref | None:
        """A pointer."""
        rows = self._select(
            "SELECT * FROM refs WHERE session = :session AND kind = :kind AND name = :name",
            session=self.session,
            kind=kind,
            name=name,
        )
        return _ref(rows[0]) if rows else None

    def refs(self, kind: str) -> list[Ref]:
        """All pointers of a kind, by name."""
        rows = self._select(
            "SELECT * FROM refs WHERE session = :session AND kind = :kind", session=self.session, kind=kind
        )
        return sorted(map(_ref, rows), key=lambda ref: ref.name)

    def all_refs(self) -> list[Ref]:
        """All pointers of all sessions."""
        return [_ref(row) for row in self._select("SELECT * FROM refs")]

    def move_ref(
        self,
        kind: str,
        name: str,
        *,
        expected: str | None,
        new: str | None,
        create: bool = False,
        why: str = "advance",
    ) -> None:
        """Move a pointer if it is where the writer last saw it, and note the move; StaleHeadError if not."""

        def work(connection: Connection) -> None:
            found = self._target(connection, kind, name)
            if found is None and not create:
                raise NotFoundError(f"there is no {kind} {name!r}", hint="make it first")
            if found is not None and (create or found[0] != expected):
                raise StaleHeadError(name, expected=expected, found=found[0])
            self._set(connection, kind, name, new)
            self._note(connection, kind, name, expected, new, why)

        self._write(work)

    def put_ref(self, kind: str, name: str, target: str | None) -> None:
        """Set a pointer whatever it was, without a note: for what only one writer owns."""
        self._write(lambda connection: self._set(connection, kind, name, target))

    def delete_ref(self, kind: str, name: str, expected: str | None, *, why: str = "drop") -> None:
        """Remove a pointer if it is where the writer last saw it, and note that; StaleHeadError if not."""

        def work(connection: Connection) -> None:
            found = self._target(connection, kind, name)
            if found is None:
                raise NotFoundError(f"there is no {kind} {name!r}", hint="it may have been dropped before")
            if found[0] != expected:
                raise StaleHeadError(name, expected=expected, found=found[0])
            statement = "DELETE FROM refs WHERE session = :session AND kind = :kind AND name = :name"
            connection.execute(sql(statement), {"session": self.session, "kind": kind, "name": name})
            self._note(connection, kind, name, expected, None, why)

        self._write(work)

    def moves(self, limit: int | None = None) -> list[Row]:
        """The moves of this session's pointers, newest first: seq, kind, branch, before, after, why, at."""
        return self._select(
            "SELECT seq, kind, branch, before, after, why, at FROM moves WHERE session = :session "
            "ORDER BY seq DESC LIMIT :n",
            session=self.session,
            n=2**62 if limit is None else limit,
        )

    def all_moves(self) -> list[Row]:
        """The moves of all sessions' pointers, newest first."""
        return self._select("SELECT * FROM moves ORDER BY seq DESC")

    def _target(self, connection: Connection, kind: str, name: str) -> tuple[str | None] | None:
        """Where a pointer is, None if there is none."""
        statement = "SELECT target FROM refs WHERE session = :session AND kind = :kind AND name = :name"
        values = {"session": self.session, "kind": kind, "name": name}
        row = connection.execute(sql(statement), values).first()
        return None if row is None else (row[0],)

    def _set(self, connection: Connection, kind: str, name: str, target: str | None) -> None:
        statement = (
            "INSERT INTO refs VALUES (:session, :kind, :name, :target, 1) ON CONFLICT (session, kind, name) "
            "DO UPDATE SET target = excluded.target, revision = refs.revision + 1"
        )
        values = {"session": self.session, "kind": kind, "name": name, "target": target}
        connection.execute(sql(statement), values)

    def _note(
        self, connection: Connection, kind: str, name: str, before: str | None, after: str | None, why: str
    ) -> None:
        statement = (
            "INSERT INTO moves (session, kind, branch, before, after, why, at) "
            "VALUES (:session, :kind, :branch, :before, :after, :why, :at)"
        )
        place: Row = {"session": self.session, "kind": kind, "branch": name}
        values = place | {"before": before, "after": after, "why": why, "at": time.time()}
        connection.execute(sql(statement), values)


def _ref(row: Row) -> Ref:
    target, name, kind = row["target"], str(row["name"]), str(row["kind"])
    to = None if target is None else str(target)
    return Ref(name, kind, to, int(str(row["revision"])), str(row["session"]))
