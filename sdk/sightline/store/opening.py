"""Open a whole store: a folder, memory, or a database by URL with its objects wherever they are."""

import re
import uuid
from pathlib import Path

from sightline.errors import CorruptStoreError, InputError, StoreError
from sightline.store.database import Database, Store
from sightline.store.dialect import Postgres, Sqlite
from sightline.store.objects import Objects

MAIN = "main"
"""The session of a store that names none."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_OURS = {"session.db", "session.db-wal", "session.db-shm", "objects"}
_EXPORT = "the objects folder is untouched; restore session.db from a copy"


def open_store(
    place: str | Path | None = None, *, session: str = MAIN, objects: str | Path | None = None
) -> Store:
    """Open a store for one of its sessions, making what is not there; None keeps all in memory.

    `place` is a folder or the URL of a PostgreSQL database. `objects` is a folder or an
    fsspec URL for the bytes of pictures; it is remembered, so it is given once. A file, or
    a folder that holds other things, is refused and left untouched.
    """
    if not isinstance(session, str) or not _NAME.fullmatch(session):
        raise InputError(f"{session!r} cannot name a session", hint="use letters, digits, and . _ - /")
    if place is None:
        if objects is not None:
            raise InputError("a session in memory keeps its pictures there too", hint="give it a folder")
        return Store(Database(Sqlite(None), session), Objects(None), None)
    if isinstance(place, str) and "://" in place:
        server = Postgres(place)
        default = Path.home() / ".sightline" / "objects" / server.name
        return _with_objects(Database(server, session), objects, default, None)
    folder = Path(place)
    database = Database(Sqlite(_file(folder)), session)
    return _with_objects(database, objects, folder / "objects", folder)


def open_session(path: str | Path | None, store: str | Path | None, objects: str | Path | None) -> Store:
    """Open a session: `path` is its folder or URL, or its name if a store of many sessions is given."""
    if store is None:
        return open_store(path, objects=objects)
    if isinstance(path, Path):
        raise InputError(f"{path} is a path, not the name of a session", hint='say Session("cats", store=…)')
    return open_store(store, session=MAIN if path is None else path, objects=objects)


def _with_objects(database: Database, given: str | Path | None, default: Path, folder: Path | None) -> Store:
    """A store whose objects are where they were first put."""
    try:
        return Store(database, _objects(database, given, default, folder is not None), folder)
    except BaseException:
        database.close()
        raise


def _objects(database: Database, given: str | Path | None, default: Path, beside: bool) -> Objects:
    """The objects of a database: beside it by default, else where it remembers, which is noted there too."""
    known = database.get_shared("objects")
    wanted = known if given is None else Objects.address(given)
    if wanted is None and not beside:
        wanted = Objects.address(default)
    if known is not None and wanted != known:
        raise InputError(
            "the pictures of this store are kept elsewhere", hint="leave `objects` out: it is remembered"
        )
    objects = Objects(default if wanted is None else wanted)
    if wanted is not None and known is None and not database.read_only:
        objects.claim(database.settle("id", uuid.uuid4().hex))
        if database.settle("objects", wanted) != wanted:
            raise InputError("another writer just put the pictures elsewhere", hint="open the store again")
    return objects


def _file(folder: Path) -> Path:
    """The database file of a folder, which is made if it is not there."""
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
    return file


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
