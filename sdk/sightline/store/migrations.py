"""Numbered functions, each one change of the schema; never edited after a release."""

from collections.abc import Callable

from sqlalchemy import Connection, text


def m001_first_schema(connection: Connection) -> None:
    """Make the tables of the first version."""
    for statement in (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        """CREATE TABLE steps (
            seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, tool TEXT NOT NULL, version TEXT NOT NULL,
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
    ):
        connection.execute(text(statement))


def m002_long_texts(connection: Connection) -> None:
    """Give long texts of steps rows of their own."""
    connection.execute(text("CREATE TABLE texts (digest TEXT PRIMARY KEY, text TEXT NOT NULL)"))


MIGRATIONS: list[Callable[[Connection], None]] = [m001_first_schema, m002_long_texts]
