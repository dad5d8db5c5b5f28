"""Numbered functions, each one change of the schema; never edited after a release."""

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, text

from sightline.store.dialect import Dialect
from sightline.store.words import words_of

Migration = Callable[[Connection, Dialect], None]


def _run(connection: Connection, dialect: Dialect, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(text(statement.format(**dialect.types)))


def m001_first_schema(connection: Connection, dialect: Dialect) -> None:
    """Make the tables of the first version."""
    statements = (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        """CREATE TABLE steps (
            seq {serial}, id TEXT NOT NULL UNIQUE, tool TEXT NOT NULL, version TEXT NOT NULL,
            args TEXT NOT NULL, seeds TEXT NOT NULL, outputs TEXT NOT NULL, usage TEXT NOT NULL,
            status TEXT NOT NULL, fingerprint TEXT NOT NULL, recipe TEXT NOT NULL, context TEXT NOT NULL,
            parent TEXT, data_parents TEXT NOT NULL, started DOUBLE PRECISION NOT NULL,
            ended DOUBLE PRECISION NOT NULL, error TEXT)""",
        "CREATE INDEX steps_recipe ON steps (recipe)",
        """CREATE TABLE images (
            pixels TEXT PRIMARY KEY, blob TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
            mode TEXT NOT NULL, media_type TEXT NOT NULL)""",
        "CREATE TABLE made (pixels TEXT NOT NULL, step TEXT NOT NULL, PRIMARY KEY (pixels, step))",
        """CREATE TABLE refs (
            name TEXT NOT NULL, kind TEXT NOT NULL, target TEXT, revision INTEGER NOT NULL,
            PRIMARY KEY (kind, name))""",
    )
    _run(connection, dialect, statements)


def m002_long_texts(connection: Connection, dialect: Dialect) -> None:
    """Give long texts of steps rows of their own."""
    _run(connection, dialect, ["CREATE TABLE texts (digest TEXT PRIMARY KEY, text TEXT NOT NULL)"])


def m003_many_sessions(connection: Connection, dialect: Dialect) -> None:
    """Let a store hold many sessions, with short names of pictures, stages, moves, words and vectors.

    Settings and pointers get the session into their key; what was there is the session `main`.
    """
    statements = (
        "ALTER TABLE steps ADD COLUMN session TEXT NOT NULL DEFAULT 'main'",
        "ALTER TABLE steps ADD COLUMN touched DOUBLE PRECISION NOT NULL DEFAULT 0",
        "CREATE INDEX steps_session ON steps (session, seq)",
        "CREATE INDEX made_step ON made (step)",
        "ALTER TABLE images ADD COLUMN touched DOUBLE PRECISION NOT NULL DEFAULT 0",
        """CREATE TABLE session_meta (
            session TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (session, key))""",
        "INSERT INTO session_meta SELECT 'main', key, value FROM meta",
        "DROP TABLE meta",
        "ALTER TABLE session_meta RENAME TO meta",
        """CREATE TABLE session_refs (
            session TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, target TEXT,
            revision INTEGER NOT NULL, PRIMARY KEY (session, kind, name))""",
        "INSERT INTO session_refs SELECT 'main', kind, name, target, revision FROM refs",
        "DROP TABLE refs",
        "ALTER TABLE session_refs RENAME TO refs",
        """CREATE TABLE moves (
            seq {serial}, session TEXT NOT NULL, kind TEXT NOT NULL, branch TEXT NOT NULL, before TEXT,
            after TEXT, why TEXT NOT NULL, at DOUBLE PRECISION NOT NULL)""",
        "CREATE INDEX moves_session ON moves (session, seq)",
        """CREATE TABLE aliases (
            session TEXT NOT NULL, number INTEGER NOT NULL, pixels TEXT NOT NULL,
            PRIMARY KEY (session, number), UNIQUE (session, pixels))""",
        """CREATE TABLE stages (
            key TEXT PRIMARY KEY, blob TEXT NOT NULL, meta TEXT NOT NULL,
            touched DOUBLE PRECISION NOT NULL)""",
        "CREATE TABLE step_stages (step TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (step, key))",
        """CREATE TABLE vectors (
            pixels TEXT NOT NULL, fingerprint TEXT NOT NULL, vector {bytes} NOT NULL,
            PRIMARY KEY (fingerprint, pixels))""",
        "{index}",
    )
    _run(connection, dialect, statements)
    _name_pictures(connection)
    _index_steps(connection, dialect)


def _name_pictures(connection: Connection) -> None:
    """Number the pictures that are there, in the order in which steps made them."""
    made = connection.execute(text("SELECT pixels FROM made JOIN steps ON id = step ORDER BY seq")).scalars()
    rows = [{"number": number, "pixels": pixels} for number, pixels in enumerate(dict.fromkeys(made), 1)]
    if rows:
        connection.execute(text("INSERT INTO aliases VALUES ('main', :number, :pixels)"), rows)


def _index_steps(connection: Connection, dialect: Dialect) -> None:
    """Let the steps that are there be found by their words."""
    texts = {
        f"@{digest}": full for digest, full in connection.execute(text("SELECT digest, text FROM texts"))
    }
    for row in connection.execute(text("SELECT seq, args, outputs FROM steps")).mappings().all():
        said = {name: texts.get(str(row[name]), row[name]) for name in ("args", "outputs")}
        dialect.add_words(connection, int(row["seq"]), words_of(said))


MIGRATIONS: list[Migration] = [m001_first_schema, m002_long_texts, m003_many_sessions]
