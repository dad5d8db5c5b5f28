"""Rows of stages: what the model made on the way and is worth keeping, by the digest of its request."""

import time

from sightline.store.dialect import sql
from sightline.store.transactions import Row, Transactions


class StageRows(Transactions):
    """The stages of a store, which all its sessions share."""

    def get_stage(self, key: str) -> Row | None:
        """A stage: key, blob (digest of its object), meta (JSON text), touched."""
        rows = self._select("SELECT * FROM stages WHERE key = :key", key=key)
        return rows[0] if rows else None

    def insert_stage(self, key: str, blob: str, meta: str) -> None:
        """Add a stage whose object is stored, or mend the row that is there; `meta` is JSON text."""
        statement = (
            "INSERT INTO stages (key, blob, meta, touched) VALUES (:key, :blob, :meta, :touched) "
            "ON CONFLICT (key) DO UPDATE SET blob = excluded.blob, meta = excluded.meta, "
            "touched = excluded.touched"
        )
        values = {"key": key, "blob": blob, "meta": meta, "touched": time.time()}
        self._write(lambda connection: connection.execute(sql(statement), values))

    def stages(self) -> list[Row]:
        """Every stage's row."""
        return self._select("SELECT * FROM stages")

    def stages_of(self, step: str) -> list[Row]:
        """The stages that a step used."""
        return self._select(
            "SELECT stages.* FROM step_stages JOIN stages ON stages.key = step_stages.key "
            "WHERE step = :step ORDER BY stages.key",
            step=step,
        )

    def step_stages(self) -> list[Row]:
        """Every link of a step and a stage."""
        return self._select("SELECT step, key FROM step_stages")
