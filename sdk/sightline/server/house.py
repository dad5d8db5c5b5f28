"""House: what all routes of a server share, and how a route gets at it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from starlette.requests import HTTPConnection

from sightline.errors import StoreError
from sightline.server.bounded import Bounded
from sightline.server.idempotency import Ledger
from sightline.server.keys import Keys
from sightline.server.measured import Measured
from sightline.server.metrics import Metrics
from sightline.server.runs import Runs
from sightline.server.settings import Settings
from sightline.server.tenants import Tenants
from sightline.server.work import Crew
from sightline_runtime.protocol import Runtime
from sightline_tools.toolbox import Toolbox, default_toolbox

_LAST = 2.0
"""Seconds that cancelled runs have to end."""


class House:
    """A runtime, the tenants' sessions on it, the keys, and the crew that does the blocking work."""

    def __init__(
        self,
        runtime: Runtime,
        settings: Settings | None = None,
        *,
        keys: Keys | None = None,
        toolbox: Toolbox | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.crew = Crew(self.settings)
        self.metrics = Metrics(running=lambda: self.crew.running, waiting=lambda: self.crew.waiting)
        self.runtime: Runtime = Measured(Bounded(runtime, self.settings.max_drawn), self.metrics.staged)
        self.keys = Keys() if keys is None else keys
        self.toolbox = default_toolbox() if toolbox is None else toolbox
        self._scratch = None if self.settings.data else TemporaryDirectory(prefix="sightline-")
        data = self.settings.data or Path(cast(TemporaryDirectory[str], self._scratch).name)
        _made(data)
        self.tenants = Tenants(
            data, self.runtime, toolbox=self.toolbox, most_open=self.settings.max_sessions_open
        )
        self.runs, self.ledger = Runs(), Ledger(data / "answers.db")

    def close(self, patience: float | None = None) -> bool:
        """Close all sessions; the runtime stays open. Gives whether all calls ended in time.

        Runs that nobody waits for have `patience` seconds to end, without it none, and are
        then cancelled. What does not end even so is left alone, and its session open: a
        store is whole whenever its process dies.
        """
        if patience is None or not self.crew.close(patience):
            self.runs.cancel()
        if not self.crew.close(None if patience is None else _LAST):
            return False
        self.tenants.close()
        self.ledger.close()
        if self._scratch is not None:
            self._scratch.cleanup()
        return True


def _made(data: Path) -> None:
    """Make the folder of all sessions; StoreError where that cannot be."""
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise StoreError(f"no sessions can be kept in {data}: {why}", hint="choose another folder") from error


def house_of(connection: HTTPConnection) -> House:
    """The house that a request came to."""
    return cast(House, connection.app.state.house)
