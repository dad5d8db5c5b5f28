"""The sessions of every tenant: one store each, so that nothing is shared between tenants.

A memo, a search or an object store that two tenants shared could tell one what the
other did. Stores are cheap; separate ones need no rule that could be forgotten.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sightline.errors import InputError, NotFoundError
from sightline.server.placing import executor_of
from sightline.session import Session
from sightline.store.database import Store
from sightline.store.opening import open_store
from sightline.tree.refs import Following
from sightline_runtime.protocol import Runtime
from sightline_tools.toolbox import Toolbox

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Tenants:
    """Opens sessions by tenant and name, and keeps those open that were used last.

    Names are 1 to 64 of a-z, 0-9, "_" and "-": nothing that a client sends becomes a path.
    """

    def __init__(
        self, data: Path, runtime: Runtime, *, toolbox: Toolbox | None = None, most_open: int = 64
    ) -> None:
        self._data, self._runtime, self._toolbox, self._most = data, runtime, toolbox, most_open
        self._open: OrderedDict[tuple[str, str], _Held] = OrderedDict()
        self._lock = threading.Lock()  # of the table alone: no store is opened or closed under it

    @contextmanager
    def session(
        self, tenant: str, name: str, *, create: bool = True, seed: int | None = None
    ) -> Iterator[Session]:
        """Borrow a session; many may at a time. NotFoundError if it is not there and not to be made.

        `seed` is that of a new session. Calls go on top of a branch wherever it stands by then.
        """
        key = checked(tenant, "tenant"), checked(name, "session")
        with self._lock:
            held = self._open.setdefault(key, _Held())
            held.users += 1
            self._open.move_to_end(key)
        try:
            with held.door:  # whoever comes while it is opened waits for this one alone
                if held.session is None:
                    held.session = self._opened(*key, create, seed)
            self._shrink()
            yield held.session
        finally:
            with self._lock:
                held.users -= 1
                if not held.users and held.session is None and self._open.get(key) is held:
                    del self._open[key]  # it could not be opened
            self._shrink()

    def names(self, tenant: str) -> list[str]:
        """The sessions of a tenant, sorted."""
        with self.store(tenant) as store:
            return [] if store is None else store.database.session_names()

    @contextmanager
    def store(self, tenant: str) -> Iterator[Store | None]:
        """The store of a tenant, to read from; None if there is none yet."""
        folder = self._folder(tenant)
        store = open_store(folder) if folder.exists() else None
        try:
            yield store
        finally:
            if store is not None:
                store.close()

    def close(self) -> None:
        """Close every session that is open."""
        with self._lock:
            held = list(self._open.values())
            self._open.clear()
        for each in held:
            each.close()

    def _opened(self, tenant: str, name: str, create: bool, seed: int | None) -> Session:
        """A session in which no text that a client sends is the path of a file."""
        if not create and name not in self.names(tenant):
            raise NotFoundError(f"there is no session {name!r}", hint="create it first")
        folder = self._folder(tenant)
        folder.parent.mkdir(parents=True, exist_ok=True)
        session = Session(
            name, store=folder, runtime=self._runtime, toolbox=self._toolbox, seed=seed, files=False
        )
        executor = executor_of(session)
        executor.refs = Following(executor.store)
        return session

    def _folder(self, tenant: str) -> Path:
        return self._data / checked(tenant, "tenant")

    def _shrink(self) -> None:
        """Close what nobody uses, oldest first, until few enough are open."""
        closing = []
        with self._lock:
            idle = [key for key, held in self._open.items() if held.users == 0]
            for key in idle[: max(0, len(self._open) - self._most)]:
                closing.append(self._open.pop(key))
        for held in closing:
            held.close()


class _Held:
    """A session, once it is open, and how many calls use it or wait for it; one opens it, at the door."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.users, self.door = 0, threading.Lock()

    def close(self) -> None:
        """Close the session, if it was opened."""
        with self.door:
            if self.session is not None:
                self.session.close()


def checked(name: str, what: str) -> str:
    """The name of a tenant or a session; InputError for one that cannot be a folder or a row."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} cannot name a {what}", hint="use 1 to 64 of the characters a-z, 0-9, _ and -"
        )
    return name
