"""Blocking work behind routes: bounded, in time, and stopped when nobody waits for it any more."""

import asyncio
import threading

import pytest
from starlette.requests import Request

from sightline.errors import BusyError, CancelledError, DeadlineError, InputError
from sightline.server.settings import Settings
from sightline.server.work import Crew, events, run
from sightline.tree.cancelling import current

BOUND = 20


@pytest.fixture
def crew():
    """One thread, and room for one more call."""
    made = Crew(Settings(max_running=1, max_waiting=1))
    yield made
    assert made.close(BOUND)


@pytest.fixture
def gate():
    """Work that runs until it may go: (has begun, may go, work)."""
    begun, go = threading.Event(), threading.Event()

    def work():
        begun.set()
        assert go.wait(BOUND)
        return "done"

    yield begun, go, work
    go.set()


def asked(gone=None, **headers):
    """A request whose client stays, or goes when an event is set."""

    async def receive():
        await (asyncio.Event() if gone is None else gone).wait()
        return {"type": "http.disconnect"}

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": named}, receive)


def within(main):
    """Run a coroutine, within a bound."""
    return asyncio.run(asyncio.wait_for(main, BOUND))


def stoppable(begun, stopped):
    """Work that goes on until it is cancelled."""

    def work():
        begun.set()
        ended = threading.Event()
        try:
            while not ended.wait(0.01):
                current().check()
        finally:
            stopped.set()

    return work


def test_so_many_run_so_many_wait_and_the_rest_is_told(crew, gate):
    """Calls beyond both are refused with the time to come again; what ends makes room."""
    begun, go, work = gate
    first = crew.submit(work)
    assert begun.wait(BOUND)
    second = crew.submit(work)
    assert (crew.load, crew.running, crew.waiting) == (2, 1, 1)
    with pytest.raises(BusyError) as told:
        crew.submit(work)
    assert told.value.retry_after == 1.0
    go.set()
    assert (first.result(BOUND), second.result(BOUND)) == ("done", "done")
    assert crew.submit(lambda: "room").result(BOUND) == "room"


def test_what_waits_gives_its_place_up_when_it_is_cancelled(crew, gate):
    """It never begins."""
    begun, go, work = gate
    first = crew.submit(work)
    assert begun.wait(BOUND)
    waiting = crew.submit(lambda: pytest.fail("it began"))
    assert waiting.cancel()
    assert crew.load == 1
    go.set()
    assert first.result(BOUND) == "done"


def test_a_crew_that_closes_takes_nothing_new_and_waits_for_what_runs(crew, gate):
    """And says whether all of it ended."""
    begun, go, work = gate
    running = crew.submit(work)
    assert begun.wait(BOUND)
    waiting = crew.submit(work)
    crew.drain()
    with pytest.raises(BusyError, match="closing"):
        crew.submit(work)
    assert not crew.close(0.05)
    assert waiting.cancelled()
    go.set()
    assert crew.close(BOUND)
    assert running.result(BOUND) == "done"


def test_a_result_and_an_error_come_back(crew):
    """As the work left them."""

    def fail():
        raise InputError("no", hint="yes")

    assert within(run(asked(), crew, lambda: 7)) == 7
    with pytest.raises(InputError, match="no"):
        within(run(asked(), crew, fail))
    assert crew.submit(lambda: "room").result(BOUND) == "room"


@pytest.mark.parametrize(("headers", "limit"), [({}, 0.1), ({"x_deadline": "0.1"}, None)])
def test_a_call_ends_when_its_time_is_over(crew, headers, limit):
    """The limit is the server's or the client's, and the work behind it is cancelled."""
    begun, stopped = threading.Event(), threading.Event()
    with pytest.raises(DeadlineError, match=r"0\.1 s"):
        within(run(asked(**headers), crew, stoppable(begun, stopped), limit=limit))
    assert stopped.wait(BOUND)


def test_a_client_that_goes_cancels_what_runs(crew):
    """The work sees it at its next look."""
    begun, stopped = threading.Event(), threading.Event()

    async def main():
        gone = asyncio.Event()
        call = asyncio.create_task(run(asked(gone), crew, stoppable(begun, stopped)))
        await asyncio.to_thread(begun.wait, BOUND)
        gone.set()
        with pytest.raises(CancelledError):
            await call

    within(main())
    assert stopped.wait(BOUND)


def test_events_come_one_by_one_and_stop_with_their_reader(crew):
    """Leaving early cancels the source at its next event."""
    stopped = threading.Event()

    def numbers():
        number = 0
        try:
            while True:
                yield (number := number + 1)
        finally:
            stopped.set()

    async def main():
        stream = events(crew, numbers, limit=BOUND)
        assert [await anext(stream), await anext(stream)] == [1, 2]
        await stream.aclose()

    within(main())
    assert stopped.wait(BOUND)


def test_events_end_when_their_time_is_over(crew):
    """A source that is silent does not hold its reader."""
    begun, stopped = threading.Event(), threading.Event()

    def silent():
        stoppable(begun, stopped)()
        yield "never"

    async def main():
        with pytest.raises(DeadlineError):
            await anext(events(crew, silent, limit=0.1))

    within(main())
    assert stopped.wait(BOUND)
