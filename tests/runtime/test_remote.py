"""The model of a server behind the runtime protocol: what it gives is what the model gives."""

import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import pytest
from tests.contracts.runtime_suite import PICTURE, ask, say
from tests.runtime.cutting import CuttingProxy
from tests.runtime.test_wire import same

from sightline.server import running_job
from sightline.server.house import House
from sightline.server.serving import running
from sightline.server.settings import Settings
from sightline_runtime.errors import (
    BusyError,
    CancelledError,
    DeadlineError,
    EngineError,
    InputError,
    ModelError,
    NotFoundError,
)
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    FeatureRequest,
    Job,
    Preview,
    Progress,
    TextDelta,
    TextRequest,
    TextResult,
)
from sightline_runtime.remote.runtime import RemoteRuntime
from sightline_runtime.testing import FakeRuntime, FaultyRuntime, with_fingerprint
from sightline_runtime.transport import retrying

ASK = TextRequest(ask("what color is the star ?"), (PICTURE,))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pauses of our own are short."""
    monkeypatch.setattr(retrying, "BASE", 0.02)


@contextmanager
def serving(runtime, **settings):
    """A server on a runtime: its address."""
    house = House(runtime, replace(Settings(drain_timeout=0.1), **settings))
    try:
        with running(house) as address:
            yield address
    finally:
        house.close(5)


class Lent:
    """A runtime that stands for whichever a test puts in its place."""

    inner = FakeRuntime()

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.fixture(scope="module")
def lent():
    """One server for most tests: (its runtime, its address)."""
    runtime = Lent()
    with serving(runtime) as address:
        yield runtime, address


@pytest.fixture
def connected(lent):
    """Connect to a server on a runtime, through a proxy that cuts as planned: gives (client, proxy)."""
    with ExitStack() as stack:

        def connect(runtime, plan=()):
            lent[0].inner = runtime
            proxy = stack.enter_context(CuttingProxy(lent[1]))
            remote = RemoteRuntime(proxy.url, timeout=5.0)
            stack.callback(remote.close)
            proxy.plan(plan)
            return remote, proxy

        yield connect


class Patient(FakeRuntime):
    """Answers word by word, each when the test says so; notes how its jobs end."""

    def __init__(self, words=3):
        super().__init__()
        self.words, self.go, self.jobs = words, threading.Semaphore(0), []

    def generate_text(self, request):
        """Say the words."""
        self.calls.append("generate_text")
        job = Job()
        self.jobs.append(job)
        threading.Thread(target=self._say, args=(job,), daemon=True).start()
        return job

    def _say(self, job):
        for number in range(self.words):
            while not self.go.acquire(timeout=0.02):
                if job.cancelled:
                    job.fail(CancelledError("stopped"))
                    return
            if job.cancelled:
                self.go.release()
                return
            job.emit(TextDelta(f"w{number} "))
        job.finish(TextResult("".join(f"w{n} " for n in range(self.words)), 0.5))


def until(true, seconds=5.0):
    """Wait until something is true."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(0.005)


REQUESTS = [
    ("generate_text", ASK),
    ("generate_text", replace(ASK, choices=("red", "blue"))),
    ("generate_features", FeatureRequest(say("a red star"), (3, 2**62), steps=4, preview_every=2)),
    ("generate_features", FeatureRequest(ask("make the star blue"), (1,), (PICTURE,))),
    ("embed_images", EmbedRequest((PICTURE, PICTURE[::-1]))),
]


@pytest.mark.parametrize(("verb", "request_"), REQUESTS)
def test_results_and_events_are_those_of_the_model(connected, fake, verb, request_):
    """Bit by bit the same result, and the same events in the same order."""
    remote, _ = connected(fake)
    assert remote.info == fake.info
    here, there = getattr(fake, verb)(request_), getattr(remote, verb)(request_)
    assert same(tuple(there), tuple(here))
    assert same(there.result(5), here.result())


def test_features_come_back_to_be_decoded(connected, fake):
    """What the server made is named by its digest, not sent again; a picture is brought once."""
    remote, proxy = connected(fake)
    features = remote.generate_features(FeatureRequest(say("a ring"), (1, 2))).result(5).features
    told = fake.decode_features(DecodeRequest(features, (1, 2), (80, 40))).result()
    before = proxy.sent
    assert same(remote.decode_features(DecodeRequest(features, (1, 2), (80, 40))).result(5), told)
    assert proxy.sent - before < features[0].nbytes / 4
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    sizes = []
    for _ in range(3):
        before = proxy.sent
        remote.embed_images(EmbedRequest((noise,))).result(5)
        sizes.append(proxy.sent - before)
    assert sizes[0] > noise.nbytes > 4 * max(sizes[1:])


BAD = [
    ("generate_text", TextRequest(say("  "))),
    ("generate_text", TextRequest(ask("what ?"))),
    ("generate_features", FeatureRequest(say("a star"), (), steps=2)),
    ("generate_features", FeatureRequest(say("a star"), (1,), guidance=float("nan"))),
    ("decode_features", DecodeRequest((np.zeros((2, 2), np.float32),), (1,))),
]


@pytest.mark.parametrize(("verb", "request_"), BAD)
def test_errors_are_those_of_the_model(connected, fake, verb, request_):
    """The same class, code, message and hint as in this process."""
    with pytest.raises(InputError) as here:
        getattr(fake, verb)(request_).result()
    remote, _ = connected(fake)
    with pytest.raises(InputError) as there:
        getattr(remote, verb)(request_).result(5)
    assert type(there.value) is type(here.value)
    assert (there.value.code, there.value.message, there.value.hint) == (
        here.value.code,
        here.value.message,
        here.value.hint,
    )


@pytest.mark.parametrize(
    "error",
    [
        EngineError("it broke", hint="h"),
        BusyError("full", hint="h", retry_after=0.01),
        ModelError("no weights", hint="h"),
        NotFoundError("no such thing", hint="h"),
        DeadlineError("too late", hint="h"),
    ],
)
def test_every_error_keeps_its_class(connected, fake, error):
    """What the model fails with is what its client fails with; it is computed once."""
    faulty = FaultyRuntime(fake, {"generate_text": 1}, error)
    remote, _ = connected(faulty)
    with pytest.raises(type(error)) as caught:
        remote.generate_text(ASK).result(5)
    assert type(caught.value) is type(error)
    assert (caught.value.message, caught.value.hint) == (error.message, error.hint)
    assert remote.generate_text(ASK).result(5).text == "red"


def test_an_error_that_is_no_error_of_ours_tells_nothing_of_the_server(connected, fake):
    """A client learns that it failed, not the paths and names in its message."""
    fake.generate_text = lambda request: (_ for _ in ()).throw(RuntimeError("/home/secret/path"))
    remote, _ = connected(fake)
    with pytest.raises(EngineError) as caught:
        remote.generate_text(ASK).result(5)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 40, 300])
def test_a_lost_start_is_the_same_job(connected, cut):
    """The line breaks once the request is there, before any event: the client asks again, it is done once."""
    patient = Patient()
    remote, proxy = connected(patient, [cut])
    job = remote.generate_text(TextRequest(say("hi")))
    until(lambda: patient.calls and proxy.cuts if cut < 300 else patient.calls)
    for _ in range(3):
        patient.go.release()
    assert job.result(5).text == "w0 w1 w2 "
    assert patient.calls == ["generate_text"]


def test_a_cut_stream_goes_on_where_it_was(connected):
    """After each cut the events go on behind the last one: none is missing, none comes twice."""
    patient = Patient(words=5)
    remote, proxy = connected(patient)
    job, said = remote.generate_text(TextRequest(say("hi"))), []
    patient.go.release()
    for event in job:
        said.append(event.text)
        before = proxy.connections
        proxy.cut_all()
        until(lambda seen=before: proxy.connections > seen or len(said) == 5)
        patient.go.release()
    assert said == ["w0 ", "w1 ", "w2 ", "w3 ", "w4 "]
    assert patient.calls == ["generate_text"]


def test_a_lost_job_that_began_to_speak_is_one_clear_error(connected):
    """A server that came back without the job cannot go on with it; the runtime stays usable."""
    patient, other = Patient(), Patient()
    remote, proxy = connected(patient)
    with serving(other) as address:
        job = remote.generate_text(TextRequest(say("hi")))
        patient.go.release()
        assert next(iter(job)).text == "w0 "
        proxy.aim(address)
        proxy.cut_all()
        with pytest.raises(EngineError, match="lost the job") as caught:
            job.result(5)
        assert caught.value.retryable
        assert other.calls == []


def test_a_lost_job_that_said_nothing_yet_is_done_by_who_comes_back(connected):
    """A job is a function of its request: without an event it may be started anew."""
    patient, other = Patient(), Patient()
    remote, proxy = connected(patient)
    with serving(other) as address:
        job = remote.generate_text(TextRequest(say("hi")))
        until(lambda: patient.calls)
        proxy.aim(address)
        proxy.cut_all()
        for _ in range(3):
            other.go.release()
        assert job.result(5).text == "w0 w1 w2 "
        assert patient.calls == other.calls == ["generate_text"]


def test_a_server_with_another_model_is_refused(connected, fake):
    """Nothing is ever noted under the wrong weights: the client keeps to the model that it found."""

    class Newer(FakeRuntime):
        info = with_fingerprint(FakeRuntime().info, "f" * 64)

    newer = Newer()
    remote, proxy = connected(fake)
    with serving(newer) as address:
        proxy.aim(address)
        proxy.cut_all()
        for _ in range(2):
            with pytest.raises(ModelError, match="ffffffffffff") as caught:
                remote.generate_text(ASK).result(5)
            assert "connect again" in caught.value.hint
        assert newer.calls == []
        assert remote.info.fingerprint == fake.info.fingerprint


def test_nobody_there_is_one_clear_error_at_once(connected, fake):
    """A server that is not there is told of when one connects, and when it goes away later."""
    remote, proxy = connected(fake)
    gone = CuttingProxy(proxy.url)
    with gone:
        pass
    with pytest.raises(EngineError, match="cannot be made"):
        RemoteRuntime(gone.url, tries=2)
    proxy.aim(gone.url)
    proxy.cut_all()
    with pytest.raises(EngineError) as caught:
        remote.generate_text(ASK).result(10)
    assert caught.value.retryable


def test_cancelling_reaches_the_server(connected):
    """The job ends here at once, over there shortly after; cancelling again is harmless."""
    patient = Patient()
    remote, _ = connected(patient)
    job = remote.generate_text(TextRequest(say("hi")))
    until(lambda: patient.jobs)
    job.cancel()
    job.cancel()
    with pytest.raises(CancelledError):
        job.result(0.5)
    until(lambda: patient.jobs[0].cancelled)
    for _ in range(3):
        patient.go.release()
    assert remote.generate_text(TextRequest(say("hi"))).result(5).text == "w0 w1 w2 "


def test_a_client_that_goes_away_has_cancelled(connected, monkeypatch):
    """Without a word and without coming back: after the grace time the work stops."""
    monkeypatch.setattr(running_job, "GRACE", 0.2)
    patient = Patient()
    remote, proxy = connected(patient)
    remote.generate_text(TextRequest(say("hi")))
    until(lambda: patient.jobs)
    with CuttingProxy(proxy.url) as nowhere:
        proxy.aim(nowhere.url)
    proxy.cut_all()
    until(lambda: patient.jobs[0].cancelled)


def test_closing_cancels_what_runs():
    """Jobs end with an error, the server is told, no thread stays, later calls are refused."""
    patient = Patient()
    with serving(patient) as address:
        before = {thread.name for thread in threading.enumerate()}
        remote = RemoteRuntime(address)
        jobs = [remote.generate_text(TextRequest(say("hi"))) for _ in range(3)]
        until(lambda: len(patient.jobs) == 3)
        remote.close()
        remote.close()
        for job in jobs:
            with pytest.raises(CancelledError):
                job.result(1)
        until(lambda: all(job.cancelled for job in patient.jobs))
        with pytest.raises(EngineError, match="closed"):
            remote.generate_text(ASK)
        until(lambda: "sightline-transport" not in {t.name for t in threading.enumerate()} - before)


def test_a_deadline_crosses_the_wire(connected):
    """The job ends when its time is over, here and there; what is left of the time is what is sent."""
    patient = Patient()
    remote, _ = connected(patient)
    began = time.monotonic()
    job = remote.generate_text(TextRequest(say("hi"), deadline=0.4))
    with pytest.raises(DeadlineError):
        job.result(20)
    assert time.monotonic() - began >= 0.3
    until(lambda: patient.jobs[0].cancelled)


def test_a_full_server_is_asked_again_until_it_has_room():
    """A refusal with a time to wait is followed by another try; the deadline bounds it."""
    patient = Patient(words=1)
    with serving(patient, max_running=1, max_waiting=0) as address:
        remote = RemoteRuntime(address)
        first = remote.generate_text(TextRequest(say("hi")))
        until(lambda: patient.jobs)
        second = remote.generate_text(TextRequest(say("hi")))
        with pytest.raises(BusyError):
            remote.generate_text(TextRequest(say("hi"), deadline=0.5)).result(5)
        patient.go.release(2)
        assert first.result(5).text == second.result(10).text == "w0 "
        remote.close()


def test_many_jobs_at_once_all_end_with_their_own_result(fake):
    """More jobs than connections, from several threads: each gets its own answer."""
    with serving(fake) as address:
        remote = RemoteRuntime(address, connections=8)
        found = {}

        def draw(start):
            jobs = {
                n: remote.generate_features(FeatureRequest(say("a ring"), (n,))) for n in range(start, 60, 3)
            }
            found.update({n: job.result(20).features[0] for n, job in jobs.items()})

        threads = [threading.Thread(target=draw, args=(start,)) for start in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(found) == list(range(60))
        for n in (0, 31, 59):
            here = fake.generate_features(FeatureRequest(say("a ring"), (n,))).result().features[0]
            assert same(found[n], here)
        remote.close()


def test_previews_and_progress_come_while_the_work_goes_on(connected):
    """Events are passed on as they happen, not at the end."""
    remote, _ = connected(FakeRuntime(delay=0.4))
    job = remote.generate_features(FeatureRequest(say("a ring"), (1,), steps=4, preview_every=1))
    kinds = []
    for event in job:
        kinds.append(type(event))
        if len(kinds) == 1:
            assert not job.ended
    assert kinds.count(Progress) == 4
    assert kinds.count(Preview) == 3


def test_a_server_that_ends_stops_its_work():
    """The client gets one clear error, and no thread of the server goes on."""
    patient = Patient()
    with ExitStack() as stack:
        with serving(patient) as address:
            remote = RemoteRuntime(address, tries=2)
            stack.callback(remote.close)
            job = remote.generate_text(TextRequest(say("hi")))
            until(lambda: patient.jobs)
        assert patient.jobs[0].ended
        with pytest.raises((EngineError, CancelledError)):
            job.result(5)
