"""Idempotency keys: sent twice is done once, also while it runs, after a failure, and after a kill."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from sightline.errors import ConflictError, InputError
from sightline.server import idempotency, starting
from sightline.server.idempotency import Entry, Ledger, Mark
from sightline.session import Session
from sightline_runtime.errors import EngineError
from sightline_runtime.testing import FakeRuntime, FaultyRuntime

GENERATE = "/v1/sessions/cats/tools/generate"
CIRCLE = {"arguments": {"prompt": "a red circle"}}


@pytest.fixture
def client(tenant):
    """A client of a tenant that has the session `cats`."""
    tenant[1].post("/v1/sessions", json={"name": "cats", "seed": 7})
    return tenant[1]


def post(client, body=CIRCLE, *, key="one", path=GENERATE, timeout=10, **params):
    """The answer to a request with a key."""
    return client.post(path, json=body, params=params, headers={"idempotency-key": key}, timeout=timeout)


def steps(client):
    """How many steps the session has."""
    return client.get("/v1/sessions/cats").json()["counts"]["steps"]


def test_the_same_request_is_done_once(client):
    """The second answer is the first, says so, and nothing was added; another key is another request."""
    first, second = post(client), post(client)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert steps(client) == 1
    assert post(client, key="two").json()["step"]["id"] != first.json()["step"]["id"]
    assert post(client, expect=None).json() == first.json()


def test_another_request_under_a_key_is_refused(client):
    """Another body, tool or session is 422 and not to be retried; other tenants' keys are their own."""
    post(client)
    for path, body in (
        (GENERATE, {"arguments": {"prompt": "a blue star"}}),
        (GENERATE, CIRCLE | {"seed": 1}),
        ("/v1/sessions/cats/tools/crop", {"arguments": {"image": "img1", "box": [0, 0, 1, 1]}}),
    ):
        answer = post(client, body, path=path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "conflict")
        assert answer.headers["x-should-retry"] == "false"
    assert steps(client) == 1


def test_tenants_have_keys_of_their_own(crowd, client):
    """The key of one tenant means nothing to another."""
    first = post(client)
    with httpx.Client(base_url=crowd[0], headers=crowd[3]()[1], timeout=10) as other:
        other.post("/v1/sessions", json={"name": "cats", "seed": 8})
        second = post(other)
    assert second.status_code == 200
    assert second.json()["step"]["id"] != first.json()["step"]["id"]


def test_uploads_have_keys_too(client, picture):
    """A picture that is sent twice under a key is one step; another picture is 422."""
    headers = {"idempotency-key": "up"}
    sent = [client.post("/v1/sessions/cats/images", content=picture, headers=headers) for _ in range(2)]
    assert sent[0].json() == sent[1].json()
    assert steps(client) == 1
    other = client.post("/v1/sessions/cats/images", content=picture[:-1], headers=headers)
    assert other.status_code == 422


@pytest.fixture
def picture():
    """A small picture as a file."""
    from sightline_runtime.testing import colored
    from sightline_tools.image import encode_png

    return encode_png(colored("red", 8))


def test_what_is_no_key_is_refused(client):
    """A key is 1 to 255 visible characters."""
    for key in ("", "a b", "x" * 256):
        assert post(client, key=key).status_code == 400
    assert steps(client) == 0


def test_a_retry_of_a_running_request_attaches_to_it(serve):
    """Many requests of one key at once are one run, and each gets its answer; so does who does not wait."""
    runtime = FakeRuntime(delay=0.4)
    with serve(runtime=runtime) as (address, _), httpx.Client(base_url=address, timeout=10) as client:
        client.post("/v1/sessions", json={"name": "cats"})
        run = post(client, wait=False).json()["id"]
        with ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(lambda _: post(client), range(5)))
        assert {answer.headers["x-run-id"] for answer in answers} == {run}
        assert len({answer.text for answer in answers}) == 1
        assert post(client, wait=False).json()["id"] == run
        assert runtime.calls.count("generate_features") == 1
        assert steps(client) == 1


def test_who_comes_again_finds_his_run(serve, monkeypatch):
    """A cut request with a key runs on for a grace time in which a retry joins it; then it is cancelled."""
    monkeypatch.setattr(starting, "GRACE", 1.0)
    runtime = FakeRuntime(delay=1.0)
    with serve(runtime=runtime) as (address, house), httpx.Client(base_url=address, timeout=10) as client:
        client.post("/v1/sessions", json={"name": "cats"})
        with pytest.raises(httpx.ReadTimeout):
            post(client, timeout=0.3)
        assert post(client).status_code == 200
        assert runtime.calls.count("generate_features") == 1
        runtime.delay = 30
        with pytest.raises(httpx.ReadTimeout):
            post(client, {"arguments": {"prompt": "a ring"}}, key="two", timeout=0.3)
        ends = time.monotonic() + 5
        while house.crew.load and time.monotonic() < ends:
            time.sleep(0.05)
        assert house.crew.load == 0


def test_many_requests_that_cannot_be_done_are_all_told(client):
    """Requests of one key that come at once and are wrong are each refused; none waits for ever."""
    wrong = {"arguments": {"prompt": " "}}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(client, wrong), range(24)))
    assert {answer.status_code for answer in answers} == {400}
    assert post(client).status_code == 200


def test_what_failed_may_be_tried_again(serve, fake):
    """A failure leaves the key free: the retry does the work."""
    faulty = FaultyRuntime(fake, {"generate_features": 1}, EngineError("a fault", hint="a test"))
    with serve(runtime=faulty) as (address, _), httpx.Client(base_url=address, timeout=10) as client:
        client.post("/v1/sessions", json={"name": "cats"})
        failed = post(client)
        assert failed.status_code == 500
        assert "x-should-retry" not in failed.headers
        assert post(client, {"arguments": {"prompt": " "}}).status_code == 400
        assert post(client).status_code == 200


def test_a_stale_retry_gets_its_answer(client):
    """Who says where the branch was gets the answer of the first request, not a conflict with himself."""
    first = post(client, key="a").json()["step"]["id"]
    body = {"arguments": {"prompt": "a ring"}, "expect": first}
    assert post(client, body, key="b").json() == post(client, body, key="b").json()
    assert post(client, body, key="c").status_code == 409


def test_keys_outlive_the_server(serve):
    """Another server on the same data gives the answer that the first one gave."""
    with serve() as (address, _), httpx.Client(base_url=address, timeout=10) as client:
        client.post("/v1/sessions", json={"name": "cats"})
        first = post(client).json()
    with serve() as (address, _), httpx.Client(base_url=address, timeout=10) as client:
        assert post(client).json() == first
        assert post(client, CIRCLE | {"seed": 1}).status_code == 422
        assert steps(client) == 1


SERVER = """
import os, signal, sys, time
from pathlib import Path
from sightline.server.house import House
from sightline.server.idempotency import Ledger
from sightline.server.serving import running
from sightline.server.settings import Settings
from sightline_runtime.testing import FakeRuntime

if sys.argv[2] == "committed":  # the step is in the store, the answer is not kept yet
    Ledger.keep = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with running(House(FakeRuntime(delay=float(sys.argv[3])), Settings(data=Path(sys.argv[1])))) as address:
    print(address, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def process(tmp_path):
    """Start a server in a process of its own on the data of `serve`: process(when, delay)."""
    started = []

    def start(when, delay):
        arguments = [sys.executable, "-c", SERVER, str(tmp_path / "data"), when, str(delay)]
        started.append(subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True))
        return started[-1], started[-1].stdout.readline().strip()

    yield start
    for each in started:
        each.kill()
        each.wait(10)
        each.stdout.close()


def test_a_kill_before_the_answer_was_kept_loses_nothing(serve, process):
    """The step was committed, the server killed: the retry finds the step and adds none."""
    killed, address = process("committed", 0)
    with httpx.Client(base_url=address, timeout=20) as client:
        client.post("/v1/sessions", json={"name": "cats", "seed": 7})
        with pytest.raises(httpx.RemoteProtocolError):
            post(client)
    assert killed.wait(10) == -signal.SIGKILL
    with serve() as (address, house), httpx.Client(base_url=address, timeout=10) as client:
        before = client.get("/v1/sessions/cats").json()
        assert before["counts"]["steps"] == 1
        answer = post(client)
        assert answer.json()["step"]["id"] == before["head"]["step"]
        assert answer.headers["idempotency-replayed"] == "true"
        assert steps(client) == 1
        with house.tenants.session("local", "cats") as session:
            assert session.verify_store().problems == ()


def test_a_kill_during_the_work_loses_only_that(serve, process, tmp_path):
    """Steps from before the kill are there and whole, the run is unknown, and the retry does the work."""
    killed, address = process("running", 30)
    with Session("cats", store=tmp_path / "data" / "local", runtime=FakeRuntime(), seed=7) as session:
        kept = session.generate("a blue star").step.id
    with httpx.Client(base_url=address, timeout=20) as client:
        run = post(client, wait=False).json()
        with client.stream("GET", run["events"]) as stream:
            lines = stream.iter_lines()
            assert next(lines)
            os.kill(killed.pid, signal.SIGKILL)
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)
    killed.wait(10)
    with serve() as (address, house), httpx.Client(base_url=address, timeout=10) as client:
        assert client.get(run["events"]).status_code == 404
        with house.tenants.session("local", "cats") as session:
            assert session.verify_store().problems == ()
            assert session.head == ("main", kept)
        assert post(client).status_code == 200
        assert steps(client) == 2


def test_a_ledger_keeps_one_answer_a_key(tmp_path):
    """A key is claimed once, by one of many threads; a mark, an answer and a release do what they say."""
    ledger, wins = Ledger(tmp_path / "answers.db"), []
    threads = [
        threading.Thread(target=lambda n=n: wins.append(ledger.claim("t", "k", "r", f"run{n}")))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert wins.count(None) == 1
    run = next(entry.run for entry in wins if entry is not None)
    mark = Mark(session="s", branch="main", recipe="r", seq=3)
    ledger.mark("t", "k", run, mark)
    ledger.keep("t", "k", "another run", "no")
    assert ledger.claim("t", "k", "r", "late") == Entry(run, mark, None)
    assert not ledger.take_over("t", "k", "another run", "late")
    assert ledger.take_over("t", "k", run, "late")
    ledger.keep("t", "k", "late", "answer")
    ledger.free("t", "k", "late")
    assert ledger.claim("t", "k", "r", "x") == Entry("late", None, "answer")
    with pytest.raises(ConflictError):
        ledger.claim("t", "k", "other", "x")
    with pytest.raises(InputError):
        ledger.claim("t", "two words", "r", "x")
    ledger.close()
    again = Ledger(Path(tmp_path / "answers.db"))
    assert again.claim("t", "k", "r", "x") == Entry("late", None, "answer")
    again.close()


def test_a_ledger_lets_go_of_what_is_old_or_too_much(tmp_path, monkeypatch):
    """The oldest keys of a tenant make room for new ones, another's stay; after a day all are gone."""
    monkeypatch.setattr(idempotency, "MOST", 3)
    ledger = Ledger(tmp_path / "answers.db")
    ledger.claim("other", "k", "r", "first")
    for number in range(5):
        ledger.claim("t", f"k{number}", "r", "first")
    assert ledger.claim("t", "k4", "r", "again").run == "first"
    assert ledger.claim("t", "k0", "r", "again") is None
    assert ledger.claim("other", "k", "r", "again").run == "first"
    monkeypatch.setattr(idempotency, "KEPT", -1.0)
    assert ledger.claim("other", "k", "r", "again") is None
    ledger.close()
