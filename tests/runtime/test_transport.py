"""HTTP to a server: retries where they are safe, streams however they are cut, one error for each failure."""

import asyncio
import json
import os
import socket
import threading
import time
import warnings
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.answering import serving
from tests.runtime.cutting import CuttingProxy

from sightline_runtime.errors import (
    BusyError,
    ConflictError,
    DeadlineError,
    EngineError,
    ForbiddenError,
    InputError,
    ModelError,
    NotFoundError,
    StoreError,
    UnauthorizedError,
)
from sightline_runtime.transport import faults, retrying
from sightline_runtime.transport.client import Transport
from sightline_runtime.transport.sse import Parser, ServerEvent


@pytest.fixture
def opened():
    """Makes transports that are closed at the end."""
    made = []

    def make(url, **options):
        made.append(Transport(url, **({"timeout": 5.0} | options)))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pauses of our own are short."""
    monkeypatch.setattr(retrying, "BASE", 0.01)


def ours(code, message="no", **more):
    """The body of an error of the tree."""
    return json.dumps({"error": {"code": code, "message": message, "hint": "do it", **more}}).encode()


def test_a_request_carries_key_body_and_path(opened):
    """The key is a bearer token, a base path is kept, the body arrives whole."""
    with serving(lambda n, h: h.reply(body=b'{"ok": true}')) as (url, seen):
        transport = opened(f"{url}/base/", api_key="secret-1")
        assert transport.wait(transport.send("PUT", "/v1/x", body=b"body")).json() == {"ok": True}
        method, path, headers, body = seen[0]
        assert (method, path, body) == ("PUT", "/base/v1/x", b"body")
        assert headers["authorization"] == "Bearer secret-1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gpu:8000",
        "ftp://gpu",
        "http://",
        "http://me:secret@gpu",
        "http://gpu?key=secret",
        "http://[::1",
        None,
    ],
)
def test_an_address_that_cannot_be_is_refused(url):
    """Before any connection, without showing what may be a secret."""
    with pytest.raises(InputError, match="address") as caught:
        Transport(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "a b", "a\nx: y", "schlüssel"])
def test_a_key_that_cannot_be_is_refused(key):
    """No header can be smuggled in, and the key is not shown."""
    with pytest.raises(InputError, match="key") as caught:
        Transport("http://127.0.0.1:1", api_key=key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, ours("bad_input"), InputError),
        (401, ours("unauthorized"), UnauthorizedError),
        (401, b"", UnauthorizedError),
        (403, b"<html>", ForbiddenError),
        (404, ours("not_found"), NotFoundError),
        (409, ours("conflict"), ConflictError),
        (409, ours("stale_head"), StoreError),
        (500, ours("engine_failed"), EngineError),
        (503, ours("bad_model"), ModelError),
        (504, ours("deadline"), DeadlineError),
        (418, b'{"error": "tea"}', InputError),
        (302, b"", EngineError),
        (500, b"[" * 100_000, EngineError),
    ],
)
def test_an_error_over_there_is_the_same_error_here(opened, status, body, kind):
    """Class, code, message and hint are those of the body; an answer of the tree is not asked for again."""
    with serving(lambda n, h: h.reply(status, body)) as (url, seen):
        transport = opened(url)
        with pytest.raises(kind) as caught:
            transport.wait(transport.send("GET", "/"))
        assert type(caught.value) is kind
        assert caught.value.hint
        assert len(seen) == 1
        if body.startswith(b'{"error": {"code"'):
            assert (caught.value.message, caught.value.hint) == ("no", "do it")


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_what_may_pass_is_tried_again(opened, status):
    """A gateway's or a busy server's refusal is followed by another try."""
    with serving(lambda n, h: h.reply(status if n < 3 else 200)) as (url, seen):
        transport = opened(url)
        assert transport.wait(transport.send("GET", "/")).status == 200
        assert len(seen) == 3


def test_a_busy_server_is_left_alone_as_long_as_it_asks(opened):
    """Retry-After-Ms and Retry-After are waited for; BusyError says how long when it stays busy."""
    with serving(lambda n, h: h.reply(429, ours("busy"), retry_after_ms=300) if n < 2 else h.reply()) as (
        url,
        _,
    ):
        transport, began = opened(url), time.monotonic()
        transport.wait(transport.send("GET", "/"))
        assert time.monotonic() - began >= 0.3
    with serving(lambda n, h: h.reply(429, ours("busy"), retry_after=3600)) as (url, seen):
        transport = opened(url)
        with pytest.raises(BusyError) as caught:
            transport.wait(transport.send("GET", "/"))
        assert (caught.value.retry_after, len(seen)) == (3600, 1)
    with serving(lambda n, h: h.reply(429, ours("busy"), retry_after_ms=1)) as (url, seen):
        transport = opened(url, tries=3)
        with pytest.raises(BusyError):
            transport.wait(transport.send("GET", "/"))
        assert len(seen) == 3


def test_a_server_may_forbid_and_order_another_try(opened):
    """x-should-retry overrides what the status would mean."""
    with serving(lambda n, h: h.reply(503, x_should_retry="false")) as (url, seen):
        transport = opened(url)
        with pytest.raises(BusyError):
            transport.wait(transport.send("GET", "/"))
        assert len(seen) == 1
    with serving(lambda n, h: h.reply(500 if n < 2 else 200, x_should_retry="true")) as (url, seen):
        transport = opened(url)
        assert transport.wait(transport.send("GET", "/")).status == 200


def test_no_attempt_begins_after_the_time_is_over(opened):
    """A pause that would end too late is not begun."""
    with serving(lambda n, h: h.reply(429, ours("busy"), retry_after=30)) as (url, seen):
        transport, began = opened(url), time.monotonic()
        with pytest.raises(BusyError):
            transport.wait(transport.send("GET", "/", within=1.0))
        assert time.monotonic() - began < 20
        assert len(seen) == 1


def test_a_lost_answer_is_asked_for_again_only_where_that_is_safe(opened):
    """The connection is cut when the request is there: PUT is repeated, a POST is not."""
    with serving(lambda n, h: h.reply()) as (url, seen), CuttingProxy(url, [0, 20, None]) as proxy:
        transport = opened(proxy.url)
        assert transport.wait(transport.send("PUT", "/")).status == 200
        assert len(seen) == 3
    with serving(lambda n, h: h.reply()) as (url, seen), CuttingProxy(url, [0]) as proxy:
        transport = opened(proxy.url)
        with pytest.raises(EngineError, match="was lost") as caught:
            transport.wait(transport.send("POST", "/", repeatable=False))
        assert len(seen) == 1
        assert caught.value.retryable


def test_nobody_there_is_one_clear_error(opened):
    """A closed port says so after a few tries, and names the place, not the key."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    transport = opened(f"http://127.0.0.1:{port}", api_key="secret-1", tries=2)
    with pytest.raises(EngineError, match=f"http://127.0.0.1:{port} cannot be made") as caught:
        transport.wait(transport.send("POST", "/", repeatable=False))
    assert "secret" not in str(caught.value)


def test_a_silent_server_is_not_waited_for_forever(opened):
    """No answer within the timeout is a lost connection."""
    with serving(lambda n, h: time.sleep(1)) as (url, _):
        transport = opened(url, timeout=0.1, tries=1)
        with pytest.raises(EngineError, match="was lost"):
            transport.wait(transport.send("GET", "/"))


def events_at(url, transport):
    """The events of a stream, and how it ended."""

    async def read():
        found = []
        async with transport.stream("GET", "/") as answer:
            async for event in answer.events():
                found.append(event)
        return found

    return transport.wait(read())


def test_a_stream_gives_its_events(opened):
    """Names, data of several lines and ids; comments are passed over."""
    body = b": hello\n\nid: 1\nevent: text\ndata: a\ndata: b\n\ndata:c\n\ndata: never whole"
    with serving(lambda n, h: h.reply(body=body)) as (url, _):
        assert events_at(url, opened(url)) == [
            ServerEvent("text", "a\nb", "1"),
            ServerEvent("message", "c", "1"),
        ]


def test_a_stream_that_breaks_says_so(opened):
    """A cut in the middle is no end; a refusal before the start is its error."""
    with (
        serving(lambda n, h: h.reply(body=b"data: a\n\n" * 50)) as (url, _),
        CuttingProxy(url, [300]) as proxy,
    ):
        with pytest.raises(faults.Transient) as caught:
            events_at(proxy.url, opened(proxy.url))
        assert caught.value.sent
    with serving(lambda n, h: h.reply(404, ours("not_found"))) as (url, _), pytest.raises(NotFoundError):
        events_at(url, opened(url))


lines = st.lists(
    st.sampled_from(
        ["data: a", "data:b", "event: e", "id: 7", ": ping", "", "", "data", "nonsense", "data: ü€"]
    ),
    max_size=12,
)


@given(lines, st.sampled_from(["\n", "\r\n", "\r"]), st.data())
@settings(max_examples=100, deadline=None)
def test_events_do_not_depend_on_how_a_stream_is_cut(told, end, data):
    """Any line end, any cut, also within a letter: the same events."""
    stream = "".join(line + end for line in [*told, "data: last", "", ": end"]).encode()
    whole = list(Parser().feed(stream))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parser, found = Parser(), []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parser.feed(stream[start:stop])
    assert found == whole
    assert whole[-1].data.endswith("last")


def test_a_large_event_is_read_in_time_with_its_size():
    """A preview of four megabytes that comes in many pieces: each character is looked at once."""
    parser, began = Parser(), time.monotonic()
    for _ in range(64):
        assert list(parser.feed(b"data: " * (not parser.held) + b"x" * 65536)) == []
    assert parser.held > 64 * 65536
    (event,) = parser.feed(b"\n\nevent: n")
    assert (len(event.data), parser.held) == (64 * 65536, len("event: n"))
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_the_time_to_wait_is_read_in_every_form(headers, seconds):
    """Milliseconds, seconds, a date; nonsense is no wish."""
    assert faults.retry_after(headers) == seconds


def test_a_date_to_come_again_is_seconds_from_now():
    """The other form of Retry-After."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 28 <= faults.retry_after({"retry-after": date}) <= 30


@given(st.integers(1, 2000))
def test_pauses_are_bounded(attempt):
    """However many attempts there were."""
    assert 0 <= retrying.backoff(attempt) <= min(retrying.CAP, retrying.BASE * 2.0 ** min(attempt, 10))


def test_it_is_used_from_threads_and_loops(opened):
    """Twenty threads and a running loop share one client; waiting in a notebook's loop works."""
    with serving(lambda n, h: h.reply(body=str(n).encode())) as (url, seen):
        transport = opened(url, connections=4)
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(transport.wait(transport.send("GET", "/")).body))
            for _ in range(20)
        ]

        async def main():
            for thread in threads:
                thread.start()
            there = await asyncio.wrap_future(transport.start(transport.send("GET", "/")))
            return there.body, transport.wait(transport.send("GET", "/")).body

        found += asyncio.run(main())
        for thread in threads:
            thread.join(10)
        assert len(set(found)) == len(seen) == 22


def test_closing_ends_what_runs_and_leaves_no_thread():
    """Waiting calls get one error; later calls are refused; closing again is harmless."""
    before = threading.active_count()
    with serving(lambda n, h: time.sleep(0.5)) as (url, seen):
        transport = Transport(url)
        future = transport.start(transport.send("GET", "/"))
        while not seen:
            time.sleep(0.01)
        transport.close()
        transport.close()
        assert future.cancelled()
        with pytest.raises(EngineError, match="closed"):
            transport.start(transport.send("GET", "/"))
    limit = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < limit:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_a_dropped_transport_closes_itself():
    """No thread is left behind when nobody holds the transport any more."""
    names = {thread.name for thread in threading.enumerate()}
    transport = Transport("http://127.0.0.1:1")
    assert {thread.name for thread in threading.enumerate()} - names == {"sightline-transport"}
    del transport
    assert {thread.name for thread in threading.enumerate()} == names


def test_a_forked_child_is_told_to_connect_again():
    """The child has no such thread: it gets an error at once, not a hang."""
    transport = Transport("http://127.0.0.1:1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # later Pythons warn of what is tested here
        child = os.fork()
    if child == 0:
        told = 1
        try:
            transport.start(transport.send("GET", "/"))
        except EngineError as error:
            told = 0 if "forked" in error.message else 2
        finally:
            transport.close()
            os._exit(told)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    transport.close()
