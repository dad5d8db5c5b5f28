"""import_session: open a session with what another one exported."""

from __future__ import annotations

from pathlib import Path

from sightline.importing import checked
from sightline.session import Session
from sightline_runtime.protocol import Runtime
from sightline_tools.toolbox import Toolbox


def import_session(
    archive: str | Path,
    path: str | Path | None = None,
    *,
    store: str | Path | None = None,
    objects: str | Path | None = None,
    runtime: Runtime | None = None,
    toolbox: Toolbox | None = None,
) -> Session:
    """Open a session with what another one exported: a new one, or one that is there and keeps its own.

    The places are those of `Session`. Step ids stay as they were. All is checked before
    anything is written: InputError if the file is no archive, or not whole. What it holds is
    whole, not therefore true: `replay` computes it again.
    """
    found = checked(Path(archive))
    session = Session(path, store=store, objects=objects, runtime=runtime, toolbox=toolbox)
    try:
        session._take_in(found)  # the other half of this door
    except BaseException:
        session.close()
        raise
    return session
