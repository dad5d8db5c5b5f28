"""Content-addressed objects: bytes under the sha256 of themselves, over fsspec.

What is written first, and what survives a crash: an object is written to a
temporary name, fsynced and renamed; only then is the step's row committed; only
then does the branch move. A kill at any moment can leave an object that no row
names (garbage, swept later), never a row that names a missing object.
"""

import hashlib
import math
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from sightline.errors import CorruptStoreError, InputError, StoreError

_MEND = "all else is readable; repeat the call that made the picture, or add it again"
_FRESH = 600.0
"""Seconds for which an object that was put needs no new date."""


class Objects:
    """Objects in a folder, under an fsspec URL, or if `root` is None in memory of their own."""

    def __init__(self, root: str | Path | None) -> None:
        self._own, self._freed = root is None, False
        if root is None:
            self._fs, self._root = MemoryFileSystem(), f"/sightline-{uuid.uuid4().hex}"
        else:
            self._fs, self._root = _opened(self.address(root))
        self._local = isinstance(self._fs, LocalFileSystem)

    @staticmethod
    def address(root: str | Path) -> str:
        """A folder or URL as the URL that is remembered."""
        if isinstance(root, str) and "://" in root:
            return root.rstrip("/")
        return Path(root).absolute().as_uri() if isinstance(root, str | Path) else _refused(root)

    def claim(self, owner: str) -> None:
        """Note that a store keeps its objects here."""
        path = f"{self._root}/owners/{owner}"
        try:
            if not self._fs.exists(path):
                self._fs.makedirs(os.path.dirname(path), exist_ok=True)
                self._fs.pipe_file(path, b"")
        except OSError as error:
            raise StoreError(
                f"objects cannot be written: {error}", hint="check the place and rights"
            ) from error

    def owners(self) -> set[str]:
        """The stores that keep their objects here and noted it."""
        found = self._fs.find(f"{self._root}/owners")
        return {str(path).rsplit("/", 1)[-1] for path in found}

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest[2:]}"

    def put(self, data: bytes) -> str:
        """Store bytes and give their digest; bytes that are there and whole are only touched."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            if self._fs.exists(path) and self._fs.cat_file(path) == data and self._touched(digest):
                return digest
            self._make_folder(os.path.dirname(path))
            self._write(path, data)
        except OSError as error:
            raise StoreError(
                f"object {digest[:8]} cannot be written: {error}", hint="free space or check rights"
            ) from error
        return digest

    def _make_folder(self, folder: str) -> None:
        if self._local and not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
            _sync_folder(os.path.dirname(folder))

    def _touched(self, digest: str) -> bool:
        """Date a reused object anew, which keeps it out of the next sweep; False if it must be written."""
        if not self._local:
            return self.age(digest) < _FRESH
        try:
            os.utime(self._path(digest))
        except FileNotFoundError:  # a sweep was faster
            return False
        return True

    def _write(self, path: str, data: bytes) -> None:
        if not self._local:
            self._fs.pipe_file(path, data)
            return
        temporary = f"{path}.{uuid.uuid4().hex}.new"
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
        _sync_folder(os.path.dirname(path))

    def get(self, digest: str) -> bytes:
        """The bytes of a digest, checked; CorruptStoreError if they are not what was stored."""
        if self._freed:
            raise StoreError(
                "the session is closed and its pictures were in memory",
                hint="save pictures before, or give the session a folder",
            )
        try:
            data: bytes = self._fs.cat_file(self._path(digest))
        except FileNotFoundError as error:
            raise CorruptStoreError(f"object {digest[:8]} is missing from the store", hint=_MEND) from error
        except OSError as error:
            raise StoreError(f"object {digest[:8]} cannot be read: {error}", hint="check the disk") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise CorruptStoreError(f"object {digest[:8]} does not match its digest", hint=_MEND)
        return data

    def digests(self) -> Iterator[str]:
        """Every object's digest."""
        for path in self._fs.find(self._root):
            folder, name = str(path).rsplit("/", 2)[-2:]
            if len(folder + name) == 64:
                yield folder + name

    def age(self, digest: str) -> float:
        """Seconds since an object was written or last put again; infinite if it is not there."""
        try:
            modified = self._fs.modified(self._path(digest))
        except FileNotFoundError:
            return math.inf
        return time.time() - float(modified.timestamp())

    def size(self, digest: str) -> int:
        """The bytes of an object, 0 if it is not there."""
        try:
            return int(self._fs.size(self._path(digest)))
        except FileNotFoundError:
            return 0

    def discard(self, digest: str, *, older_than: float) -> bool:
        """Remove an object unless it was put within so many seconds; tells whether it is gone."""
        try:
            return self._set_aside(digest, older_than) if self._local else self._removed(digest, older_than)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise StoreError(
                f"object {digest[:8]} cannot be removed: {error}", hint="check your rights"
            ) from error

    def _removed(self, digest: str, older_than: float) -> bool:
        old = self.age(digest) >= older_than
        if old:
            self._fs.rm_file(self._path(digest))
        return old

    def _set_aside(self, digest: str, older_than: float) -> bool:
        """Move the file away, then look at its age: a writer that dated it before gets it back."""
        path = self._path(digest)
        aside = f"{path}.{uuid.uuid4().hex}.old"
        os.rename(path, aside)
        old = time.time() - os.stat(aside).st_mtime >= older_than
        if old:
            os.unlink(aside)
        else:
            os.rename(aside, path)
        return old

    def sweep_halves(self, *, older_than: float) -> None:
        """Remove files that a killed writer or sweep never finished."""
        if not self._local:
            return
        for ending in ("new", "old"):
            for path in Path(self._root).glob(f"??/*.{ending}"):
                with suppress(FileNotFoundError):  # a writer has just finished it
                    if time.time() - path.stat().st_mtime >= older_than:
                        path.unlink()

    def clear(self) -> None:
        """Free objects in memory of their own; all others stay."""
        if not self._own:
            return
        self._freed = True
        if self._fs.exists(self._root):
            self._fs.rm(self._root, recursive=True)


def _sync_folder(folder: str) -> None:
    """Make what a folder lists survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _opened(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URL and the path in it."""
    scheme = re.sub(r"://.*", "", url, flags=re.DOTALL)
    try:
        system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise InputError(
            f"objects at {scheme}:// need a package that is not installed", hint=str(error)
        ) from error
    except ValueError as error:
        raise InputError(f"objects cannot be kept at {scheme}://", hint="use a URL of fsspec") from error
    return system, str(root).rstrip("/")


def _refused(root: object) -> str:
    raise InputError(f"{type(root).__name__} is not a place for objects", hint="give a folder or a URL")
