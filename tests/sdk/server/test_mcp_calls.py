"""Progress as one number, and blocking work that ends with its caller."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import BusyError, CancelledError, DeadlineError, InputError
from sightline.server.mcp_calls import Meter, call
from sightline.server.settings import Settings
from sightline.server.work import Crew
from sightline.tree import cancelling
from sightline_runtime.protocol import Progress, TextDelta

STAGES = st.lists(st.tuples(st.sampled_from(["text", "features", "decode"]), st.integers(1, 9)), max_size=6)


@given(STAGES)
def test_one_number_rises_through_all_stages(stages):
    """Whatever stages follow each other, what is told rises and never exceeds its total."""
    meter, told = Meter(), []
    for stage, total in stages:
        for done in range(1, total + 1):
            if meter.add(Progress(stage, done, total)):
                told.append(meter.done)
                assert meter.done <= meter.total
    assert told == sorted(set(told))
    assert not meter.add(TextDelta("no progress"))


async def silent(done, total, message):
    """Tell nobody."""


def test_the_work_gives_or_raises(caplog):
    """A result is given, an error raised, and a full crew says so before anything runs."""

    async def main(crew):
        assert await call(crew, lambda told: 3, silent, limit=5) == 3
        with pytest.raises(InputError):
            await call(crew, raising, silent, limit=5)
        release = threading.Event()
        waiting = asyncio.create_task(call(crew, lambda told: release.wait(5), silent, limit=5))
        await asyncio.sleep(0.05)
        with pytest.raises(BusyError):
            await call(crew, lambda told: 3, silent, limit=5)
        release.set()
        assert await waiting

    def raising(told):
        raise InputError("wrong")

    crew = Crew(Settings(max_running=1, max_waiting=0))
    asyncio.run(main(crew))
    crew.close()
    assert not caplog.records


def test_a_cancelled_caller_stops_the_work():
    """The thread sees it at its next look, whether or not anybody still waits."""
    seen = threading.Event()

    def work(told):
        stop = cancelling.current()
        for _ in range(500):
            try:
                stop.check()
            except CancelledError:
                seen.set()
                raise
            threading.Event().wait(0.01)

    async def main(crew):
        task = asyncio.create_task(call(crew, work, silent, limit=5))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    crew = Crew(Settings())
    asyncio.run(main(crew))
    assert seen.wait(2)
    crew.close()


def test_a_call_that_waits_for_a_thread_is_dropped_with_its_caller():
    """What nobody waits for any more never begins, and its place is free at once."""
    begun, release = [], threading.Event()

    async def main(crew):
        first = asyncio.create_task(call(crew, lambda told: release.wait(5), silent, limit=5))
        waiting = asyncio.create_task(call(crew, lambda told: begun.append(1), silent, limit=5))
        late = asyncio.create_task(call(crew, lambda told: begun.append(2), silent, limit=0.05))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(DeadlineError):
            await late
        assert crew.load == 1
        release.set()
        assert await first

    crew = Crew(Settings(max_running=1, max_waiting=2))
    asyncio.run(main(crew))
    crew.close()
    assert begun == []
