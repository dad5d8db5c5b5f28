"""What every request passes before a route sees it, and what is told of it."""

import logging
import re
import socket
import threading
import time

import httpx
import numpy as np
import pytest

from sightline_runtime.testing import FakeRuntime

SAFE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def test_every_answer_is_safe_to_show_and_not_kept(served):
    """Also errors, and what is no route; CORS is off, and the software is not named."""
    address, _ = served
    for method, path in (
        ("GET", "/healthz"),
        ("GET", "/nonsense"),
        ("PUT", "/healthz"),
        ("OPTIONS", "/metrics"),
    ):
        told = httpx.request(method, f"{address}{path}").headers
        assert {name: told.get(name) for name in SAFE} == SAFE, path
        assert "server" not in told
        assert "access-control-allow-origin" not in told


def test_a_request_has_an_id(served):
    """The client's own if it is a plain one, or a new one; never what could break a log."""
    address, _ = served
    given = httpx.get(f"{address}/healthz", headers={"x-request-id": "my-id.7"})
    assert given.headers["x-request-id"] == "my-id.7"
    for wrong in ("a b", "x" * 65, "é", '"'):
        answer = httpx.get(f"{address}/healthz", headers={"x-request-id": wrong.encode("latin-1")})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


def test_the_log_has_a_line_a_request_and_nothing_a_client_wrote(keyed, caplog):
    """No key, no prompt, no path, no query: the route's template, the status, the time, the id."""
    address, _, add = keyed
    with caplog.at_level(logging.INFO):
        headers = add.first | {"x-request-id": "seen-1"}
        httpx.post(f"{address}/v1/sessions", headers=headers, json={"name": "secret-cats"})
        httpx.get(f"{address}/v1/sessions/secret-cats?q=secret-query", headers=add.first)
        httpx.get(f"{address}/secret-path", headers={"authorization": "Bearer secret-key"})
    lines = [record.getMessage() for record in caplog.records if record.name == "sightline.server"]
    assert len(lines) == 3
    assert re.fullmatch(r"POST /v1/sessions 201 [0-9.]+ ms seen-1", lines[0])
    assert re.match(r"GET /v1/sessions/\{name\} 200 ", lines[1])
    assert re.match(r"GET unknown 401 ", lines[2])
    everything = " ".join(record.getMessage() for record in caplog.records if record.name != "httpx")
    assert "secret" not in everything
    assert add.first["authorization"].split()[1] not in everything


def test_a_fault_of_the_server_tells_no_more_than_its_id(serve, caplog):
    """Its message, which may quote a client, is neither sent nor logged; where it was raised is logged."""

    class Broken(FakeRuntime):
        @property
        def info(self):
            raise RuntimeError("the secret of /home/somebody")

    with caplog.at_level(logging.INFO), serve(runtime=Broken()) as (address, _):
        answer = httpx.get(f"{address}/readyz")
        assert httpx.get(f"{address}/healthz").status_code == 200
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "engine_failed")
    assert answer.headers["x-request-id"] in error["hint"]
    logged = " ".join(record.getMessage() for record in caplog.records)
    assert "secret" not in answer.text + logged
    assert f"RuntimeError in {answer.headers['x-request-id']} at" in logged


def test_a_body_that_says_it_is_too_large_is_not_read(serve):
    """It is refused by its Content-Length; the client may have sent all of it before he listens."""
    with serve(max_body=1000) as (address, _):
        answer = httpx.post(f"{address}/v1/sessions", content=b"x" * 1_000_000)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        assert answer.headers["x-should-retry"] == "false"
        assert httpx.post(f"{address}/v1/sessions", json={"name": "cats"}).status_code == 201


def test_a_body_that_does_not_say_so_is_counted(serve):
    """Chunks are counted as they come, whatever the route makes of the fault."""

    def chunks():
        for _ in range(100):
            yield b'{"name": "cats"}' + b" " * 100

    with serve(max_body=1000) as (address, _):
        for path in ("/v1/sessions", "/v1/sessions/cats/images"):
            answer = httpx.post(
                f"{address}{path}", content=chunks(), headers={"content-type": "application/json"}
            )
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large"), path
        assert httpx.get(f"{address}/v1/sessions").json()["sessions"] == []


def test_a_body_that_comes_too_slowly_is_given_up(serve, wire, ended):
    """One that stops, and one of which a byte comes now and then: both end soon after the time is over."""
    head = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"
    with serve(body_timeout=0.5) as (address, _):
        stopped, trickling = wire(address), wire(address)
        started = time.monotonic()
        stopped.sendall(head + b'{"name"')
        trickling.sendall(head)

        def trickle():
            try:
                for _ in range(600):
                    trickling.sendall(b" ")
                    time.sleep(0.05)
            except OSError:
                return

        sender = threading.Thread(target=trickle)
        sender.start()
        for connection in (stopped, trickling):
            told = b""
            while not told.endswith(b"}}"):
                told += connection.recv(65536)
            assert told.startswith(b"HTTP/1.1 408 ")
            assert b'"code":"deadline"' in told
        assert time.monotonic() - started < 20
        assert ended(stopped) == b""
        sender.join()
        assert httpx.get(f"{address}/healthz").status_code == 200


def test_an_answer_that_nobody_takes_is_cut_off(serve, wire):
    """A client who asks for much and reads nothing holds neither memory nor a connection for long."""
    with serve(body_timeout=0.3) as (address, house):
        with house.tenants.session("local", "cats") as s:
            noise = np.random.default_rng(1).integers(0, 256, (1200, 1200, 3), dtype=np.uint8)
            digest = s.add(noise).image.ref.pixels
        connection = wire(address)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = f"GET /v1/artifacts/{digest} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        connection.sendall(request * 4)
        assert connection.recv(12) == b"HTTP/1.1 200"
        ends = time.monotonic() + 5
        while not _is_cut(connection, request):
            assert time.monotonic() < ends
        assert httpx.get(f"{address}/healthz").status_code == 200


def _is_cut(connection, request):
    try:
        connection.sendall(request)
    except ConnectionError:
        return True
    time.sleep(0.05)
    return False


@pytest.mark.parametrize("header", ["x-deadline", "x-stainless-read-timeout"])
def test_a_client_says_how_long_he_waits(serve, header):
    """The call ends then, with an error that says so, and its work stops."""
    runtime = FakeRuntime(delay=60)
    with serve(runtime=runtime) as (address, house):
        httpx.post(f"{address}/v1/sessions", json={"name": "cats"})
        started = time.monotonic()
        answer = httpx.post(
            f"{address}/v1/sessions/cats/tools/generate",
            json={"arguments": {"prompt": "a red star"}},
            headers={header: "0.3"},
            timeout=30,
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline")
        assert time.monotonic() - started < 20
        ends = time.monotonic() + 20
        while house.crew.load and time.monotonic() < ends:
            time.sleep(0.02)
        assert house.crew.load == 0


@pytest.mark.parametrize("text", ["-1", "0", "nan", "inf", "soon", "1e999"])
def test_a_deadline_that_cannot_be_is_refused(served, text):
    """Ours must be a number above 0; what other clients send for themselves is taken or left."""
    address, _ = served
    answer = httpx.get(f"{address}/v1/sessions", headers={"x-deadline": text})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_input")
    assert httpx.get(f"{address}/v1/sessions", headers={"x-stainless-read-timeout": text}).status_code == 200


def test_metrics_tell_what_was_done_in_fixed_words(served):
    """Routes by their templates, statuses, stages of the model; nothing that a client wrote."""
    address, _ = served
    httpx.post(f"{address}/v1/sessions", json={"name": "secret-cats"})
    prompt = {"arguments": {"prompt": "a red star secret"}}
    httpx.post(f"{address}/v1/sessions/secret-cats/tools/generate", json=prompt)
    httpx.request("SECRET", f"{address}/secret-path")
    told = httpx.get(f"{address}/metrics")
    assert told.headers["content-type"].startswith("text/plain")
    assert "secret" not in told.text.lower()
    for line in (
        'sightline_requests_total{method="POST",route="/v1/sessions/{name}/tools/{tool}",status="200"} 1.0',
        'sightline_requests_total{method="OTHER",route="unknown",status="404"} 1.0',
        'sightline_stage_seconds_count{stage="features"} 1.0',
        'sightline_stage_seconds_count{stage="decode"} 1.0',
        "sightline_calls_running 0.0",
        "sightline_calls_waiting 0.0",
    ):
        assert line in told.text.splitlines(), line
