"""Pictures by URL: off by default; on, it asks public places alone, whatever a URL pretends to be."""

import asyncio
import base64
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import (
    DeadlineError,
    EngineError,
    ForbiddenError,
    InputError,
    SightlineError,
    TooLargeError,
)
from sightline.server.fetching import Network, decoded, fetch, picture_from, public
from sightline.server.house import House
from sightline.server.settings import Settings
from sightline_runtime.testing import FakeRuntime
from sightline_tools.image import encode_png

ON = Settings(fetch_images=True, fetch_plain=True, fetch_timeout=2.0, max_upload=100_000)
PUBLIC = "93.184.216.34"


class Staged(Network):
    """Names and addresses of a play: `names` says what resolves to what, every public address leads here."""

    def __init__(self, port, **names):
        self.port, self.names = port, {"pictures.example": [[PUBLIC]]} | names
        self.asked, self.connected = [], []

    def resolve(self, host, port):
        """The next answer for a name; an address is itself, in whatever form the system reads."""
        self.asked.append(host)
        answers = self.names.get(host.replace(".", "_"), self.names.get(host))
        if answers is None:
            return super().resolve(host, port)
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect(self, address, port, timeout):
        """The play's server, in the place of any address."""
        self.connected.append(address)
        return socket.create_connection(("127.0.0.1", self.port), timeout)


@contextmanager
def answering(*answers):
    """A server that sends these bytes to one connection after the other; a callable is given the socket."""
    listener, heads = socket.create_server(("127.0.0.1", 0)), []

    def work():
        for answer in answers:
            with suppress(OSError), listener.accept()[0] as connection:
                connection.settimeout(5)
                heads.append(connection.recv(65536))
                answer(connection) if callable(answer) else connection.sendall(answer)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield listener.getsockname()[1], heads
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def ok(body, *headers):
    """An answer with a body."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def moved(to, status=302):
    """An answer that sends us on."""
    return f"HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


def test_a_public_picture_is_fetched_from_the_address_that_was_checked():
    """The name is asked for in the Host header, but it was resolved once, and the connection is pinned."""
    with answering(ok(b"picture")) as (port, heads):
        network = Staged(port)
        assert fetch(ON, "http://pictures.example/a/b.png?x=1", network) == b"picture"
    assert network.asked == ["pictures.example"]
    assert network.connected == [PUBLIC]
    head = heads[0].decode()
    assert head.startswith("GET /a/b.png?x=1 HTTP/1.1\r\n")
    assert "Host: pictures.example\r\n" in head
    assert "Accept-Encoding: identity\r\n" in head
    assert "authorization" not in head.lower()
    assert "cookie" not in head.lower()


def test_a_name_that_changes_its_mind_changes_nothing():
    """DNS rebinding: the second answer is never asked for, so nobody connects to it."""
    with answering(ok(b"picture")) as (port, _):
        network = Staged(port, **{"pictures.example": [[PUBLIC], ["127.0.0.1"]]})
        assert fetch(ON, "http://pictures.example/", network) == b"picture"
        assert network.connected == [PUBLIC]
        with pytest.raises(ForbiddenError):
            fetch(ON, "http://pictures.example/", network)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
        ),
        *("0", "0.0.0.0", "localhost", "LOCALHOST", "localhost.", "127.0.0.1."),
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "2852039166"),
        *("224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1"),
        *(
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:169.254.169.254]",
            "[::127.0.0.1]",
        ),
        *("[fe80::1]", "[fe80::1%25lo]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]"),
        *("[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]"),
        *("[2002:a9fe:a9fe::]", "[2001:0:7f00:1::]", "[2001:db8::1]", "[::ffff:0:127.0.0.1]"),
    ],
)
def test_no_form_of_an_inner_address_is_asked(host):
    """Decimal, octal, hexadecimal, short and IPv6 forms: what the system reads in them is refused."""
    network = Staged(1)
    with pytest.raises((ForbiddenError, InputError)):
        fetch(ON, f"http://{host}/", network)
    assert network.connected == []


def test_one_inner_address_among_public_ones_is_enough():
    """A name is refused as a whole: which of its addresses a connection takes is not ours to bet on."""
    for addresses in ([PUBLIC, "10.0.0.1"], ["::1", PUBLIC], [], ["nonsense"]):
        network = Staged(1, **{"pictures.example": [addresses]})
        with pytest.raises(ForbiddenError):
            fetch(ON, "http://pictures.example/", network)
        assert network.connected == []


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1/",
        "http://[::1]:80/",
        "http://169.254.169.254/latest/meta-data/",
        "http://inner.example/",
        "file:///etc/passwd",
        "ftp://pictures.example/",
        "gopher://pictures.example/",
        "//127.0.0.1/",
        "http://user:word@pictures.example/",
        "http://pictures.example:22/",
        "\\\\127.0.0.1\\",
        "http://pictures.example\\@127.0.0.1/",
    ],
)
def test_every_redirect_is_checked_like_the_first_address(target):
    """A public place cannot send us to an inner one, to another scheme or to another port."""
    with answering(moved(target)) as (port, _):
        network = Staged(port, **{"inner.example": [["192.168.0.1"]]})
        with pytest.raises((ForbiddenError, InputError)):
            fetch(ON, "http://pictures.example/", network)
    assert network.connected == [PUBLIC]


def test_redirects_are_followed_three_times():
    """Relative and absolute ones; the fourth is one too many."""
    hops = [moved("/b", 301), moved("http://other.example/c", 307), moved("d", 308)]
    names = {"other.example": [["93.184.216.35"]]}
    with answering(*hops, ok(b"picture")) as (port, heads):
        assert fetch(ON, "http://pictures.example/a", Staged(port, **names)) == b"picture"
    assert [head.split()[1] for head in heads] == [b"/a", b"/b", b"/c", b"/d"]
    assert b"Host: other.example" in heads[3]
    with answering(*hops, moved("/e")) as (port, _), pytest.raises(ForbiddenError, match="more than 3"):
        fetch(ON, "http://pictures.example/a", Staged(port, **names))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pictures.example/a.png",
        "/etc/passwd",
        "../../etc/passwd",
        "file:///etc/passwd",
        "ftp://pictures.example/a",
        "http://",
        "http:///a",
        "http://pictures.example:99999/",
        "http://pictures.example:8080/",
        "http://user@pictures.example/",
        "http://pictures.example/\r\nX: y",
        "http://pictures.example/ a",
        "http://pictures.exämple/",
        "http://pictures.example\\@127.0.0.1/",
        "http://[::1",
        "javascript:alert(1)",
        "sightline://images/img1",
    ],
)
def test_what_is_no_plain_url_of_the_web_is_refused(url):
    """Before any name is resolved; never a path."""
    network = Staged(1)
    with pytest.raises((InputError, ForbiddenError)):
        fetch(ON, url, network)
    assert (network.asked, network.connected) == ([], [])


def test_plain_http_is_refused_unless_it_is_allowed():
    """Also where a redirect leads from https to it."""
    with pytest.raises(ForbiddenError, match="https"):
        fetch(replace(ON, fetch_plain=False), "http://pictures.example/", Staged(1))


def test_a_certificate_must_be_that_of_the_name():
    """What answers on the checked address without one is refused; the name went out by SNI."""
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, heads), pytest.raises(EngineError):
        fetch(ON, "https://pictures.example/", Staged(port))
    assert b"pictures.example" in heads[0]
    assert heads[0][:1] == b"\x16"  # a TLS handshake


def test_a_body_is_bounded_and_never_unpacked():
    """By its length, by what comes, and packed ones are refused, so that no bomb is."""
    endless = lambda wire: [wire.sendall(b"x" * 10_000) for _ in range(1000)]  # noqa: E731
    for answer, error in (
        (ok(b"x" * 100_001), TooLargeError),
        (lambda wire: (wire.sendall(b"HTTP/1.1 200 OK\r\n\r\n"), endless(wire)), TooLargeError),
        (ok(b"\x1f\x8b", "Content-Encoding: gzip"), InputError),
        (ok(b"x", "Content-Encoding: br"), InputError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", EngineError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal", EngineError),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", EngineError),
        (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 1000 + b"\r\n", EngineError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", EngineError),
        (b"nonsense\r\n\r\n", EngineError),
        (b"", EngineError),
    ):
        with answering(answer) as (port, _), pytest.raises(error):
            fetch(ON, "http://pictures.example/", Staged(port))


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_a_place_that_answers_a_byte_at_a_time_is_given_up(head):
    """The time is one for all of it: name, head, body and redirects."""

    def trickle(connection):
        connection.sendall(head)
        for _ in range(600):
            connection.sendall(b"X")
            time.sleep(0.05)

    started = time.monotonic()
    with answering(trickle) as (port, _), pytest.raises(DeadlineError):
        fetch(replace(ON, fetch_timeout=0.4), "http://pictures.example/", Staged(port))
    assert time.monotonic() - started < 20


@given(st.integers(0, 2**32 - 1), st.sampled_from(["::ffff:{}", "64:ff9b::{}", "::{}"]))
def test_an_address_inside_another_counts(number, form):
    """An IPv6 form of an IPv4 address is public only if that one is."""
    inner = socket.inet_ntoa(number.to_bytes(4, "big"))
    assert public(inner) or not public(form.format(inner))


def test_by_default_nothing_is_fetched():
    """A URL is refused with the way to do it instead; a data URI is read, a path never."""
    house, network = House(FakeRuntime(), Settings()), Staged(1)
    png = encode_png(FakeRuntime()._draw("a red star", None, 1))
    uri = "data:image/png;base64," + base64.b64encode(png).decode()
    assert asyncio.run(picture_from(house, uri, network=network)) == png
    for text in ("https://pictures.example/", "/etc/passwd", "file:///etc/passwd", "img1"):
        with pytest.raises(ForbiddenError, match="data: URI"):
            asyncio.run(picture_from(house, text, network=network))
    assert network.asked == []
    house.close()


def test_where_it_is_on_the_crew_fetches():
    """The event loop stays free meanwhile."""
    house = House(FakeRuntime(), ON)
    with answering(ok(b"picture")) as (port, _):
        found = asyncio.run(picture_from(house, "http://pictures.example/", network=Staged(port)))
    assert found == b"picture"
    house.close()


@pytest.mark.parametrize(
    "uri",
    [
        "data:",
        "data:,hello",
        "data:image/png,hello",
        "data:image/png;base64",
        "data:image/png;base64,a",
        "data:image/png;base64,!!!!",
        "data:image/png;base64,aGVs\nbG8=",
        "data:image/png;base64,aGVsbG8=é",
    ],
)
def test_a_damaged_data_uri_is_refused(uri):
    """Only base64, whole and without anything else."""
    with pytest.raises(InputError):
        decoded(Settings(), uri)


def test_a_data_uri_is_bounded_before_it_is_decoded():
    """By its length; the type it names does not matter."""
    assert decoded(Settings(max_upload=6), "DATA:text/html;BASE64," + "QUFB" * 2) == b"AAAAAA"
    with pytest.raises(TooLargeError):
        decoded(Settings(max_upload=6), "data:;base64," + "QUFB" * 4)


@given(st.text(max_size=60))
def test_any_text_is_refused_or_fetched_from_a_public_place(text):
    """Whatever stands for a picture: an error of the tree, and no connection anywhere else."""
    network = Staged(1)
    network.names = {}
    network.resolve = lambda host, port: ["127.0.0.1"]
    with pytest.raises(SightlineError):
        fetch(ON, text, network)
    assert network.connected == []
