"""The tables of a store, plain rows in and out; SQL that serves SQLite and PostgreSQL alike.

Each kind of row has a file of its own; here they are put together, and here is what
a sweep may delete.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, bindparam, text

from sightline.store.objects import Objects
from sightline.store.picture_rows import PictureRows
from sightline.store.ref_rows import Ref, RefRows
from sightline.store.stage_rows import StageRows
from sightline.store.step_rows import StepRows
from sightline.store.transactions import Row

__all__ = ["Database", "Ref", "Row", "Store"]

_AT_ONCE = 500


class Database(StepRows, PictureRows, RefRows, StageRows):
    """The rows of a store as one session sees them; safe to use from several threads and processes."""

    def delete_steps(self, ids: Sequence[str]) -> None:
        """Remove steps of any session, with what only they used: links, words, and moves that name them."""

        def work(connection: Connection) -> None:
            seqs = [int(str(row["seq"])) for row in self._among("steps", "id", ids)]
            self._dialect.drop_words(connection, seqs)
            for table, column in (("made", "step"), ("step_stages", "step"), ("steps", "id")):
                _delete(connection, table, column, ids)
            for column in ("before", "after"):
                _delete(connection, "moves", column, ids)

        self._write(work)

    def delete_images(self, pixels: Sequence[str]) -> None:
        """Remove rows of pictures; their short numbers stay taken."""

        def work(connection: Connection) -> None:
            for table in ("images", "vectors", "made"):
                _delete(connection, table, "pixels", pixels)

        self._write(work)

    def delete_stages(self, keys: Sequence[str]) -> None:
        """Remove stages and their links."""

        def work(connection: Connection) -> None:
            for table in ("stages", "step_stages"):
                _delete(connection, table, "key", keys)

        self._write(work)

    def delete_texts(self) -> None:
        """Remove long texts that no step holds any more."""
        held = " UNION ".join(
            f"SELECT SUBSTR({name}, 2) FROM steps WHERE {name} LIKE '@%'" for name in StepRows.long_columns
        )
        self._write(
            lambda connection: connection.execute(text(f"DELETE FROM texts WHERE digest NOT IN ({held})"))
        )


def _delete(connection: Connection, table: str, column: str, values: Sequence[str]) -> None:
    statement = text(f"DELETE FROM {table} WHERE {column} IN :values").bindparams(
        bindparam("values", expanding=True)
    )
    for start in range(0, len(values), _AT_ONCE):
        connection.execute(statement, {"values": list(values[start : start + _AT_ONCE])})


@dataclass(frozen=True)
class Store:
    """A database as one session sees it, and the objects; `path` is the folder of both, if they have one."""

    database: Database
    objects: Objects
    path: Path | None

    @property
    def session(self) -> str:
        """The name of the session."""
        return self.database.session

    def close(self) -> None:
        """Close the database; objects in memory are freed."""
        self.database.close()
        self.objects.clear()
