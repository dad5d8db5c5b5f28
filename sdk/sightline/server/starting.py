"""Starting: a request that makes a step as a run, done once however often it is sent.

First all is checked, so that what cannot be done is refused at once; then the work
goes to the crew. A request whose key another one holds attaches to that one's run, gets
its answer, or finds the step that a server left which died.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request

from sightline.errors import CancelledError, SightlineError
from sightline.results import Cache
from sightline.server.access import Caller
from sightline.server.calling import prepared
from sightline.server.house import House
from sightline.server.idempotency import Entry, Mark
from sightline.server.placing import executor_of, going, on_branch
from sightline.server.runs import Run, Watch
from sightline.server.session_forms import Answer, ToolCall
from sightline.server.showing import answer
from sightline.session import Session
from sightline.tree.execute import Executor, added
from sightline.tree.steps import Step
from sightline_tools.image import PixelArray

GRACE = 10.0
"""Seconds that a call with a key runs on when its client went away: whoever sends a key comes again."""

Work = Callable[[Watch], Answer]
Checked = tuple[str, Work]
"""The recipe of a checked call, and what does it."""
Check = Callable[[Session], Checked]


@dataclass(frozen=True)
class Asked:
    """A request that makes a step: whose, in which session, where, and what checks it."""

    tenant: str
    session: str
    tool: str
    at: str | None
    expect: str | None
    check: Check
    digest: str
    key: str | None

    @classmethod
    def of_tool(cls, caller: Caller, session: str, tool: str, call: ToolCall, key: str | None) -> Asked:
        """A tool call."""
        told = json.dumps([session, tool, call.model_dump(mode="json")], sort_keys=True)
        digest = hashlib.sha256(told.encode()).hexdigest()
        check = partial(_check_tool, tool, call)
        return cls(caller.tenant, session, tool, call.at, call.expect, check, digest, key)

    @classmethod
    def of_picture(
        cls,
        caller: Caller,
        session: str,
        data: bytes,
        read: Callable[[bytes], PixelArray],
        key: str | None,
        *,
        at: str | None,
        expect: str | None,
    ) -> Asked:
        """A picture that is brought in; `read` decodes it, or refuses."""
        told = json.dumps([session, "add", at, expect, hashlib.sha256(data).hexdigest()])
        digest = hashlib.sha256(told.encode()).hexdigest()
        check = partial(_check_picture, data, read)
        return cls(caller.tenant, session, "add", at, expect, check, digest, key)


@dataclass(frozen=True)
class Started:
    """A run; `again` tells that an earlier request of the same key started it."""

    run: Run
    again: bool = False


async def start(house: House, asked: Asked, *, detached: bool, limit: float) -> Started:
    """Start a run of at most `limit` seconds, or find the one of the same Idempotency-Key.

    Raises errors of the tree, before any work.
    """
    run = house.runs.new(asked.tenant, asked.session, asked.tool)
    run.detached, run.grace = detached, 0.0 if asked.key is None else GRACE
    try:
        earlier = None if asked.key is None else await _claimed(house, asked, asked.key, run)
        if earlier is not None:
            if earlier is not run:
                house.runs.discard(run)
            earlier.detached |= detached
            return Started(earlier, again=True)
        await _begin(house, asked, run, limit)
    except BaseException as error:
        house.runs.discard(run)
        given_up = CancelledError("the first request of this key was given up", hint="send it again")
        run.fail(error if isinstance(error, SightlineError) else given_up)  # others may wait for it
        raise
    return Started(run)


async def outcome(run: Run, request: Request) -> Answer:
    """Wait for the answer of a run, or until the client goes away. Raises the run's error."""
    run.join()
    waits = {asyncio.create_task(run.ended.wait()), asyncio.create_task(_gone(request))}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
        run.leave()
    if run.error is not None:
        raise run.error
    if run.answer is None:
        raise CancelledError("the client went away")
    return run.answer


async def _gone(request: Request) -> bool:
    """Wait until the client has closed the connection, or sends what it must not."""
    with suppress(SightlineError):
        while (await request.receive())["type"] != "http.disconnect":
            continue
    return True


async def _begin(house: House, asked: Asked, run: Run, limit: float) -> None:
    """Check a call with its session open, and hand it to the crew, which closes the session."""
    held = ExitStack()
    try:
        work = await asyncio.to_thread(_checked, house, asked, run.id, held)
        dropped = partial(_let_go, house, asked, run.id, held)
        run.start(house.crew, partial(_do, house, asked, run.id, work, held), limit=limit, dropped=dropped)
    except BaseException:
        await asyncio.to_thread(_let_go, house, asked, run.id, held)
        raise


def _checked(house: House, asked: Asked, run: str, held: ExitStack) -> Work:
    session = held.enter_context(house.tenants.session(asked.tenant, asked.session, create=False))
    view = held.enter_context(going(session, asked.at, asked.expect))
    recipe, work = asked.check(view)
    if asked.key is not None:
        executor = executor_of(view)
        newest = executor.store.database.steps(1)
        seq = int(str(newest[0]["seq"])) if newest else 0
        mark = Mark(session=asked.session, branch=executor.refs.head()[0], recipe=recipe, seq=seq)
        house.ledger.mark(asked.tenant, asked.key, run, mark)
    return work


def _do(house: House, asked: Asked, run: str, work: Work, held: ExitStack, watch: Watch) -> Answer:
    """The work, and what its key keeps of it."""
    try:
        told = work(watch)
    except BaseException:
        _let_go(house, asked, run, held)
        raise
    held.close()
    if asked.key is not None:
        house.ledger.keep(asked.tenant, asked.key, run, told.model_dump_json())
    return told


def _let_go(house: House, asked: Asked, run: str, held: ExitStack) -> None:
    """Close the session and free the key: what failed may be tried again."""
    held.close()
    if asked.key is not None:
        house.ledger.free(asked.tenant, asked.key, run)


async def _claimed(house: House, asked: Asked, key: str, run: Run) -> Run | None:
    """Claim a key for a run: None if it is this one's now, else the run of an earlier request."""
    entry = await asyncio.to_thread(house.ledger.claim, asked.tenant, key, asked.digest, run.id)
    if entry is None:
        return None
    alive = house.runs.find(asked.tenant, entry.run)
    if alive is not None and alive.error is None:
        return alive
    found = await asyncio.to_thread(_recovered, house, asked.tenant, entry)
    if found is not None:
        run.finish(found)
        return run
    if await asyncio.to_thread(house.ledger.take_over, asked.tenant, key, entry.run, run.id):
        return None
    return await _claimed(house, asked, key, run)


def _recovered(house: House, tenant: str, entry: Entry) -> Answer | None:
    """The answer that a key kept, or that of the step which a run left that did not live to keep it."""
    if entry.body is not None:
        return Answer.model_validate_json(entry.body)
    if entry.mark is None:
        return None
    with house.tenants.session(tenant, entry.mark.session, create=False) as session:
        view = on_branch(session, entry.mark.branch)
        executor = executor_of(view)
        step = _left(executor, entry.mark)
        cache = Cache("hit", "done by an earlier request of the same key")
        return None if step is None else answer(view, executor.result(step, cache))


def _left(executor: Executor, mark: Mark) -> Step | None:
    rows = executor.store.database.steps_after(mark.seq)
    found = (row for row in rows if row["recipe"] == mark.recipe and row["status"] == "done")
    row = next(found, None)
    return None if row is None else Step.from_row(row)


def _check_tool(tool: str, call: ToolCall, view: Session) -> Checked:
    executor = executor_of(view)
    checked = prepared(executor, tool, call.arguments, call.seed)
    return checked.recipe, lambda watch: answer(view, executor.finish(checked, watch))


def _check_picture(data: bytes, read: Callable[[bytes], PixelArray], view: Session) -> Checked:
    executor = executor_of(view)
    source = executor.pictures.incoming(read(data))
    return added(source).recipe, lambda watch: answer(view, executor.bring(source))
