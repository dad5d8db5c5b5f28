"""AsyncSession: the session for asyncio, a thin twin.

Every verb runs the sync one in a thread (context variables travel along), so the
event loop stays free while the model works. Cancelling an await, or a stream,
cancels the work and waits until it has ended. A test compares the signatures.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from sightline.session import Session
from sightline.store.sweep import DEFAULT_AGE, Swept
from sightline.tree.verify import Report
from sightline_runtime.protocol import Runtime
from sightline_tools.toolbox import Toolbox

if TYPE_CHECKING:
    pass

from sightline.awaited.base import awaited
from sightline.awaited.chat import AsyncChatting
from sightline.awaited.making import AsyncMaking
from sightline.awaited.past import AsyncPast
from sightline.awaited.reasoning import AsyncReasoning
from sightline.awaited.tree import AsyncTree


class AsyncSession(AsyncMaking, AsyncTree, AsyncPast, AsyncReasoning, AsyncChatting):
    """A session whose verbs are awaited; see `Session`."""

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
        self._session = Session(
            path, store=store, objects=objects, runtime=runtime, seed=seed, toolbox=toolbox, files=files
        )

    @property
    def runtime(self) -> Runtime:
        """The runtime that does the work."""
        return self._session.runtime

    @property
    def name(self) -> str:
        """The name of the session in its store; `main` where it is the only one."""
        return self._session.name

    @property
    def path(self) -> Path | None:
        """Where the session is stored, None in memory."""
        return self._session.path

    async def report(self, path: str | Path) -> Path:
        """Write the whole session as one HTML file that opens offline."""
        return await awaited(self._session.report, path)

    async def gc(self, *, dry_run: bool = True, older_than: float = DEFAULT_AGE) -> Swept:
        """Remove what no branch, tag, redo or recent move of any session of the store leads to.

        What is younger than `older_than` seconds is kept. A dry run, the default, only tells.
        """
        return await awaited(self._session.gc, dry_run=dry_run, older_than=older_than)

    async def verify_store(self) -> Report:
        """Derive every digest again; `problems` is empty when the store is whole."""
        return await awaited(self._session.verify_store)

    async def close(self) -> None:
        """Close the store; a runtime that was given stays open."""
        await awaited(self._session.close)

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
