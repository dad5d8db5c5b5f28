"""Rows of steps: what each was asked, gave and built on, and by which words it is found.

A row holds digests and small JSON, never picture bytes; a JSON text that is long
stands in a table of its own, so that going through steps stays cheap.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, text

from sightline.errors import InputError, NotFoundError, StoreError
from sightline.store.dialect import sql
from sightline.store.transactions import Row, Transactions
from sightline.store.words import words_in, words_of

_COLUMNS = [
    "id",
    "tool",
    "version",
    "args",
    "seeds",
    "outputs",
    "usage",
    "status",
    "fingerprint",
    "recipe",
    "context",
    "parent",
    "data_parents",
    "started",
    "ended",
    "error",
]
_JSON_COLUMNS = ("args", "seeds", "outputs", "usage", "data_parents", "error")
_HEX = re.compile(r"[0-9a-f]*")
_LONG = 500
"""Bytes of a JSON text that still stand in the step's own row, which so stays under 4 KB."""
_ALL = 2**62
"""A limit for no limit, which every database takes."""


class StepRows(Transactions):
    """The steps of a store; those of this session where a whole list is asked for."""

    long_columns = _JSON_COLUMNS

    def insert_step(
        self, row: Mapping[str, object], made: Sequence[str] = (), stages: Sequence[str] = ()
    ) -> None:
        """Add a step, the pictures it made, and the stages it used; one that is there stays as it is.

        A picture that is new to this session gets the next short number. A stage that is
        gone is not linked. A step that names a picture or another step that is not there
        is a StoreError, and nothing is added.
        """
        self._write(lambda connection: self._insert(connection, row, made, stages))

    def _insert(
        self, connection: Connection, row: Mapping[str, object], made: Sequence[str], stages: Sequence[str]
    ) -> None:
        names = [*_COLUMNS, "session", "touched"]
        statement = (
            f"INSERT INTO steps ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)}) "
            "ON CONFLICT (id) DO NOTHING"
        )
        self._check_parents(connection, row)
        values = _shortened(connection, row) | {"session": self.session, "touched": time.time()}
        words = words_of(row)
        if connection.execute(sql(statement), values).rowcount and words:
            number = sql("SELECT seq FROM steps WHERE id = :id")
            seq = connection.execute(number, {"id": row["id"]}).scalar_one()
            self._dialect.add_words(connection, int(seq), words)
        for pixels in dict.fromkeys(made):
            self._insert_made(connection, str(row["id"]), pixels)
        for key in dict.fromkeys(stages):
            connection.execute(sql(_LINK), {"step": row["id"], "key": key})

    def _check_parents(self, connection: Connection, row: Mapping[str, object]) -> None:
        """Refuse to build on a step that a sweep removed, or that never was."""
        parents = {row["parent"], *json.loads(str(row["data_parents"]))} - {None}
        for parent in parents:
            if connection.execute(sql("SELECT 1 FROM steps WHERE id = :id"), {"id": parent}).first() is None:
                raise StoreError(
                    f"step {str(parent)[:8]}, on which this call builds, is not in the store",
                    hint="look at the head again, then repeat the call",
                )

    def _insert_made(self, connection: Connection, step: str, pixels: str) -> None:
        if connection.execute(sql("SELECT 1 FROM images WHERE pixels = :p"), {"p": pixels}).first() is None:
            raise StoreError(f"picture {pixels[:8]} is not in the store", hint="repeat the call that made it")
        values = {"pixels": pixels, "step": step, "session": self.session}
        connection.execute(sql("INSERT INTO made VALUES (:pixels, :step) ON CONFLICT DO NOTHING"), values)
        connection.execute(sql(_NUMBER), values)

    def get_step(self, step: str) -> Row:
        """A step by its id or a beginning of it that is unique, in this session or in the store."""
        rows = self._steps_like(step) if _HEX.fullmatch(step) else []
        own = [row for row in rows if row["session"] == self.session]
        found = own or rows
        if len(found) > 1:
            raise InputError(f"{step!r} begins the id of several steps", hint="give more of the id")
        if not found:
            raise NotFoundError(f"there is no step {step!r}", hint="log() lists the steps")
        return found[0]

    def _steps_like(self, beginning: str) -> list[Row]:
        return self._steps(
            "SELECT * FROM steps WHERE id >= :low AND id < :high ORDER BY session <> :session LIMIT 3",
            low=beginning,
            high=beginning + "g",
            session=self.session,
        )

    def has_step(self, step: str) -> bool:
        """Whether a step of that whole id is there."""
        return bool(self._select("SELECT 1 FROM steps WHERE id = :id", id=step))

    def get_parent(self, step: str) -> str | None:
        """The step before a step, also where the rest of its row is damaged."""
        parent = self.get_step(step)["parent"]
        return None if parent is None else str(parent)

    def line(self, step: str, limit: int) -> list[Row]:
        """A step and those before it, newest first, at most `limit`; NotFoundError if it is not there."""
        rows = self._steps(
            "WITH RECURSIVE line (place, before, number) AS ("
            "SELECT id, parent, 1 FROM steps WHERE id = :step UNION ALL "
            "SELECT id, parent, number + 1 FROM steps JOIN line ON id = before WHERE number < :n) "
            "SELECT steps.* FROM line JOIN steps ON id = place ORDER BY number",
            step=step,
            n=limit,
        )
        if not rows:
            raise NotFoundError(f"there is no step {step!r}", hint="log() lists the steps")
        return rows

    def find_recipe(self, recipe: str) -> Row | None:
        """The newest finished step of a recipe, in any session of the store."""
        rows = self._steps(
            "SELECT * FROM steps WHERE recipe = :recipe AND status = 'done' ORDER BY seq DESC LIMIT 1",
            recipe=recipe,
        )
        return rows[0] if rows else None

    def earlier(self, recipe: str, seq: int) -> Row | None:
        """A finished step of a recipe from before a step, in any session; one that computed it, if any is."""
        rows = self._steps(
            "SELECT * FROM steps WHERE recipe = :recipe AND status = 'done' AND seq < :seq "
            "ORDER BY CASE WHEN ended > started THEN 0 ELSE 1 END, seq DESC LIMIT 1",
            recipe=recipe,
            seq=seq,
        )
        return rows[0] if rows else None

    def of_tool(self, tool: str, *, before: int, limit: int) -> list[Row]:
        """Finished steps of a tool from before a step, in any session, newest first."""
        return self._steps(
            "SELECT * FROM steps WHERE tool = :tool AND status = 'done' AND seq < :seq "
            "ORDER BY seq DESC LIMIT :n",
            tool=tool,
            seq=before,
            n=limit,
        )

    def steps(self, limit: int | None = None) -> list[Row]:
        """Steps of all branches of this session, newest first."""
        return self._steps(
            "SELECT * FROM steps WHERE session = :session ORDER BY seq DESC LIMIT :n",
            session=self.session,
            n=_ALL if limit is None else limit,
        )

    def steps_after(self, seq: int, limit: int | None = None) -> list[Row]:
        """Steps of this session that were stored after number `seq` of the store, oldest first."""
        return self._steps(
            "SELECT * FROM steps WHERE session = :session AND seq > :seq ORDER BY seq LIMIT :n",
            session=self.session,
            seq=seq,
            n=_ALL if limit is None else limit,
        )

    def count_steps(self) -> int:
        """How many steps this session has."""
        rows = self._select("SELECT COUNT(*) AS n FROM steps WHERE session = :session", session=self.session)
        return int(str(rows[0]["n"]))

    def all_steps(self) -> list[Row]:
        """Steps of all sessions of the store, newest first."""
        return self._steps("SELECT * FROM steps ORDER BY seq DESC")

    def search(self, text: str, limit: int | None = None) -> list[str]:
        """The steps of this session whose prompts and answers hold all words of a text, newest first.

        A word is found by its beginning, whatever its case and accents; a text without a
        word finds nothing.
        """
        words = words_in(text)
        if not words:
            return []
        condition, query = self._dialect.matching(words)
        rows = self._select(
            f"SELECT id FROM steps WHERE {condition} AND session = :session ORDER BY seq DESC LIMIT :n",
            query=query,
            session=self.session,
            n=_ALL if limit is None else limit,
        )
        return [str(row["id"]) for row in rows]

    def steps_without_words(self) -> list[str]:
        """The steps of the store that hold words and that no search could find: the index has lost them."""
        key = self._dialect.word_key
        rows = self._steps(f"SELECT * FROM steps WHERE seq NOT IN (SELECT {key} FROM words)")
        return [str(row["id"]) for row in rows if words_of(row)]

    def _steps(self, statement: str, **values: object) -> list[Row]:
        """Rows of steps with their long texts; one that is lost stays a digest, which is no JSON."""
        rows = self._select(statement, **values)
        places = [(row, name) for row in rows for name in _JSON_COLUMNS if str(row[name]).startswith("@")]
        digests = list({str(row[name])[1:] for row, name in places})
        texts = {str(kept["digest"]): kept["text"] for kept in self._among("texts", "digest", digests)}
        for row, name in places:
            row[name] = texts.get(str(row[name])[1:], row[name])
        return rows

    def _among(self, table: str, column: str, values: Sequence[str]) -> list[Row]:
        """The rows of a table whose column holds one of many values."""
        statement = text(f"SELECT * FROM {table} WHERE {column} IN :values").bindparams(
            bindparam("values", expanding=True)
        )
        found: list[Row] = []
        with self._reading() as connection:
            for start in range(0, len(values), 500):
                rows = connection.execute(statement, {"values": values[start : start + 500]})
                found += [dict(row) for row in rows.mappings()]
        return found


_NUMBER = """INSERT INTO aliases (session, number, pixels)
    SELECT CAST(:session AS TEXT), COALESCE(MAX(number), 0) + 1, CAST(:pixels AS TEXT)
    FROM aliases WHERE session = :session ON CONFLICT DO NOTHING"""
_LINK = """INSERT INTO step_stages (step, key)
    SELECT CAST(:step AS TEXT), key FROM stages WHERE key = :key ON CONFLICT DO NOTHING"""


def _shortened(connection: Connection, row: Mapping[str, object]) -> Row:
    """A step's row with long texts put aside: "@" and a digest stand for them, as JSON never begins so."""
    short = dict(row)
    for name in _JSON_COLUMNS:
        long = str(row[name])
        if len(long.encode()) > _LONG:
            digest = hashlib.sha256(long.encode()).hexdigest()
            statement = "INSERT INTO texts VALUES (:digest, :text) ON CONFLICT DO NOTHING"
            connection.execute(sql(statement), {"digest": digest, "text": long})
            short[name] = f"@{digest}"
    return short
