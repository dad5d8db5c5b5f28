"""The events of a whole session, read from its log: they outlive the server, and need no run.

An offset is the number of a step in the store and the beginning of the step's id, so an
offset whose step was swept away is known to be gone, even if its number is used again.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from sightline.errors import InputError, NotFoundError
from sightline.server.event_log import PING
from sightline.server.event_stream import frame
from sightline.server.placing import executor_of
from sightline.server.showing import step_info
from sightline.server.tenants import Tenants
from sightline.tree.steps import Step

_OFFSET = re.compile(r"([0-9]{1,18})-([0-9a-f]{8})")
_LOOK, _SELDOM = 0.2, 1.0
"""Seconds between two looks at the log, while steps come and after a while without."""
_AT_ONCE = 100


class GoneError(NotFoundError):
    """What comes after an offset is not known any more; the status is 410."""


@dataclass(frozen=True)
class Feed:
    """The log of one session of a tenant, read a part at a time."""

    tenants: Tenants
    tenant: str
    session: str

    def start(self, offset: str) -> int:
        """The number after which a client goes on; GoneError if its step is not there any more."""
        found = _OFFSET.fullmatch(offset)
        if offset in ("", "0"):
            self.read(0, 1)  # NotFoundError if there is no such session
            return 0
        if found is None:
            raise InputError(f"{offset[:40]!r} is not the id of an event", hint="give the last id that came")
        number = int(found[1])
        if not any(each.startswith(f"id: {offset}\n".encode()) for _, each in self.read(number - 1, 1)):
            raise GoneError(
                "the step of this offset is not in the log any more", hint="read the log, then follow anew"
            )
        return number

    def read(self, after: int, limit: int = _AT_ONCE) -> list[tuple[int, bytes]]:
        """The next steps after a number, each with its own number."""
        with self.tenants.session(self.tenant, self.session, create=False) as session:
            executor = executor_of(session)
            rows = executor.store.database.steps_after(after, limit)
            steps = [(int(str(row["seq"])), Step.from_row(row)) for row in rows]
            return [
                (seq, frame(f"{seq}-{step.short}", "step", step_info(executor, step).model_dump_json()))
                for seq, step in steps
            ]

    async def frames(self, after: int, *, goes_on: Callable[[], bool]) -> AsyncIterator[bytes | None]:
        """Steps as they are stored, then `end`: after the last, once it goes on no more."""
        silent_since, pause = time.monotonic(), _LOOK
        while True:
            found = await asyncio.to_thread(self.read, after)
            for number, line in found:
                after = number
                yield line
            if found:
                silent_since, pause = time.monotonic(), _LOOK
                continue
            if not goes_on():
                break
            if time.monotonic() - silent_since > PING:
                silent_since = time.monotonic()
                yield None
            await asyncio.sleep(pause)
            pause = min(_SELDOM, 1.5 * pause)
        yield frame("", "end", "{}")
