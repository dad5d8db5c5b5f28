"""The jobs and arrays of every tenant on the runtime: each job is started once, and kept for a while.

A job has an id that its client made: starting it again is the same job. Its outcome
is kept for clients that lost the line.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import cast

from starlette.requests import HTTPConnection

from sightline.errors import ConflictError, InputError, NotFoundError
from sightline.server.array_shelf import ROOM, ArrayShelf, Held
from sightline.server.house import House, house_of
from sightline.server.running_job import RunningJob
from sightline_runtime.wire.requests import JobForm, named_arrays

KEEP = 60.0
"""Seconds that an outcome is kept."""
MOST_KEPT = 256
"""Outcomes that are kept for a tenant."""


class MissingArrays(InputError):
    """The request names arrays that the server does not have (any more): `missing` are their digests."""

    code = "missing_arrays"

    def __init__(self, missing: list[str]) -> None:
        super().__init__(
            f"the server does not have {len(missing)} of the arrays",
            hint="PUT them, then start the job again",
        )
        self.missing = missing


@dataclass
class _Room:
    """What one tenant has here."""

    shelf: ArrayShelf = field(default_factory=ArrayShelf)
    jobs: dict[str, RunningJob] = field(default_factory=dict)
    done: OrderedDict[str, RunningJob] = field(default_factory=OrderedDict)


class Jobs:
    """Starts jobs and finds them again; belongs to one event loop, and ends with it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._rooms: dict[str, _Room] = {}
        self._guard = asyncio.get_running_loop().create_task(self._guarded())

    async def _guarded(self) -> None:
        """Stop all work when the loop ends: nobody could stop it, nor hear of it, after that."""
        try:
            await asyncio.Event().wait()
        finally:
            for room in self._rooms.values():
                for job in list(room.jobs.values()):
                    job.cancel()

    def shelf(self, tenant: str) -> ArrayShelf:
        """The arrays of a tenant."""
        return self._room(tenant).shelf

    def start(self, tenant: str, name: str, form: JobForm) -> RunningJob:
        """The job of that name, which is started unless it is there.

        Raises ConflictError if the name stands for other work, MissingArrays if it names
        arrays that are not here, BusyError if too many jobs wait.
        """
        room = self._room(tenant)
        known = room.jobs.get(name)
        if known is not None:
            if not known.form.same_work(form):
                raise ConflictError("a job of this id asks for other work", hint="make a new id for new work")
            return known
        job = RunningJob(
            form,
            _held(room.shelf, form),
            limit=self._house.settings.call_timeout,
            on_end=lambda: self._ended(room, name),
        )
        job.begin(self._house.crew, self._house.runtime, room.shelf)
        room.jobs[name] = job  # one that was refused may be started again
        return job

    def find(self, tenant: str, name: str) -> RunningJob:
        """The job of a name; NotFoundError if it never was here, or is not kept any more."""
        job = self._room(tenant).jobs.get(name)
        if job is None:
            raise NotFoundError("there is no such job", hint="start it, with an id of its own")
        return job

    def drop(self, tenant: str, name: str) -> None:
        """Cancel a job, or let go of its outcome; NotFoundError like `find`."""
        self.find(tenant, name).cancel()
        _forget(self._room(tenant), name)

    def _room(self, tenant: str) -> _Room:
        return self._rooms.setdefault(tenant, _Room())

    def _ended(self, room: _Room, name: str) -> None:
        """Keep an outcome for a while; the oldest go if they are too many or too heavy."""
        job = room.jobs.get(name)
        if job is None:
            return
        room.done[name] = job
        while len(room.done) > MOST_KEPT or (len(room.done) > 1 and _weight(room) > ROOM):
            _forget(room, next(iter(room.done)))
        asyncio.get_running_loop().call_later(KEEP, _outlived, room, name, job)


def _held(shelf: ArrayShelf, form: JobForm) -> dict[str, Held]:
    """The arrays that a job names."""
    names = named_arrays(form.request)
    found = {name: held for name in names if (held := shelf.get(name)) is not None}
    if len(found) < len(names):
        raise MissingArrays([name for name in names if name not in found])
    return found


def _weight(room: _Room) -> int:
    return sum(job.weight for job in room.done.values())


def _forget(room: _Room, name: str) -> None:
    room.done.pop(name, None)
    room.jobs.pop(name, None)


def _outlived(room: _Room, name: str, job: RunningJob) -> None:
    """Let go of an outcome, unless its name stands for a newer job by now."""
    if room.jobs.get(name) is job:
        _forget(room, name)


def jobs_of(connection: HTTPConnection) -> Jobs:
    """The jobs of the server that a request came to; made with the first one, in its event loop."""
    state = connection.app.state
    if not hasattr(state, "jobs"):
        state.jobs = Jobs(house_of(connection))
    return cast(Jobs, state.jobs)
