"""Events: a run followed, cut, resumed and cancelled; a session followed over days and restarts."""

import json
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from sightline.server import session_feed
from sightline_runtime.testing import FakeRuntime


@pytest.fixture
def client(tenant):
    """A client of a tenant that has the session `cats`."""
    tenant[1].post("/v1/sessions", json={"name": "cats", "seed": 7})
    return tenant[1]


@pytest.fixture
def slow(serve):
    """A client of a server that takes a while to draw, and its runtime: slow(seconds)."""

    @contextmanager
    def start(seconds):
        runtime = FakeRuntime(delay=seconds)
        with (
            serve(runtime=runtime) as (address, house),
            httpx.Client(base_url=address, timeout=10) as opened,
        ):
            opened.post("/v1/sessions", json={"name": "cats", "seed": 7})
            yield opened, house

    return start


def begin(client, prompt="a red circle", **more):
    """The run of a call that is not waited for."""
    body = {"arguments": {"prompt": prompt, **more}}
    answer = client.post("/v1/sessions/cats/tools/generate", params={"wait": False}, json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def events(lines):
    """The events of a stream's lines as (id, name, data)."""
    told = {}
    for line in lines:
        if line.startswith(":"):
            yield "", "ping", None
        elif line:
            name, _, value = line.partition(": ")
            told[name] = value
        elif "data" in told:
            yield told.get("id", ""), told["event"], json.loads(told["data"])
            told = {}


def follow(client, path, **headers):
    """All events of a stream, to its end."""
    with client.stream("GET", path, headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        return list(events(stream.iter_lines()))


def eventually(true):
    """Whether something becomes true within five seconds."""
    ends = time.monotonic() + 5
    while not true() and time.monotonic() < ends:
        time.sleep(0.02)
    return true()


def test_a_run_tells_how_it_goes(slow):
    """Offsets rise, progress and previews come, and one outcome ends the stream: the answer itself."""
    with slow(0.4) as (client, _):
        run = begin(client, preview_every=1)
        assert run["state"] == "running"
        told = follow(client, run["events"])
        names = [name for _, name, _ in told]
        assert names[0] == "started"
        assert {"progress", "preview"} <= set(names)
        assert [name for name in names if name in ("done", "failed", "cancelled")] == names[-1:] == ["done"]
        offsets = [int(offset) for offset, _, _ in told]
        assert offsets == sorted(set(offsets))
        looked = client.get(f"/v1/runs/{run['id']}").json()
        assert looked["state"] == "done"
        assert looked["answer"] == told[-1][2]


def test_the_step_is_there_before_the_outcome_is_told(client):
    """Whoever reads the outcome finds the step in the log at once."""
    for number in range(5):
        with client.stream("GET", begin(client, f"a red circle {number}")["events"]) as stream:
            step = next(data for _, name, data in events(stream.iter_lines()) if name == "done")["step"]
            assert client.get("/v1/sessions/cats/log?limit=1").json()["steps"][0]["id"] == step["id"]


def test_a_cut_stream_goes_on(slow):
    """A reader that is cut comes back after its last event and misses and repeats none, until 204."""
    with slow(0.4) as (client, _):
        run, seen = begin(client, n=2), []
        while not seen or seen[-1][1] != "done":
            last = {"last-event-id": seen[-1][0]} if seen else {}
            with client.stream("GET", run["events"], headers=last) as stream:
                seen.append(next(events(stream.iter_lines())))
        offsets = [int(offset) for offset, _, _ in seen]
        assert offsets == sorted(set(offsets))
        assert client.get(run["events"], headers={"last-event-id": seen[-1][0]}).status_code == 204
        again = client.get(run["events"], params={"after": int(seen[-1][0]) - 1}).text
        assert f"id: {seen[-1][0]}\n" in again


def test_text_is_told_as_it_comes(client):
    """The words of an answer are events of their own."""
    begun = client.post("/v1/sessions/cats/tools/generate", json={"arguments": {"prompt": "a red circle"}})
    assert begun.status_code == 200
    body = {"arguments": {"image": "img1", "question": "what color is the circle ?"}}
    run = client.post("/v1/sessions/cats/tools/understand?wait=false", json=body).json()
    told = follow(client, run["events"])
    assert "".join(data["text"] for _, name, data in told if name == "text") == "red"


def test_wrong_offsets_and_unknown_runs_are_told(client):
    """An offset that never was is 400, a run that is not there 404 with where to look."""
    run = begin(client)
    for offset in ("99", "x", "-1"):
        assert client.get(run["events"], headers={"last-event-id": offset}).status_code == 400
    lost = client.get(f"/v1/runs/{'0' * 32}/events")
    assert lost.status_code == 404
    assert "log" in lost.json()["error"]["hint"]


def test_what_cannot_be_done_is_refused_before_a_run_begins(client):
    """A wrong argument is a 400 also for who does not wait."""
    body = {"arguments": {"prompt": ""}}
    assert client.post("/v1/sessions/cats/tools/generate?wait=false", json=body).status_code == 400


def test_a_run_is_cancelled(slow):
    """DELETE stops the work, the stream ends with one `cancelled`, and the branch stays where it was."""
    with slow(30) as (client, house):
        run = begin(client)
        told = []
        reader = threading.Thread(target=lambda: told.extend(follow(client, run["events"])))
        reader.start()
        assert client.delete(f"/v1/runs/{run['id']}").json()["state"] == "cancelled"
        reader.join(5)
        assert [name for _, name, _ in told][-1] == "cancelled"
        assert client.delete(f"/v1/runs/{run['id']}").json()["state"] == "cancelled"
        assert client.get("/v1/sessions/cats").json()["head"]["step"] is None
        assert eventually(lambda: house.crew.load == 0)


def test_a_client_that_waits_and_goes_cancels(slow):
    """Closing the connection of a waited-for call stops its work; one that is not waited for goes on."""
    with slow(30) as (client, house):
        body = {"arguments": {"prompt": "a star"}}
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/sessions/cats/tools/generate", json=body, timeout=0.5)
        assert eventually(lambda: house.crew.load == 0)
        steps = client.get("/v1/sessions/cats/events?follow=false").text
        assert '"status":"cancelled"' in steps
    with slow(0.5) as (client, house):
        run = begin(client, "a ring")
        with client.stream("GET", run["events"]) as stream:
            next(events(stream.iter_lines()))
        assert eventually(lambda: client.get(f"/v1/runs/{run['id']}").json()["state"] == "done")


@pytest.fixture
def full(serve):
    """A client of a server whose one thread draws for long: what comes now waits for it."""
    runtime = FakeRuntime(delay=30)
    with (
        serve(runtime=runtime, max_running=1, max_waiting=1) as (address, house),
        httpx.Client(base_url=address, timeout=10) as opened,
    ):
        opened.post("/v1/sessions", json={"name": "cats", "seed": 7})
        first = begin(opened)
        assert eventually(lambda: runtime.calls)
        yield opened, house
        opened.delete(f"/v1/runs/{first['id']}")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/sessions/cats/tools/generate", {"arguments": {"prompt": "a star"}}),
        ("/v1/sessions/cats/undo", {}),
        ("/v1/images/generations", {"prompt": "a star"}),
        ("/v1/images/generations", {"prompt": "a star", "stream": True}),
    ],
)
def test_who_leaves_the_row_makes_room(full, path, body):
    """A call that waits for a thread gives its place up at once when its client goes."""
    client, house = full
    with pytest.raises(httpx.ReadTimeout):
        client.post(path, json=body, timeout=0.3)
    assert eventually(lambda: house.crew.load == 1)


def test_a_run_that_waits_is_cancelled(full):
    """At once, with its one outcome; its key is free for another try, and its session is let go of."""
    client, house = full
    body = {"arguments": {"prompt": "a star"}}
    options = {"params": {"wait": False}, "json": body, "headers": {"Idempotency-Key": "k"}}
    for _ in range(2):
        run = client.post("/v1/sessions/cats/tools/generate", **options).json()
        assert client.delete(f"/v1/runs/{run['id']}").json()["state"] == "cancelled"
        assert [name for _, name, _ in follow(client, run["events"])] == ["started", "cancelled"]
    assert house.crew.load == 1
    assert [held.users for held in house.tenants._open.values()] == [1]


def test_a_run_that_waits_ends_in_time(serve):
    """The time that a call may take counts from when it was asked for."""
    with (
        serve(runtime=FakeRuntime(delay=30), max_running=1, call_timeout=0.5) as (address, _),
        httpx.Client(base_url=address, timeout=10) as client,
    ):
        client.post("/v1/sessions", json={"name": "cats", "seed": 7})
        runs = [begin(client, prompt) for prompt in ("a star", "a ring")]
        told = [follow(client, run["events"])[-1][2]["error"]["code"] for run in runs]
        assert told == ["deadline", "deadline"]


def test_a_deadline_ends_a_call(slow):
    """A client says how long it waits; then the call is stopped and the error says so."""
    with slow(30) as (client, house):
        body = {"arguments": {"prompt": "a star"}}
        answer = client.post("/v1/sessions/cats/tools/generate", json=body, headers={"x-deadline": "0.3"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline")
        assert eventually(lambda: house.crew.load == 0)


def test_a_session_is_followed(crowd, client, monkeypatch):
    """A listener gets the steps of all clients as they are stored, and pings in between."""
    monkeypatch.setattr(session_feed, "PING", 0.2)
    begun = threading.Event()

    def work():
        with httpx.Client(base_url=crowd[0], headers=client.headers, timeout=10) as other:
            begun.wait(5)
            for prompt in ("a red circle", "a blue star"):
                other.post("/v1/sessions/cats/tools/generate", json={"arguments": {"prompt": prompt}})

    worker = threading.Thread(target=work)
    worker.start()
    seen = []
    with client.stream("GET", "/v1/sessions/cats/events") as stream:
        for _, name, data in events(stream.iter_lines()):
            begun.set()
            seen += [data["arguments"]["prompt"]] if name == "step" else []
            if len(seen) == 2:
                break
    worker.join(5)
    assert seen == ["a red circle", "a blue star"]


def test_a_session_is_followed_over_a_restart(serve):
    """Offsets are the store's: another server on the same data goes on where the first one was left."""
    body = {"arguments": {"prompt": "a red circle"}}
    with serve() as (address, _), httpx.Client(base_url=address, timeout=10) as client:
        client.post("/v1/sessions", json={"name": "cats"})
        client.post("/v1/sessions/cats/tools/generate", json=body)
        first = follow(client, "/v1/sessions/cats/events?follow=false")
        run = begin(client)
    with serve() as (address, _), httpx.Client(base_url=address, timeout=10) as client:
        assert client.get(f"/v1/runs/{run['id']}").status_code == 404
        body = {"arguments": {"prompt": "a ring"}}
        client.post("/v1/sessions/cats/tools/generate", json=body)
        last = first[0][0]
        after = follow(client, "/v1/sessions/cats/events?follow=false", **{"last-event-id": last})
        assert [name for _, name, _ in after] == ["step", "step", "end"]
        assert after[1][2]["arguments"]["prompt"] == "a ring"
        whole = follow(client, "/v1/sessions/cats/events?follow=false&after=0")
        assert whole[1:] == after


def test_a_server_that_closes_lets_go(serve):
    """Closing ends the streams of listeners with `end` and stops runs that nobody waits for."""
    told = []
    with serve(runtime=FakeRuntime(delay=30), drain_timeout=5) as (address, house):
        with httpx.Client(base_url=address, timeout=10) as client:
            client.post("/v1/sessions", json={"name": "cats"})
            begin(client)
            listener = threading.Thread(target=lambda: told.extend(follow_all(address)))
            listener.start()
            assert eventually(lambda: told == ["connected"])
        begun = time.monotonic()
    listener.join(5)
    assert told == ["connected", "end"]
    assert time.monotonic() - begun < 4
    assert house.crew.load == 0


def follow_all(address):
    """The names of a session's events, after a word that the stream is open."""
    with httpx.stream("GET", f"{address}/v1/sessions/cats/events", timeout=10) as stream:
        yield "connected"
        yield from (name for _, name, _ in events(stream.iter_lines()))


def test_offsets_that_are_gone_are_told(client):
    """An offset whose step is not in the log any more is 410, not silence; nonsense is 400."""
    begin(client)
    for offset, status in (("1-00000000", 410), ("7-abcdef01", 410), ("x", 400), ("1-zz", 400)):
        answer = client.get("/v1/sessions/cats/events?follow=false", params={"after": offset})
        assert answer.status_code == status
        assert answer.json()["error"]["hint"]
    assert client.get("/v1/sessions/dogs/events").status_code == 404
