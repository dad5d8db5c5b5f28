"""The runtime over HTTP, as any client sees it: arrays, jobs, streams, and what is refused."""

import asyncio
import json
import threading
import time
import uuid

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import BusyError, NotFoundError
from sightline.server import jobs as jobs_room
from sightline.server.array_shelf import ArrayShelf
from sightline.server.event_log import EventLog
from sightline_runtime.testing import FakeRuntime, colored
from sightline_runtime.transport.sse import Parser
from sightline_runtime.wire.arrays import PNG, TENSOR, decode, digest, encode

RED = colored("red")
FINGERPRINT = FakeRuntime().info.fingerprint


def job(text="what color is the star ?", images=(), **more):
    """The form of a text job."""
    content = [*({"image": n} for n in range(len(images))), text]
    request = {"stage": "text", "messages": [{"role": "user", "content": content}], "images": list(images)}
    return {"fingerprint": FINGERPRINT, "request": request, **more}


def events(answer):
    """The events of a whole stream: (id, name, data)."""
    return [(e.id, e.name, json.loads(e.data)) for e in Parser().feed(answer.content)]


@pytest.fixture
def client(served):
    """A plain HTTP client of the runtime's routes."""
    with httpx.Client(base_url=f"{served[0]}/v1/runtime", timeout=10) as opened:
        yield opened


def put(client, array, **options):
    """Bring an array."""
    media, body = encode(array)
    return client.put(f"/arrays/{digest(array)}", content=body, headers={"content-type": media}, **options)


def new():
    """An id for a job."""
    return uuid.uuid4().hex


def code(answer):
    """The code of an error."""
    return answer.json()["error"]["code"]


def test_it_says_what_the_model_is(served):
    """All of the runtime's info, with its fingerprint."""
    told = httpx.get(f"{served[0]}/v1/runtime", timeout=5).json()
    assert (told["model"], told["fingerprint"]) == ("fake", FINGERPRINT)
    assert told["capabilities"] == sorted(told["capabilities"])


def test_an_array_is_brought_and_fetched(client):
    """Pixels as PNG, features as safetensors; twice is harmless; what comes back may be kept for ever."""
    for array, media in ((RED, PNG), (np.arange(6, dtype=np.float32).reshape(2, 3), TENSOR)):
        assert put(client, array).status_code == put(client, array).status_code == 204
        answer = client.get(f"/arrays/{digest(array)}")
        assert answer.headers["content-type"] == media
        assert "immutable" in answer.headers["cache-control"]
        assert "private" in answer.headers["cache-control"]
        assert np.array_equal(decode(media, answer.content, named=digest(array)), array)


def test_an_array_that_is_not_what_it_says_is_refused(client):
    """Another digest, a cut file, another type, too many pixels: nothing is kept."""
    media, body = encode(RED)
    name, blue = digest(RED), encode(colored("blue"))[1]
    bomb = body[:16] + (60_000).to_bytes(4, "big") * 2 + body[24:]
    cases = [
        (blue, media, 400, "bad_input"),
        (body[:-20], media, 400, "bad_image"),
        (b"", media, 400, "bad_image"),
        (body, "text/html", 400, "bad_input"),
        (body, TENSOR, 400, "bad_input"),
        (bomb, media, 413, "too_large"),
    ]
    for content, kind, status, error in cases:
        answer = client.put(f"/arrays/{name}", content=content, headers={"content-type": kind})
        assert (answer.status_code, code(answer)) == (status, error)
    assert client.get(f"/arrays/{name}").status_code == 404


def test_an_upload_over_the_limit_is_refused(serve):
    """By its bytes, whatever it holds."""
    with serve(max_upload=1000) as (address, _), httpx.Client(base_url=f"{address}/v1/runtime") as client:
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        answer = put(client, noise)
        assert (answer.status_code, code(answer)) == (413, "too_large")


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "A" * 64, "0" * 63, "%00", "0" * 65])
def test_names_that_cannot_be_are_refused(client, name):
    """No id of a client is a path: digests and ids have one form each."""
    for answer in (
        client.get(f"/arrays/{name}"),
        client.get(f"/jobs/{name}/events"),
        client.delete(f"/jobs/{name}"),
    ):
        assert answer.status_code in (400, 404)
        assert answer.json()["error"]["hint"]


def test_a_job_streams_its_events_and_ends_with_its_result(client):
    """Numbered from one; the result is last; arrays are named, not inlined."""
    request = {
        "stage": "features",
        "messages": [{"role": "user", "content": ["a ring"]}],
        "seeds": [1],
        "steps": 2,
    }
    answer = client.put(f"/jobs/{new()}", json={"fingerprint": FINGERPRINT, "request": request})
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer)
    assert [(number, name) for number, name, _ in found] == [
        ("1", "progress"),
        ("2", "progress"),
        ("3", "result"),
    ]
    name = found[-1][2]["features"][0]
    assert client.get(f"/arrays/{name}").headers["content-type"] == TENSOR
    assert len(answer.content) < 2000


def test_a_job_that_names_unknown_arrays_says_which(client):
    """It is not started; once they are there it is."""
    name, form = new(), job(images=[digest(RED)])
    answer = client.put(f"/jobs/{name}", json=form)
    assert (answer.status_code, code(answer)) == (422, "missing_arrays")
    assert answer.json()["missing"] == [digest(RED)]
    assert client.get(f"/jobs/{name}/events").status_code == 404
    put(client, RED)
    assert events(client.put(f"/jobs/{name}", json=form))[-1][1] == "result"


def test_a_job_is_done_once(client, fake):
    """The same id and work is the same job, also with less time left; other work is a conflict."""
    name = new()
    first = client.put(f"/jobs/{name}", json=job(deadline=30))
    again = client.put(f"/jobs/{name.upper()}", json=job(deadline=20))
    assert first.content == again.content
    assert fake.calls == ["generate_text"]
    other = client.put(f"/jobs/{name}", json=job("something else"))
    assert (other.status_code, code(other)) == (409, "conflict")
    assert other.headers["x-should-retry"] == "false"
    assert fake.calls == ["generate_text"]


def test_a_stream_goes_on_behind_what_was_seen(client):
    """By header, as browsers do, or by `after`; a later offset than there is was never seen."""
    name = new()
    request = {
        "stage": "features",
        "messages": [{"role": "user", "content": ["a ring"]}],
        "seeds": [1],
        "steps": 3,
    }
    whole = events(client.put(f"/jobs/{name}", json={"fingerprint": FINGERPRINT, "request": request}))
    assert events(client.get(f"/jobs/{name}/events")) == whole
    assert events(client.get(f"/jobs/{name}/events", headers={"last-event-id": "2"})) == whole[2:]
    assert events(client.get(f"/jobs/{name}/events", params={"after": 3})) == whole[3:]
    assert client.get(f"/jobs/{name}/events", params={"after": 99}).status_code == 404
    assert client.get(f"/jobs/{name}/events", params={"after": -1}).status_code == 400
    assert client.get(f"/jobs/{new()}/events").status_code == 404


def test_a_job_for_another_model_is_refused(client, fake):
    """Nothing is computed under a fingerprint that is not the model's."""
    form = job() | {"fingerprint": "f" * 64}
    told = events(client.put(f"/jobs/{new()}", json=form))[-1]
    assert (told[1], told[2]["error"]["code"]) == ("error", "bad_model")
    assert fake.calls == []


def test_a_job_is_dropped(serve):
    """A running one is cancelled and tells its watchers; an ended one is forgotten."""
    slow = serve(runtime=FakeRuntime(delay=3))
    with slow as (address, _), httpx.Client(base_url=f"{address}/v1/runtime", timeout=10) as client:
        name, found = new(), []
        watcher = threading.Thread(
            target=lambda: found.extend(events(client.put(f"/jobs/{name}", json=job())))
        )
        watcher.start()
        ends = time.monotonic() + 5
        while client.delete(f"/jobs/{name}").status_code == 404:
            assert time.monotonic() < ends
            time.sleep(0.01)
        watcher.join(2)
        assert found[-1][2]["error"]["code"] == "cancelled"
        assert client.delete(f"/jobs/{name}").status_code == 404


def test_a_deadline_stops_a_job(serve):
    """That of the job, or the server's own."""
    with serve(runtime=FakeRuntime(delay=3), call_timeout=0.3) as (address, _):
        for form in (job(deadline=0.1), job(), job(deadline=99), job(deadline=-1)):
            answer = httpx.put(f"{address}/v1/runtime/jobs/{new()}", json=form, timeout=5)
            assert events(answer)[-1][2]["error"]["code"] == "deadline"


def test_outcomes_are_kept_for_a_while(client, monkeypatch):
    """Then they are gone, as are the oldest of too many."""
    monkeypatch.setattr(jobs_room, "MOST_KEPT", 2)
    names = [new() for _ in range(3)]
    for name in names:
        client.put(f"/jobs/{name}", json=job())
    assert [client.get(f"/jobs/{name}/events").status_code for name in names] == [404, 200, 200]
    monkeypatch.setattr(jobs_room, "KEEP", 0.05)
    client.put(f"/jobs/{names[0]}", json=job())
    time.sleep(0.2)
    assert client.get(f"/jobs/{names[0]}/events").status_code == 404


def test_a_name_that_is_used_again_is_kept_from_then_on(serve, monkeypatch):
    """The time of the first outcome under it does not end the job that has the name now."""
    monkeypatch.setattr(jobs_room, "KEEP", 0.6)
    slow = serve(runtime=FakeRuntime(delay=1))
    with slow as (address, _), httpx.Client(base_url=f"{address}/v1/runtime", timeout=10) as client:
        name = new()
        client.put(f"/jobs/{name}", json=job() | {"fingerprint": "another"})
        client.delete(f"/jobs/{name}")
        assert events(client.put(f"/jobs/{name}", json=job()))[-1][1] == "result"
        assert client.get(f"/jobs/{name}/events").status_code == 200


def test_tenants_see_nothing_of_each_other(keyed):
    """Arrays and jobs of one are not there for another, whatever he knows of their names."""
    address, _, add = keyed
    alice, bob = add.first, add("bob")
    with httpx.Client(base_url=f"{address}/v1/runtime", timeout=10) as client:
        assert put(client, RED).status_code == 401
        client.headers.update(alice)
        name = new()
        put(client, RED)
        assert events(client.put(f"/jobs/{name}", json=job(images=[digest(RED)])))[-1][1] == "result"
        client.headers.update(bob)
        assert client.get(f"/arrays/{digest(RED)}").status_code == 404
        assert client.get(f"/jobs/{name}/events").status_code == 404
        assert client.delete(f"/jobs/{name}").status_code == 404
        assert code(client.put(f"/jobs/{new()}", json=job(images=[digest(RED)]))) == "missing_arrays"
        assert client.put(f"/jobs/{name}", json=job("other work")).status_code == 200
        client.headers.update(alice)
        assert events(client.get(f"/jobs/{name}/events"))[-1][2]["text"] == "unknown"


def test_a_key_without_the_scope_is_refused(keyed):
    """The model is lent only to keys that may have it."""
    address, _, add = keyed
    headers = add("carol", scopes=frozenset({"images", "chat"}))
    answer = httpx.get(f"{address}/v1/runtime", headers=headers, timeout=5)
    assert (answer.status_code, code(answer)) == (403, "forbidden")


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
forms = st.fixed_dictionaries(
    {"fingerprint": st.just(FINGERPRINT) | json_data},
    optional={
        "deadline": json_data,
        "request": json_data
        | st.fixed_dictionaries(
            {"stage": st.sampled_from(["text", "features", "decode", "embed"])},
            optional={
                "messages": json_data | st.just([{"role": "user", "content": ["a star"]}]),
                "seeds": st.lists(st.integers(), max_size=2) | json_data,
                "images": json_data,
                "features": json_data,
                "size": json_data,
                "steps": json_data,
                "guidance": json_data,
            },
        ),
    },
)


@pytest.fixture(scope="module")
def anywhere():
    """One server for many forms: a client."""
    from sightline.server.house import House
    from sightline.server.serving import running

    house = House(FakeRuntime())
    with running(house) as address, httpx.Client(base_url=f"{address}/v1/runtime", timeout=10) as client:
        yield client
    house.close(5)


@given(forms)
@settings(max_examples=60, deadline=None)
def test_any_form_is_a_job_or_one_error(anywhere, form):
    """Rubbish is the caller's mistake, before the stream or in it; never a fault of the server."""
    sent = {"content": json.dumps(form).encode(), "headers": {"content-type": "application/json"}}
    answer = anywhere.put(f"/jobs/{new()}", **sent)
    if answer.status_code == 200:
        _, name, told = events(answer)[-1]
        assert name == "result" or told["error"]["code"] in ("bad_input", "bad_model", "deadline")
    else:
        assert answer.status_code in (400, 413, 422)


def test_a_slow_reader_misses_previews_and_never_text():
    """Of the previews of a picture only the newest is kept; ids stay, so a reader can go on anywhere."""

    async def main():
        log = EventLog()
        for number in range(5):
            log.add("preview", f"{number}", instead_of=0)
            log.add("text", f"{number}")
        log.add("preview", "other", instead_of=1)
        assert log.add("result", "{}", last=True)
        assert not log.add("text", "too late")
        return [(entry.id, entry.data) async for entry in log.after(0)]

    told = asyncio.run(main())
    assert [data for _, data in told] == ["0", "1", "2", "3", "4", "4", "other", "{}"]
    assert [number for number, _ in told] == [2, 4, 6, 8, 9, 10, 11, 12]


def test_a_silent_log_pings():
    """So that nothing in between takes the line for dead."""

    async def main():
        log = EventLog()
        asyncio.get_running_loop().call_later(0.1, lambda: log.add("result", "{}", last=True))
        return [entry async for entry in log.after(0, ping=0.03)]

    told = asyncio.run(main())
    assert told[0] is None
    assert told[-1].name == "result"


def test_the_shelf_lets_go_of_what_was_used_longest_ago():
    """Up to its room; what a job holds stays findable; who holds too much is told to wait."""
    shelf = ArrayShelf(room=10_000)
    first, second, third = (np.full(4000, n, np.uint8) for n in range(3))
    held = shelf.bring("a", first)
    shelf.bring("b", second)
    assert shelf.get("a") is held
    shelf.bring("c", third)
    assert shelf.get("b") is None
    assert shelf.get("a").array is first
    shelf.bring("d", second)
    shelf.bring("e", third)
    assert shelf.get("a") is held
    kept = [shelf.bring(name, first) for name in "fg"]
    with pytest.raises(BusyError):
        shelf.bring("j", third)
    del held, kept
    shelf.bring("j", third)
    assert shelf.weight <= 12_000


def test_arrays_without_values_fill_the_shelf_too():
    """Each costs something to keep, so there is no end of them that a client could bring."""
    shelf = ArrayShelf(room=100_000)
    for number in range(1000):
        shelf.bring(f"{number}", np.zeros((0, number), np.float32))
    assert shelf.get("0") is None
    assert sum(shelf.get(f"{number}") is not None for number in range(1000)) < 100


def test_a_job_has_no_event_that_never_was(served):
    """An offset beyond the end is told as such, before any stream begins."""
    answer = httpx.put(f"{served[0]}/v1/runtime/jobs/{(name := new())}", json=job(), timeout=5)
    last = int(events(answer)[-1][0])
    assert httpx.get(f"{served[0]}/v1/runtime/jobs/{name}/events?after={last}", timeout=5).content == b""
    refused = httpx.get(f"{served[0]}/v1/runtime/jobs/{name}/events?after={last + 1}", timeout=5)
    assert code(refused) == NotFoundError.code
