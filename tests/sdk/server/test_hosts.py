"""Names and pages from which a server may be called."""

import httpx
import pytest


@pytest.mark.parametrize(
    "name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "10.0.0.1"]
)
def test_a_server_without_keys_is_called_by_this_machines_names_alone(served, name):
    """A foreign name that was pointed at this machine (DNS rebinding) is refused on every path."""
    address, _ = served
    for path in ("/healthz", "/metrics", "/nonsense"):
        answer = httpx.get(f"{address}{path}", headers={"host": name})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
def test_this_machines_names_are_known(served, name):
    """With and without a port, in any case of letters."""
    assert httpx.get(f"{served[0]}/healthz", headers={"host": name}).status_code == 200


def test_names_can_be_allowed(serve):
    """A server behind a proxy says under which names it is called."""
    with serve(allow_hosts=("studio.lan",)) as (address, _):
        assert httpx.get(f"{address}/healthz", headers={"host": "studio.lan:8000"}).status_code == 200
        assert httpx.get(f"{address}/healthz", headers={"host": "other.lan"}).status_code == 403


def test_with_keys_any_name_will_do(keyed):
    """A page of a stranger has no key, so its name does not matter."""
    address, _, add = keyed
    assert httpx.get(f"{address}/metrics", headers={"host": "gpu.lan"} | add.first).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://", "http://localhost"]
)
def test_pages_of_strangers_may_not_call(served, origin):
    """Not even with a request that browsers send without asking first, as a form is."""
    address, _ = served
    answer = httpx.post(
        f"{address}/healthz", headers={"origin": origin, "content-type": "text/plain"}, content="{}"
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert "access-control-allow-origin" not in answer.headers
    asked = httpx.options(
        f"{address}/healthz", headers={"origin": origin, "access-control-request-method": "GET"}
    )
    assert asked.status_code == 403


def test_the_servers_own_pages_may_call(served):
    """A page that came from here has the server's address as its origin."""
    address, _ = served
    assert httpx.get(f"{address}/healthz", headers={"origin": address}).status_code == 200


def test_pages_can_be_allowed(serve):
    """Browsers are told so when they ask first, and with every answer, errors among them; cookies never."""
    page = "https://studio.example"
    with serve(allow_origins=(page,)) as (address, _):
        asked = httpx.options(
            f"{address}/v1/models",
            headers={
                "origin": page,
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,content-type",
            },
        )
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == page
        for path in ("/healthz", "/nonsense"):
            told = httpx.get(f"{address}{path}", headers={"origin": page}).headers
            assert told["access-control-allow-origin"] == page
            assert "access-control-allow-credentials" not in told
        assert httpx.get(f"{address}/healthz", headers={"origin": "https://evil.example"}).status_code == 403
