"""A server that starts, answers, and stops."""

import httpx

from sightline.server.access import LOCAL


def test_a_server_lives_and_is_ready(served):
    """Health says that the process lives, readiness which model it has."""
    address, _ = served
    assert httpx.get(f"{address}/healthz", timeout=5).json() == {"status": "ok"}
    assert httpx.get(f"{address}/readyz", timeout=5).json()["model"] == "fake"


def test_unknown_routes_have_the_one_form_of_errors(served):
    """What the framework refuses reads like every other error."""
    address, _ = served
    answer = httpx.get(f"{address}/nonsense", timeout=5)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_sessions_of_a_tenant_are_listed(served):
    """A session that was opened is in the list of its tenant, and of no other."""
    _, house = served
    with house.tenants.session(LOCAL, "cats") as s:
        s.generate("a red star")
    assert house.tenants.names(LOCAL) == ["cats"]
    assert house.tenants.names("other") == []
