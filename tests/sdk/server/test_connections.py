"""Connections that misbehave below HTTP: slow, endless, half, too many."""

import time
from contextlib import suppress

import httpx

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def status(said):
    """The status of an answer's first line."""
    return int(said.split(b" ", 2)[1])


def first_answer(connection):
    """The head of an answer, and the beginning of its body."""
    said = b""
    while b"}" not in said:
        said += connection.recv(65536) or b"}"
    return said


def test_a_head_that_comes_too_slowly_is_given_up(serve, wire, ended):
    """A line now and then does not keep a connection, nor does silence, nor half a second request."""
    with serve(header_timeout=0.4) as (address, _):
        silent, trickling, second = wire(address), wire(address), wire(address)
        second.sendall(GET)
        assert status(second.recv(65536)) == 200
        second.sendall(b"GET /heal")
        started = time.monotonic()
        trickling.sendall(b"GET /healthz HTTP/1.1\r\n")
        with suppress(ConnectionError):
            for number in range(600):
                trickling.sendall(b"X-Header-%d: 1\r\n" % number)
                time.sleep(0.05)
        assert time.monotonic() - started < 20
        assert status(ended(silent)) == 408
        said = ended(second)
        assert status(said) == 408
        assert b'"code": "deadline"' in said
        assert httpx.get(f"{address}/healthz").status_code == 200


def test_many_slow_heads_leave_room_for_others(serve, wire):
    """A hundred connections that never say what they want do not slow down one that does."""
    with serve(header_timeout=60) as (address, _):
        slow = [wire(address) for _ in range(100)]
        for each in slow:
            each.sendall(b"GET / HTTP/1.1\r\n")
        assert httpx.get(f"{address}/healthz", timeout=20).status_code == 200


HEADS = [
    (b"GET /" + b"a" * 400_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", (413, 431)),
    (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", (413, 431)),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", (413, 431)),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 8_000 + b"\r\n", (413, 431)),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 70_000 + b"\r\n", (413, 431)),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n", (400,)),
    (b"GET / HTTP/1.1\r\n\r\n", (400,)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", (400,)),
    (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", (400,)),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n", (400,)),
    (b"GET / HTTP/2\r\nHost: localhost\r\n\r\n", (400,)),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 403)),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", (400,)),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", (400,)),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", (501,)),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", (404,)),
    (b"CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n", (403,)),
    (b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", (403,)),
]


def test_what_is_no_request_is_refused_in_the_form_of_all_errors(served, wire):
    """Giant heads, other protocols, two lengths for one body: an error, and the server goes on."""
    address, _ = served
    for head, expected in HEADS:
        connection = wire(address)
        with suppress(ConnectionError):
            connection.sendall(head)
            said = first_answer(connection)
            assert status(said) in expected, head[:60]
            assert b'{"error"' in said, head[:60]
        connection.close()
    assert httpx.get(f"{address}/healthz").status_code == 200


def test_a_length_and_chunks_do_not_smuggle_a_second_request_in(served, wire, ended):
    """Where two ways tell where a body ends, one is taken or none, and nothing is read after it."""
    address, _ = served
    connection = wire(address)
    connection.sendall(
        b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET
    )
    said = ended(connection)
    assert said.count(b"HTTP/1.1 ") == 1
    assert status(said) in (400, 405)


def test_one_connection_too_many_is_told_to_come_again(serve, wire):
    """It gets 503 and Retry-After; when others leave there is room again."""
    with serve(max_connections=5) as (address, _):
        held = [wire(address) for _ in range(5)]
        for each in held:
            each.sendall(GET)
            assert status(each.recv(65536)) == 200
        answer = httpx.get(f"{address}/healthz")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
        assert answer.headers["retry-after"] == "1"
        for each in held:
            each.close()
        ends = time.monotonic() + 3
        while httpx.get(f"{address}/healthz").status_code != 200:
            assert time.monotonic() < ends


def test_far_too_many_connections_are_cut(serve, wire, ended):
    """Beyond twice the limit nothing is said, so that saying it costs nothing either."""
    with serve(max_connections=3) as (address, _):
        held = [wire(address) for _ in range(12)]
        time.sleep(0.3)
        for each in held:
            try:
                each.sendall(GET)
            except ConnectionError:
                continue
        said = [each.recv(65536) if number < 3 else ended(each) for number, each in enumerate(held)]
        statuses = [status(each) for each in said if each]
        assert statuses == [200] * 3 + [503] * 3


def test_requests_in_one_piece_are_answered_in_order(served, wire):
    """A client may send the next request before the answer to the first."""
    address, _ = served
    connection = wire(address)
    connection.sendall(GET * 3)
    said = b""
    while said.count(b'{"status":"ok"}') < 3:
        said += connection.recv(65536)
    assert said.count(b"HTTP/1.1 200") == 3


def test_the_rest_of_a_refused_body_is_not_read_for_ever(serve, wire):
    """Whoever goes on sending after the refusal is cut off."""
    with serve(max_body=100, body_timeout=1.0) as (address, _):
        connection = wire(address)
        connection.sendall(
            b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
        )
        assert status(connection.recv(65536)) == 413
        started = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - started < 30:
                connection.sendall(b"x" * 1000)
                time.sleep(0.05)
        assert time.monotonic() - started < 20
