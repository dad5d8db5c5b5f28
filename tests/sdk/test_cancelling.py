"""Calls that are left early: streams, awaits, time limits and Ctrl-C."""

import asyncio
import signal
import threading
import time

import pytest

import sightline as sl
from sightline_runtime.protocol import Job


class Endless(Job):
    """A job that ends when it is asked to; `read` is set once someone waits for it."""

    def __init__(self):
        super().__init__()
        self.read = threading.Event()

    def __iter__(self):
        self.read.set()
        return super().__iter__()


class Waiting(sl.FakeRuntime):
    """Draws until it is cancelled; `started` and `stopped` tell when."""

    def __init__(self):
        super().__init__()
        self.started, self.stopped = threading.Event(), threading.Event()

    def generate_features(self, request):
        """Never a result."""
        job = Endless()

        def work():
            job.read.wait()
            self.started.set()
            while not job.cancelled:
                time.sleep(0.005)
            self.stopped.set()

        threading.Thread(target=work, daemon=True).start()
        return job


def test_a_time_limit_on_a_stream_is_a_timeout():
    """The reader gets TimeoutError, the work stops, and the branch stays where it was."""
    runtime = Waiting()

    async def main():
        async with sl.AsyncSession(runtime=runtime) as s:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(s.stream.generate("a star")), 0.2)
            return await s.log()

    assert asyncio.run(main()) == []
    assert runtime.stopped.wait(5)


@pytest.mark.parametrize("verb", ["generate", "stream"])
def test_cancelling_an_await_cancels_the_work(verb):
    """A cancelled task raises CancelledError, and nothing of its call lands on the branch."""
    runtime = Waiting()

    async def drawn(s):
        return await (s.generate("a star") if verb == "generate" else anext(s.stream.generate("a star")))

    async def main():
        async with sl.AsyncSession(runtime=runtime) as s:
            task = asyncio.create_task(drawn(s))
            await asyncio.to_thread(runtime.started.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await s.log()

    assert asyncio.run(main()) == []
    assert runtime.stopped.wait(5)


def test_work_that_ends_after_its_cancelling_is_not_committed(session):
    """A pure tool cannot be interrupted, but its step does not land."""
    from sightline.tree.cancelling import Cancellation

    stop = Cancellation()
    stop.cancel()
    star = session.generate("a star")
    with pytest.raises(sl.CancelledError):
        stop.run(lambda: session.crop(star, (0, 0, 1, 1)))
    assert session.head[1] == star.step.id


@pytest.fixture
def interruptible():
    """Python's own handling of Ctrl-C, also where the tests were started in the background without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_the_engine():
    """A keyboard interrupt leaves a plain call at once and cancels its job."""
    runtime = Waiting()

    def interrupt():
        runtime.started.wait()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with sl.Session(runtime=runtime) as s:
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            s.generate("a heart")
        assert runtime.stopped.wait(5)
        assert s.log() == []


def test_closing_a_stream_from_another_thread_ends_its_reader():
    """The waiting reader gets CancelledError; the stream is over."""
    runtime = Waiting()
    with sl.Session(runtime=runtime) as s:
        events = s.stream.generate("a star")

        def close():
            runtime.started.wait()
            events.close()

        closer = threading.Thread(target=close)
        closer.start()
        with pytest.raises(sl.CancelledError):
            next(events)
        closer.join()
        assert list(events) == []


def test_a_bad_stream_is_refused_when_it_is_made(session):
    """Arguments are checked before the first event is asked for."""
    for bad in ({"prompt": ""}, {"prompt": "a star", "steps": 0}, {"prompt": "a star", "seed": -1}):
        with pytest.raises(sl.InputError):
            session.stream.generate(**bad)
