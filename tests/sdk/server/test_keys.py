"""API keys: a file of hashes, scopes, and limits."""

import json
import stat
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import BusyError, ConflictError, InputError, NotFoundError
from sightline.server.key_file import KeyFile
from sightline.server.keys import SCOPES, ApiKey, Keys, digest_of
from sightline.server.limits import Limits


def test_a_file_of_keys_holds_no_key(tmp_path):
    """Only hashes are written, readable by the owner alone; the text opens the key that was made."""
    file = KeyFile(tmp_path / "keys.json")
    text = file.add("alice", tenant="acme", scopes=["chat"], per_minute=5, at_once=2)
    assert text not in file.path.read_text()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert file.read() == [ApiKey("alice", "acme", digest_of(text), frozenset({"chat"}), 5, 2)]
    assert Keys(file=file).find(text).tenant == "acme"
    assert Keys(file=file).find(text + "x") is None
    assert Keys(file=file).find("") is None


def test_two_keys_cannot_have_one_name(tmp_path):
    """Names are how keys are removed, so they are unique; the texts never are the same."""
    file = KeyFile(tmp_path / "keys.json")
    assert file.add("a", tenant="t") != file.add("b", tenant="t")
    with pytest.raises(ConflictError):
        file.add("a", tenant="t")
    with pytest.raises(NotFoundError):
        file.remove("c")
    file.remove("a")
    assert [key.name for key in file.read()] == ["b"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tenant", "../other"),
        ("tenant", ""),
        ("name", "A"),
        ("scopes", ["everything"]),
        ("scopes", []),
        ("scopes", "chat"),
        ("per_minute", 0),
        ("at_once", True),
        ("sha256", "00"),
    ],
)
def test_a_damaged_file_of_keys_is_refused_whole(tmp_path, field, value):
    """A row that cannot be makes the file unreadable; no other key of it works."""
    file = KeyFile(tmp_path / "keys.json")
    text = file.add("alice", tenant="acme")
    keys = Keys(file=file)
    rows = json.loads(file.path.read_text())
    rows["keys"].append({**rows["keys"][0], "name": "second", field: value})
    file.path.write_text(json.dumps(rows))
    with pytest.raises(InputError):
        file.read()
    assert keys.find(text) is None
    with pytest.raises(InputError):
        Keys(file=file)


def test_a_server_does_not_open_when_its_last_key_goes(keyed):
    """A removed key is refused within a second, and no key does not mean no need of one."""
    address, house, add = keyed
    assert httpx.get(f"{address}/metrics", headers=add.first).status_code == 200
    add.file.remove("alice")
    ends = time.monotonic() + 1
    while httpx.get(f"{address}/metrics", headers=add.first).status_code == 200:
        assert time.monotonic() < ends
    for headers in ({}, add.first, {"authorization": "Bearer"}, {"authorization": "Basic eDp5"}):
        answer = httpx.get(f"{address}/metrics", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    add.file.path.unlink()
    assert httpx.get(f"{address}/metrics").status_code == 401
    assert not house.keys.open
    assert httpx.get(f"{address}/metrics", headers=add("bob")).status_code == 200


def test_a_key_may_do_what_its_scopes_say(keyed):
    """A key without a scope is known, but refused."""
    address, _, add = keyed
    for scope in sorted(SCOPES):
        answer = httpx.get(f"{address}/metrics", headers=add(f"only-{scope}", scopes=[scope]))
        assert answer.status_code == (200 if scope == "metrics" else 403), scope
        if scope != "metrics":
            assert answer.json()["error"]["code"] == "forbidden"


def test_every_route_needs_a_key(keyed):
    """What is not said to be free is refused, also where there is no route and where one is mounted."""
    address, _, _ = keyed
    described = httpx.get(f"{address}/openapi.json").json()["paths"]
    for path in [*described, "/nonsense", "/mcp", "/docs", "//healthz", "/healthz/", "/healthz/../metrics"]:
        answer = httpx.get(f"{address}{path}")
        assert answer.status_code == (200 if path in ("/healthz", "/readyz") else 401), path
    for name in ("x/healthz?", "/healthz#", "x/readyz\\"):  # what a framework takes for the path of the URL
        assert httpx.get(f"{address}/metrics", headers={"host": name}).status_code in (400, 401)


def test_calls_a_minute_are_limited(keyed):
    """The call after the last allowed one is told how long to wait, in the two forms that clients read."""
    address, _, add = keyed
    headers = add("slow", per_minute=3)
    statuses = [httpx.get(f"{address}/metrics", headers=headers).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    answer = httpx.get(f"{address}/metrics", headers=headers)
    assert answer.json()["error"]["code"] == "busy"
    assert 1 <= int(answer.headers["retry-after"]) <= 20
    assert 0 < int(answer.headers["retry-after-ms"]) <= 20_000
    assert "x-should-retry" not in answer.headers
    assert httpx.get(f"{address}/metrics", headers=add.first).status_code == 200


@given(st.integers(1, 100), st.lists(st.floats(0, 30), max_size=60))
def test_a_bucket_never_gives_more_than_its_rate(per_minute, waits):
    """In any window a key makes at most a minute's burst and what refilled meanwhile."""
    now = 0.0
    limits, key, granted, told = Limits(lambda: now), ApiKey("a", "a", "00", per_minute=per_minute), 0, []
    for wait in waits:
        now += wait
        try:
            with limits.taken(key):
                granted += 1
        except BusyError as error:
            told.append(error.retry_after)
    assert all(0 < wait <= 60 / per_minute + 1e-6 for wait in told)
    assert granted <= per_minute + now * per_minute / 60 + 1e-6


def test_calls_at_once_are_counted_as_long_as_they_last():
    """A call that ended, well or not, makes room for the next; other keys have their own."""
    limits, key, other = Limits(), ApiKey("a", "a", "00", at_once=1), ApiKey("b", "b", "01", at_once=1)

    def call(work):
        with limits.taken(key):
            return work()

    with limits.taken(other):
        assert call(lambda: "done") == "done"
        with pytest.raises(BusyError, match="1 calls at once"):
            call(lambda: call(lambda: "never"))
        with pytest.raises(ZeroDivisionError):
            call(lambda: 1 / 0)
        assert call(lambda: "again") == "again"
