"""Stores as earlier versions wrote them: the same rows under the schema of then."""

import sqlite3
from contextlib import closing

from sqlalchemy import create_engine

from sightline.store.dialect import Sqlite
from sightline.store.migrations import MIGRATIONS

TABLES = ["meta", "steps", "images", "made", "refs", "texts"]
NEW_COLUMNS = {"session", "touched"}


def make_old(file, version):
    """Write a session.db again under an earlier schema."""
    with closing(sqlite3.connect(file)) as source:
        source.row_factory = sqlite3.Row
        rows = {table: [dict(row) for row in source.execute(f"SELECT * FROM {table}")] for table in TABLES}
    for part in file.parent.glob("session.db*"):
        part.unlink()
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        for migration in MIGRATIONS[:version]:
            migration(connection, Sqlite(file))
        for table in TABLES[: 5 if version == 1 else 6]:
            for row in rows[table]:
                kept = {name: value for name, value in row.items() if name not in NEW_COLUMNS}
                marks = ", ".join("?" for _ in kept)
                statement = f"INSERT INTO {table} ({', '.join(kept)}) VALUES ({marks})"
                connection.exec_driver_sql(statement, tuple(kept.values()))
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")
    engine.dispose()
