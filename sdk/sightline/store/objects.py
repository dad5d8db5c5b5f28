"""Content-addressed objects: bytes under the sha256 of themselves, over fsspec.

What is written first, and what survives a crash: an object is written to a
temporary name, fsynced and renamed; only then is the step's row committed; only
then does the branch move. A kill at any moment can leave an object that no row
names (garbage, swept later), never a row that names a missing object.
"""

import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

from sightline.errors import CorruptStoreError, StoreError

_MEND = "all else is readable; repeat the call that made the picture, or add it again"


class Objects:
    """Objects in a local folder, or in memory if `root` is None."""

    def __init__(self, root: Path | None) -> None:
        self._local = root is not None
        self._freed = False
        self._root = str(root) if root is not None else f"/sightline-{uuid.uuid4().hex}"
        self._fs = fsspec.filesystem("file") if self._local else MemoryFileSystem()

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest[2:]}"

    def put(self, data: bytes) -> str:
        """Store bytes and give their digest; bytes that are there and whole are only touched."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            if self._fs.exists(path) and self._fs.cat_file(path) == data:
                if self._local:
                    os.utime(path)  # keeps a reused object out of the next sweep
                return digest
            self._fs.makedirs(os.path.dirname(path), exist_ok=True)
            self._write(path, data)
        except OSError as error:
            raise StoreError(
                f"object {digest[:8]} cannot be written: {error}", hint="free space or check rights"
            ) from error
        return digest

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
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

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
        """Seconds since an object was written or last put again."""
        if not self._local:
            return 0.0
        return time.time() - os.stat(self._path(digest)).st_mtime

    def delete(self, digest: str) -> None:
        """Remove an object."""
        self._fs.rm_file(self._path(digest))

    def clear(self) -> None:
        """Free objects in memory; files stay."""
        if self._local:
            return
        self._freed = True
        if self._fs.exists(self._root):
            self._fs.rm(self._root, recursive=True)
