"""Session: the verbs, each a few lines that call the room where the work is done.

A session is a git-like tree of immutable steps over a store. Every verb checks
its arguments, runs (or finds again) one step, moves the current branch, and
returns a result. An error leaves the branch where it was.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from sightline import importing, local
from sightline.archive import Archive
from sightline.chat import speaking as chat
from sightline.errors import InputError
from sightline.store.database import Store
from sightline.store.opening import open_session
from sightline.store.sweep import DEFAULT_AGE, Swept, gc
from sightline.tree.execute import Executor
from sightline.tree.recipe import checked_seed
from sightline.tree.verify import Report, verify
from sightline_runtime.protocol import Runtime
from sightline_tools.toolbox import Toolbox, default_toolbox

if TYPE_CHECKING:
    pass

from sightline.verbs.chat import Chatting
from sightline.verbs.making import Making
from sightline.verbs.past import Past
from sightline.verbs.reasoning import Reasoning
from sightline.verbs.tree import Tree


class Session(Making, Tree, Past, Reasoning, Chatting):
    """A multi-turn visual session; use it as a context manager or call `close`.

    `path` is a folder that is made if needed, None keeps everything in memory. With `store`
    (a folder, or postgresql://user:password@host/database) it is the name of one of the many
    sessions that a store holds; they share pictures and work that was done. `objects` is where
    the bytes of pictures are kept, if not beside the database: a folder or an fsspec URL.
    `runtime` is a loaded model, None loads the embedded one at first use.
    `seed` makes a session reproducible: the same verbs give the same pictures.
    Without `files` a text in the place of a picture never names a file: for calls of strangers.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        store: str | Path | None = None,
        objects: str | Path | None = None,
        runtime: Runtime | None = None,
        seed: int | None = None,
        toolbox: Toolbox | None = None,
        files: bool = True,
    ) -> None:
        if runtime is not None and not _is_runtime(runtime):
            raise InputError(f"{runtime!r} is not a runtime", hint="give what sightline.load returns")
        start = None if seed is None else checked_seed(seed)
        self._store: Store = open_session(path, store, objects)
        self._executor = Executor(
            self._store,
            runtime or local.Lazy(),
            (default_toolbox() if toolbox is None else toolbox).with_inner(*chat.TOOLS),
            seed=start,
            files=files,
        )

    @property
    def runtime(self) -> Runtime:
        """The runtime that does the work."""
        return self._executor.runtime

    @property
    def name(self) -> str:
        """The name of the session in its store; `main` where it is the only one."""
        return self._store.session

    @property
    def path(self) -> Path | None:
        """Where the session is stored, None in memory."""
        return self._store.path

    def report(self, path: str | Path) -> Path:
        """Write the whole session as one HTML file that opens offline."""
        from sightline.report import write_report

        return write_report(self._executor, Path(path))

    def gc(self, *, dry_run: bool = True, older_than: float = DEFAULT_AGE) -> Swept:
        """Remove what no branch, tag, redo or recent move of any session of the store leads to.

        What is younger than `older_than` seconds is kept. A dry run, the default, only tells.
        """
        return gc(self._store, dry_run=dry_run, older_than=older_than)

    def verify_store(self) -> Report:
        """Derive every digest again; `problems` is empty when the store is whole."""
        return verify(self._store)

    def close(self) -> None:
        """Close the store; a runtime that was given stays open."""
        self._store.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take_in(self, archive: Archive) -> None:
        """Fill the store, and look anew at what it holds."""
        importing.fill(self._store, archive)
        before = self._executor
        self._executor = Executor(self._store, before.runtime, before.toolbox, seed=None)


def _is_runtime(value: object) -> bool:
    """Whether a value has all parts of a runtime; reading `info`, as isinstance does, might load a model."""
    return all(hasattr(type(value), name) for name in vars(Runtime) if not name.startswith("_"))
