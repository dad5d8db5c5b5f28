"""SQL tables, plain rows in and out; and the door that opens a whole store.

SQLite in WAL mode with full synchronisation. Writers take `BEGIN IMMEDIATE`: a
read that is upgraded to a write in WAL mode fails at once, whatever the timeout.
A row holds digests and small JSON, never picture bytes; a JSON text that is long
stands in a table of its own, so that going through steps stays cheap.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool, StaticPool

from sightline.errors import CorruptStoreError, InputError, NotFoundError, StaleHeadError, StoreError
from sightline.store.migrations import MIGRATIONS
from sightline.store.objects import Objects

Row = dict[str, object]

_STEP_COLUMNS = [
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
_IMAGE_COLUMNS = ["pixels", "blob", "width", "height", "mode", "media_type"]
_JSON_COLUMNS = ("args", "seeds", "outputs", "usage", "data_parents", "error")
_LONG = 500
"""Bytes of a JSON text that still stand in the step's own row, which so stays under 4 KB."""
_DAMAGE = ("malformed", "no such table", "no such column", "has no column")
_OURS = {"session.db", "session.db-wal", "session.db-shm", "objects"}
_EXPORT = "the objects folder is untouched; restore session.db from a copy"


@dataclass(frozen=True)
class Ref:
    """A named pointer: its kind (branch, tag, head, redo), target and revision."""

    name: str
    kind: str
    target: str | None
    revision: int


class Database:
    """The tables of one session; safe to use from several threads and processes."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.RLock()
        url = "sqlite://" if path is None else f"sqlite:///{path}"
        # in memory all threads share one connection, under the lock; on disk each transaction opens its own
        options = {"poolclass": StaticPool} if path is None else {"poolclass": NullPool}
        self.read_only = path is not None and path.exists() and not _writable(path)
        self._closed = False
        self._engine = create_engine(url, connect_args={"check_same_thread": False}, **options)
        event.listen(self._engine, "connect", _configure)
        self._migrate()

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine."""
        return self._engine

    def close(self) -> None:
        """Close all connections; what is asked afterwards is refused."""
        self._closed = True
        self._engine.dispose()

    def check_writable(self) -> None:
        """Raise StoreError if nothing can be written."""
        self._check_open()
        if self.read_only:
            raise StoreError("this store is read-only", hint="copy it to a folder you may write to")

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the session is closed", hint="open it again, or close it later")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with."""
        self._check_open()
        with self._lock, _translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start and commits at its end."""
        self.check_writable()
        with self._lock, _translated(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    def _migrate(self) -> None:
        with self.reading() as connection:
            version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if version > len(MIGRATIONS):
            raise StoreError(
                f"the store has schema {version}, this Sightline knows up to {len(MIGRATIONS)}",
                hint="upgrade sightline",
            )
        if version == len(MIGRATIONS) or self.read_only:  # an older schema can be read as it is
            return
        with self.writing() as connection:
            version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
            for number, migration in enumerate(MIGRATIONS[version:], version + 1):
                migration(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {number}")

    # --- meta --------------------------------------------------------------------------------

    def get_meta(self, key: str) -> str | None:
        """A stored setting."""
        rows = self._select("SELECT value FROM meta WHERE key = :key", key=key)
        return str(rows[0]["value"]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Store a setting."""
        with self.writing() as connection:
            statement = (
                "INSERT INTO meta VALUES (:key, :value) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
            )
            connection.execute(text(statement), {"key": key, "value": value})

    # --- steps -------------------------------------------------------------------------------

    def insert_step(self, row: Mapping[str, object], made: Sequence[str] = ()) -> None:
        """Add a step and the pictures it made; a step that is there stays as it is."""
        columns = ", ".join(_STEP_COLUMNS)
        values = ", ".join(f":{name}" for name in _STEP_COLUMNS)
        with self.writing() as connection:
            statement = f"INSERT INTO steps ({columns}) VALUES ({values}) ON CONFLICT (id) DO NOTHING"
            connection.execute(text(statement), _shortened(connection, row))
            for pixels in made:
                connection.execute(
                    text("INSERT INTO made VALUES (:pixels, :step) ON CONFLICT DO NOTHING"),
                    {"pixels": pixels, "step": row["id"]},
                )

    def get_step(self, step: str) -> Row:
        """A step by its id or a unique beginning of it."""
        rows = self._steps(
            "SELECT * FROM steps WHERE id >= :low AND id < :high LIMIT 2", low=step, high=step + "g"
        )
        if len(rows) > 1:
            raise InputError(f"{step!r} begins the id of several steps", hint="give more of the id")
        if not rows:
            raise NotFoundError(f"there is no step {step!r}", hint="log() lists the steps")
        return rows[0]

    def has_step(self, step: str) -> bool:
        """Whether a step of that whole id is there."""
        return bool(self._select("SELECT 1 FROM steps WHERE id = :id", id=step))

    def get_parent(self, step: str) -> str | None:
        """The step before a step, also where the rest of its row is damaged."""
        parent = self.get_step(step)["parent"]
        return None if parent is None else str(parent)

    def find_recipe(self, recipe: str) -> Row | None:
        """The newest finished step of a recipe."""
        rows = self._steps(
            "SELECT * FROM steps WHERE recipe = :recipe AND status = 'done' ORDER BY seq DESC LIMIT 1",
            recipe=recipe,
        )
        return rows[0] if rows else None

    def steps(self, limit: int | None = None) -> list[Row]:
        """Steps of all branches, newest first."""
        return self._steps("SELECT * FROM steps ORDER BY seq DESC LIMIT :n", n=-1 if limit is None else limit)

    def _steps(self, statement: str, **values: object) -> list[Row]:
        """Rows of steps with their long texts; one that is lost stays a digest, which is no JSON."""
        rows = self._select(statement, **values)
        for row in rows:
            for name in _JSON_COLUMNS:
                if str(row[name]).startswith("@"):
                    kept = self._select("SELECT text FROM texts WHERE digest = :d", d=str(row[name])[1:])
                    row[name] = kept[0]["text"] if kept else row[name]
        return rows

    def producer(self, pixels: str) -> str | None:
        """The newest step that made a picture."""
        statement = (
            "SELECT step FROM made JOIN steps ON id = step WHERE pixels = :pixels ORDER BY seq DESC LIMIT 1"
        )
        rows = self._select(statement, pixels=pixels)
        return str(rows[0]["step"]) if rows else None

    # --- images ------------------------------------------------------------------------------

    def insert_image(self, row: Mapping[str, object]) -> None:
        """Add a picture's row, or mend the one that is there: the same pixels have the same row."""
        columns = ", ".join(_IMAGE_COLUMNS)
        values = ", ".join(f":{name}" for name in _IMAGE_COLUMNS)
        mended = ", ".join(f"{name} = excluded.{name}" for name in _IMAGE_COLUMNS[1:])
        with self.writing() as connection:
            statement = (
                f"INSERT INTO images ({columns}) VALUES ({values}) "
                f"ON CONFLICT (pixels) DO UPDATE SET {mended}"
            )
            connection.execute(text(statement), dict(row))

    def get_image(self, pixels: str) -> Row | None:
        """A picture's row."""
        rows = self._select("SELECT * FROM images WHERE pixels = :pixels", pixels=pixels)
        return rows[0] if rows else None

    def images(self) -> list[Row]:
        """Every picture's row."""
        return self._select("SELECT * FROM images")

    # --- refs --------------------------------------------------------------------------------

    def get_ref(self, kind: str, name: str) -> Ref | None:
        """A pointer."""
        rows = self._select("SELECT * FROM refs WHERE kind = :kind AND name = :name", kind=kind, name=name)
        return _ref(rows[0]) if rows else None

    def refs(self, kind: str) -> list[Ref]:
        """All pointers of a kind, by name."""
        return [
            _ref(row)
            for row in self._select("SELECT * FROM refs WHERE kind = :kind ORDER BY name", kind=kind)
        ]

    def move_ref(
        self, kind: str, name: str, *, expected: str | None, new: str | None, create: bool = False
    ) -> None:
        """Move a pointer if it is where the writer last saw it; StaleHeadError if not."""
        with self.writing() as connection:
            found = connection.execute(
                text("SELECT target FROM refs WHERE kind = :kind AND name = :name"),
                {"kind": kind, "name": name},
            ).first()
            if found is None and not create:
                raise NotFoundError(f"there is no {kind} {name!r}", hint="make it first")
            if found is not None and (create or found[0] != expected):
                raise StaleHeadError(name, expected=expected, found=found[0])
            statement = (
                "INSERT INTO refs VALUES (:name, :kind, :target, 1) ON CONFLICT (kind, name) "
                "DO UPDATE SET target = excluded.target, revision = refs.revision + 1"
            )
            connection.execute(text(statement), {"name": name, "kind": kind, "target": new})

    def put_ref(self, kind: str, name: str, target: str | None) -> None:
        """Set a pointer whatever it was: for what only one writer owns."""
        with self.writing() as connection:
            statement = (
                "INSERT INTO refs VALUES (:name, :kind, :target, 1) ON CONFLICT (kind, name) "
                "DO UPDATE SET target = excluded.target, revision = refs.revision + 1"
            )
            connection.execute(text(statement), {"name": name, "kind": kind, "target": target})

    def _select(self, statement: str, **values: object) -> list[Row]:
        with self.reading() as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]


def _shortened(connection: Connection, row: Mapping[str, object]) -> Row:
    """A step's row with long texts put aside: "@" and a digest stand for them, as JSON never begins so."""
    short = dict(row)
    for name in _JSON_COLUMNS:
        long = str(row[name])
        if len(long.encode()) > _LONG:
            digest = hashlib.sha256(long.encode()).hexdigest()
            statement = "INSERT INTO texts VALUES (:digest, :text) ON CONFLICT DO NOTHING"
            connection.execute(text(statement), {"digest": digest, "text": long})
            short[name] = f"@{digest}"
    return short


def _ref(row: Row) -> Ref:
    target = row["target"]
    return Ref(
        str(row["name"]), str(row["kind"]), None if target is None else str(target), int(str(row["revision"]))
    )


def _writable(path: Path) -> bool:
    try:
        with path.open("r+b"):
            return True
    except OSError:
        return False


def _configure(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions are begun by hand
    for pragma in ("busy_timeout = 10000", "foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL"):
        try:
            connection.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise


@contextmanager
def _translated() -> Iterator[None]:
    """SQLAlchemy's errors as errors of the tree."""
    try:
        yield
    except OperationalError as error:
        if any(sign in str(error.orig) for sign in _DAMAGE):
            raise CorruptStoreError(f"the session database is damaged: {error.orig}", hint=_EXPORT) from error
        raise StoreError(
            f"the session database cannot be used: {error.orig}", hint="check space and rights"
        ) from error
    except DatabaseError as error:
        raise CorruptStoreError(f"the session database is damaged: {error.orig}", hint=_EXPORT) from error


@dataclass(frozen=True)
class Store:
    """A session's database and objects."""

    database: Database
    objects: Objects
    path: Path | None

    def close(self) -> None:
        """Close the database; objects in memory are freed."""
        self.database.close()
        self.objects.clear()


def open_store(path: str | Path | None = None) -> Store:
    """Open a session folder, making it if it is not there; None keeps all in memory.

    A file, or a folder that holds other things, is refused and left untouched.
    """
    if path is None:
        return Store(Database(None), Objects(None), None)
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file, not a session", hint="sessions are folders; give another path")
    file = folder / "session.db"
    if folder.exists():
        _check_folder(folder, file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made: {error.strerror}", hint="check the path and its rights"
        ) from error
    return Store(Database(file), Objects(folder / "objects"), folder)


def _check_folder(folder: Path, file: Path) -> None:
    """Refuse a folder of something else, and pictures without their database: it would open as empty."""
    names = {path.name for path in folder.iterdir()}
    pictures = names <= _OURS and any((folder / "objects").glob("*"))
    if pictures and not (file.exists() and file.stat().st_size):
        raise CorruptStoreError(f"{file} is missing or empty, but its pictures are there", hint=_EXPORT)
    if names and file.name not in names:
        raise StoreError(
            f"{folder} is a folder of something else", hint="give a new path, or that of a session"
        )
