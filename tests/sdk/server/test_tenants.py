"""Tenants: one store each, sessions opened once, and only those closed that nobody uses."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sightline.errors import InputError, NotFoundError
from sightline.server import tenants as opening
from sightline.server.tenants import Tenants

BOUND = 20


@pytest.fixture
def tenants(fake, tmp_path):
    """Tenants of whom two sessions stay open."""
    made = Tenants(tmp_path / "data", fake, most_open=2)
    yield made
    made.close()


def use(tenants, tenant, name):
    """Open a session for a moment; gives it."""
    with tenants.session(tenant, name) as session:
        return session


def test_two_tenants_share_nothing(tenants, fake, tmp_path):
    """The same session name, the same prompt: another folder, another computation, another list."""
    for tenant in ("alice", "bob"):
        with tenants.session(tenant, "cats", seed=7) as session:
            session.generate("a red star")
            assert len(session.log()) == 1
    assert len(fake.calls) == 4
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["alice", "bob"]
    use(tenants, "alice", "dogs")
    assert (tenants.names("alice"), tenants.names("bob"), tenants.names("eve")) == (
        ["cats", "dogs"],
        ["cats"],
        [],
    )


@pytest.mark.parametrize("name", ["", "..", "../bob", "a/b", "A", "a" * 65, "a\0", "é", "-a"])
def test_no_name_is_a_path(tenants, tmp_path, name):
    """A tenant's name, or a session's, is refused before anything is made."""
    for tenant, session in ((name, "cats"), ("alice", name)):
        with pytest.raises(InputError, match="cannot name"):
            use(tenants, tenant, session)
    assert not (tmp_path / "data").exists()


def test_a_session_that_is_not_there_is_not_made_by_looking(tenants):
    """It is not found, and stays so; the attempt leaves nothing open."""
    use(tenants, "alice", "dogs")
    for _ in range(5):
        with pytest.raises(NotFoundError), tenants.session("alice", "cats", create=False):
            pass
    assert tenants.names("alice") == ["dogs"]
    assert use(tenants, "alice", "dogs") is use(tenants, "alice", "dogs")


def test_only_what_nobody_uses_is_closed(tenants):
    """The session used longest ago goes first, a borrowed one never, and what was closed opens again."""
    with tenants.session("alice", "held") as held:
        for name in ("one", "two", "three"):
            use(tenants, "alice", name)
        held.generate("a red star")
        assert use(tenants, "alice", "held") is held
    kept = use(tenants, "alice", "three")
    use(tenants, "alice", "held")
    use(tenants, "alice", "four")
    with tenants.session("alice", "three") as again:
        assert again is not kept
    with tenants.session("alice", "held") as again:
        assert [step.args["prompt"] for step in again.log()] == ["a red star"]


def test_one_session_is_opened_once_by_many(tenants):
    """Callers at the same time get the same object."""
    together = threading.Barrier(8, timeout=BOUND)

    def borrow(_):
        together.wait()
        with tenants.session("alice", "cats") as session:
            together.wait()
            return id(session)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(borrow, range(8)))) == 1


@pytest.fixture
def slow_door(monkeypatch):
    """Opening the session `slow` waits for an event: (somebody is at it, let go)."""
    at, go = threading.Event(), threading.Event()
    real = opening.Session

    def opened(name, **options):
        if name == "slow":
            at.set()
            assert go.wait(BOUND)
        return real(name, **options)

    monkeypatch.setattr(opening, "Session", opened)
    yield at, go
    go.set()


def test_nobody_waits_for_the_store_of_another(tenants, slow_door):
    """While one store is being opened, others are opened, used and given back."""
    at, go = slow_door
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(use, tenants, "alice", "slow")
        try:
            assert at.wait(BOUND)
            for name in ("one", "two", "three"):
                use(tenants, "bob", name)
            assert not slow.done()
        finally:
            go.set()
        assert slow.result(BOUND).name == "slow"


def test_a_session_that_did_not_open_can_be_tried_again(tenants, monkeypatch):
    """A fault at the door is told to him who came, and is no longer there for the next."""
    with monkeypatch.context() as broken:
        broken.setattr(opening, "Session", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            use(tenants, "alice", "cats")
    assert use(tenants, "alice", "cats").name == "cats"
