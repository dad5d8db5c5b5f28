"""Sessions on a server's model, and any runtime awaited."""

import asyncio
import threading

import pytest

import sightline as sl
from sightline.remote import KEY
from sightline_runtime.errors import CancelledError, EngineError, InputError, UnauthorizedError
from sightline_runtime.protocol import FeatureRequest, Message, Progress, TextDelta, TextRequest
from sightline_runtime.testing import FakeRuntime

SAY = (Message("user", ("a red star",)),)


@pytest.fixture
def gpu(served):
    """The model of a server."""
    runtime = sl.connect(served[0])
    yield runtime
    runtime.close()


def work(runtime):
    """A session's verbs; gives what identifies what they made, step by step."""
    with sl.Session(runtime=runtime, seed=7) as s:
        a = s.generate("a red star left of a blue ring", n=2)
        assert s.understand(a, "what color is the star ?").text == "red"
        b = s.edit(a, "make the star green")
        s.promote(s.generate("a ring", draft=True))
        s.crop(b, (0, 0, 32, 32))
        assert s.replay().ok
        return [(step.tool, step.recipe, step.images()) for step in s.log()]


def test_a_session_elsewhere_is_the_same_session(gpu):
    """The same recipes, seeds and pixels, so what was made here is found again there."""
    assert work(gpu) == work(FakeRuntime())


def test_a_session_made_here_replays_there(gpu, tmp_path):
    """Each step computed again by the server's model gives the same digests."""
    with sl.Session(tmp_path / "cats", runtime=FakeRuntime(), seed=3) as s:
        s.edit(s.generate("a red star"), "make the star blue")
    with sl.Session(tmp_path / "cats", runtime=gpu) as s:
        assert s.replay().ok
        assert s.generate("a red star").cache.status == "hit"


def test_a_session_streams_from_elsewhere(gpu):
    """Progress and previews of the server's model reach the session's stream; leaving early stops it."""
    with sl.Session(runtime=gpu, seed=1) as s:
        kinds = [type(event).__name__ for event in s.stream.generate("a ring", steps=4, preview_every=2)]
        assert kinds[-1] == "Done"
        assert {"Progress", "Preview"} <= set(kinds)


def test_a_wrong_call_reads_the_same_there(gpu):
    """Class, message and hint of an error do not tell where the model runs."""
    told = []
    for runtime in (gpu, FakeRuntime()):
        with sl.Session(runtime=runtime, seed=1) as s, pytest.raises(InputError) as caught:
            s.generate("star " * 500)
        told.append((type(caught.value), caught.value.message, caught.value.hint))
    assert told[0] == told[1]


def test_the_key_may_come_from_the_environment(served, monkeypatch):
    """An argument wins; without both, no key is sent."""
    seen = []
    from sightline_runtime.remote import runtime

    monkeypatch.setattr(runtime, "RemoteRuntime", lambda url, api_key, **rest: seen.append(api_key))
    sl.connect("http://gpu")
    monkeypatch.setenv(KEY, "from-env")
    sl.connect("http://gpu")
    sl.connect("http://gpu", api_key="given")
    monkeypatch.setenv(KEY, "")
    sl.connect("http://gpu")
    assert seen == [None, "from-env", "given", None]


def test_a_wrong_address_is_told_when_one_connects(served):
    """Nobody there, something else there, no address at all: each an error of the tree."""
    with pytest.raises(EngineError, match="cannot be made"):
        sl.connect("http://127.0.0.1:9", tries=1)
    with pytest.raises(sl.NotFoundError):
        sl.connect(f"{served[0]}/elsewhere")
    with pytest.raises(InputError, match="address"):
        sl.connect("gpu")


def test_any_runtime_is_awaited():
    """Results are awaited, events iterated, both of one job; errors come where it is awaited."""

    async def main():
        art = sl.AsyncRuntime(FakeRuntime(delay=0.05))
        assert art.info.model == "fake"
        job = art.generate_features(FeatureRequest(SAY, (1,), steps=3))
        events = [event async for event in job]
        assert [event.done for event in events] == [1, 2, 3]
        assert all(isinstance(event, Progress) for event in events)
        assert len((await job).features) == 1
        assert [event async for event in job] == []
        said = art.generate_text(TextRequest(SAY))
        assert (await said).text == "unknown"
        assert [type(event) async for event in said] == [TextDelta]
        with pytest.raises(InputError):
            await art.generate_features(FeatureRequest(SAY, ()))
        with pytest.raises(InputError):
            async for _ in art.generate_features(FeatureRequest(SAY, ())):
                pass
        await art.close()

    asyncio.run(main())


def test_many_awaited_jobs_run_at_once():
    """Forty that wait do not wait for each other."""

    async def main():
        art = sl.AsyncRuntime(FakeRuntime(delay=0.3))
        jobs = [art.generate_text(TextRequest(SAY)) for _ in range(40)]
        async with asyncio.timeout(5):
            return [(await job).text for job in jobs]

    assert asyncio.run(main()) == ["unknown"] * 40


def test_a_cancelled_await_cancels_the_job(gpu, served):
    """Here at once, over there too; cancelling a job by itself does the same."""

    async def main(art):
        task = asyncio.ensure_future(_awaited(art.generate_features(FeatureRequest(SAY, (1,), steps=500))))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        job = art.generate_features(FeatureRequest(SAY, (1,), steps=500))
        job.cancel()
        job.cancel()
        with pytest.raises(CancelledError):
            await job

    asyncio.run(main(sl.AsyncRuntime(FakeRuntime(delay=5))))
    for thread in threading.enumerate():
        if thread.name in ("sightline-async", "sightline-fake"):
            thread.join(5)
            assert not thread.is_alive()


async def _awaited(job):
    return await job


def test_a_key_that_is_refused_is_told(tmp_path, fake):
    """A server with keys lets nobody in without one, and gives the model to who has one."""
    from sightline.server.house import House
    from sightline.server.key_file import KeyFile
    from sightline.server.keys import Keys
    from sightline.server.serving import running

    file = KeyFile(tmp_path / "keys.json")
    good = file.add("alice", tenant="alice")
    poor = file.add("bob", tenant="bob", scopes=frozenset({"images"}))
    house = House(fake, keys=Keys(file=file))
    with running(house) as address:
        with pytest.raises(UnauthorizedError):
            sl.connect(address)
        with pytest.raises(UnauthorizedError):
            sl.connect(address, api_key="wrong")
        with pytest.raises(sl.ForbiddenError):
            sl.connect(address, api_key=poor)
        runtime = sl.connect(address, api_key=good)
        assert runtime.generate_text(TextRequest(SAY)).result(5).text == "unknown"
        assert good not in repr(runtime)
        runtime.close()
    house.close(5)
