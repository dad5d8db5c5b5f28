"""Rows of pictures: what each is, who made it, its short number in a session, and vectors to compare by."""

import time
from collections.abc import Mapping, Sequence

from sqlalchemy import BindParameter, bindparam, text

from sightline.store.dialect import sql
from sightline.store.transactions import Row, Transactions

_COLUMNS = ["pixels", "blob", "width", "height", "mode", "media_type"]
_LISTED = ", ".join(_COLUMNS)
_FRESH = 600.0
"""Seconds for which a picture that was touched needs no new touch."""


class PictureRows(Transactions):
    """The pictures of a store, which all its sessions share."""

    def insert_image(self, row: Mapping[str, object]) -> None:
        """Add a picture's row, or mend the one that is there: the same pixels have the same row."""
        columns = [*_COLUMNS, "touched"]
        mended = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
        statement = (
            f"INSERT INTO images ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)}) "
            f"ON CONFLICT (pixels) DO UPDATE SET {mended}"
        )
        values = dict(row) | {"touched": time.time()}
        self._write(lambda connection: connection.execute(sql(statement), values))

    def touch_images(self, pixels: Sequence[str]) -> bool:
        """Keep pictures from the next sweep, as they are about to be used again; False if one is gone."""
        wanted = list(dict.fromkeys(pixels))
        if not wanted:
            return True
        many: BindParameter[str] = bindparam("pixels", expanding=True)
        count = text("SELECT COUNT(*), MIN(touched) FROM images WHERE pixels IN :pixels").bindparams(many)
        touch = text("UPDATE images SET touched = :now WHERE pixels IN :pixels").bindparams(many)
        now = time.time()
        with self._reading() as connection:
            here, oldest = connection.execute(count, {"pixels": wanted}).one()
        if here == len(wanted) and oldest < now - _FRESH and not self.read_only:
            values = {"pixels": wanted, "now": now}
            here = self._write(lambda connection: connection.execute(touch, values).rowcount)
        return bool(here == len(wanted))

    def get_image(self, pixels: str) -> Row | None:
        """A picture's row."""
        rows = self._select(f"SELECT {_LISTED} FROM images WHERE pixels = :pixels", pixels=pixels)
        return rows[0] if rows else None

    def image_of_blob(self, blob: str) -> Row | None:
        """The row of the picture that is stored as a file of this digest."""
        rows = self._select(f"SELECT {_LISTED} FROM images WHERE blob = :blob LIMIT 1", blob=blob)
        return rows[0] if rows else None

    def count_aliases(self) -> int:
        """How many pictures this session has met."""
        rows = self._select(
            "SELECT COUNT(*) AS n FROM aliases WHERE session = :session", session=self.session
        )
        return int(str(rows[0]["n"]))

    def images(self) -> list[Row]:
        """Every picture's row."""
        return self._select(f"SELECT {_LISTED} FROM images")

    def images_touched(self) -> dict[str, float]:
        """When each picture was last written or used again, in seconds since 1970."""
        rows = self._select("SELECT pixels, touched FROM images")
        return {str(row["pixels"]): float(str(row["touched"])) for row in rows}

    def pixels_like(self, beginning: str) -> list[str]:
        """Pixel digests of this session's pictures that begin so, at most two."""
        rows = self._select(
            "SELECT pixels FROM aliases WHERE session = :session AND pixels >= :low AND pixels < :high "
            "ORDER BY number LIMIT 2",
            session=self.session,
            low=beginning,
            high=beginning + "g",
        )
        return [str(row["pixels"]) for row in rows]

    def producer(self, pixels: str) -> str | None:
        """The newest step that made a picture, in this session if one did."""
        return self._maker(pixels, "seq DESC")

    def first_producer(self, pixels: str) -> str | None:
        """The oldest step that made a picture, in this session if one did."""
        return self._maker(pixels, "seq")

    def _maker(self, pixels: str, order: str) -> str | None:
        statement = (
            "SELECT step FROM made JOIN steps ON id = step WHERE pixels = :pixels "
            f"ORDER BY session <> :session, {order} LIMIT 1"
        )
        rows = self._select(statement, pixels=pixels, session=self.session)
        return str(rows[0]["step"]) if rows else None

    def alias(self, pixels: str) -> int | None:
        """The short number of a picture in this session; it never changes."""
        rows = self._select(
            "SELECT number FROM aliases WHERE session = :session AND pixels = :pixels",
            session=self.session,
            pixels=pixels,
        )
        return int(str(rows[0]["number"])) if rows else None

    def aliased(self, number: int) -> str | None:
        """The picture of a short number in this session."""
        rows = self._select(
            "SELECT pixels FROM aliases WHERE session = :session AND number = :number",
            session=self.session,
            number=number,
        )
        return str(rows[0]["pixels"]) if rows else None

    def numbered_images(self) -> list[tuple[int, Row]]:
        """The short numbers and the rows of all pictures of this session, in order."""
        columns = ", ".join(f"images.{name}" for name in _COLUMNS)
        rows = self._select(
            f"SELECT number, {columns} FROM aliases JOIN images ON images.pixels = aliases.pixels "
            "WHERE session = :session ORDER BY number",
            session=self.session,
        )
        return [(int(str(row.pop("number"))), row) for row in rows]

    def pixels_without_alias(self) -> list[str]:
        """Pictures that a step of some session made and that have no short number there."""
        rows = self._select(
            "SELECT DISTINCT made.pixels FROM made JOIN steps ON steps.id = made.step LEFT JOIN aliases "
            "ON aliases.session = steps.session AND aliases.pixels = made.pixels WHERE number IS NULL"
        )
        return [str(row["pixels"]) for row in rows]

    def put_vector(self, pixels: str, fingerprint: str, vector: bytes) -> None:
        """Keep the vector that a model of a fingerprint gives for a picture."""
        statement = (
            "INSERT INTO vectors VALUES (:pixels, :fingerprint, :vector) ON CONFLICT (fingerprint, pixels) "
            "DO UPDATE SET vector = excluded.vector"
        )
        values = {"pixels": pixels, "fingerprint": fingerprint, "vector": vector}
        self._write(lambda connection: connection.execute(sql(statement), values))

    def pixels_without_vector(self, fingerprint: str) -> list[str]:
        """This session's pictures that have no vector under a fingerprint, in the order of their numbers."""
        rows = self._select(
            "SELECT aliases.pixels FROM aliases JOIN images ON images.pixels = aliases.pixels "
            "LEFT JOIN vectors ON vectors.pixels = aliases.pixels AND fingerprint = :fingerprint "
            "WHERE session = :session AND vector IS NULL ORDER BY number",
            session=self.session,
            fingerprint=fingerprint,
        )
        return [str(row["pixels"]) for row in rows]

    def all_vectors(self) -> list[Row]:
        """Every vector of the store."""
        return self._select("SELECT pixels, fingerprint, vector FROM vectors")

    def vectors(self, fingerprint: str) -> list[Row]:
        """The vectors of this session's pictures under a fingerprint, in the order of their numbers."""
        return self._select(
            "SELECT aliases.pixels, vector FROM aliases JOIN vectors ON vectors.pixels = aliases.pixels "
            "WHERE session = :session AND fingerprint = :fingerprint ORDER BY number",
            session=self.session,
            fingerprint=fingerprint,
        )
