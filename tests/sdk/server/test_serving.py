"""A server that starts, answers, drains, and dies without losing anything."""

import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from sightline.errors import EngineError, InputError
from sightline.server.access import LOCAL
from sightline.server.house import House
from sightline.server.keys import ApiKey, Keys
from sightline.server.serving import running, serve
from sightline.server.settings import Settings
from sightline.session import Session
from sightline_runtime.testing import FakeRuntime

PROGRAM = """
import sys
from pathlib import Path
from sightline.server.house import House
from sightline.server.serving import serve
from sightline.server.settings import Settings
from sightline_runtime.testing import FakeRuntime
settings = Settings(data=Path(sys.argv[1]), drain_timeout=float(sys.argv[3]))
house = House(FakeRuntime(delay=float(sys.argv[2])), settings)
sys.exit(0 if serve(house, "127.0.0.1", 0, started=lambda at: print(at, flush=True)) else 3)
"""


@contextmanager
def process(data, *, delay, drain=5.0):
    """A server in a process of its own: (address, process)."""
    command = [sys.executable, "-c", PROGRAM, str(data), str(delay), str(drain)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started.stdout.readline().strip(), started
        finally:
            started.kill()


@contextmanager
def anew(data):
    """A server in this process on what another one left; gives its address."""
    house = House(FakeRuntime(), Settings(data=data))
    with running(house) as address:
        yield address
    house.close()


def generate(address, answers, prompt="a red star", headers=None):
    """Ask for a picture in a thread; what comes of it is added to a list."""

    def work():
        try:
            body = {"arguments": {"prompt": prompt}}
            url = f"{address}/v1/sessions/cats/tools/generate"
            answers.append(httpx.post(url, json=body, headers=headers, timeout=30).status_code)
        except httpx.HTTPError as error:
            answers.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def until_running(address):
    """Wait until a call runs."""
    ends = time.monotonic() + 30
    with httpx.Client(base_url=address, timeout=30) as client:
        while "sightline_calls_running 1.0" not in client.get("/metrics").text:
            assert time.monotonic() < ends
            time.sleep(0.02)


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


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org"])
def test_without_keys_only_this_machine_is_listened_to(fake, host):
    """Whoever forgets the keys gets an error, not an open server; it says how to make one."""
    house = House(fake)
    with pytest.raises(InputError, match="sightline keys add"):
        serve(house, host, 0)
    house.close()


def test_with_keys_others_may_call(fake):
    """Then the address is the owner's business."""
    house = House(fake, keys=Keys([ApiKey("a", "a", "00")]))
    with running(house, host="0.0.0.0") as address:
        port = address.rpartition(":")[2]
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/v1/models").status_code == 401
    house.close()


def test_a_port_that_is_taken_is_told(served, fake):
    """Before anything is served."""
    house = House(fake)
    with pytest.raises(EngineError, match="is the port taken"):
        serve(house, "127.0.0.1", int(served[0].rpartition(":")[2]))
    house.close()


def test_a_server_that_is_told_to_stop_lets_work_end(tmp_path):
    """SIGTERM: the call that runs is answered, no other is taken, the process ends with 0."""
    answers = []
    with process(tmp_path / "data", delay=0.8) as (address, server):
        httpx.post(f"{address}/v1/sessions", json={"name": "cats"})
        thread = generate(address, answers)
        until_running(address)
        server.send_signal(signal.SIGTERM)
        thread.join(30)
        assert answers == [200]
        assert server.wait(30) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}/healthz")


def test_work_that_does_not_end_in_time_is_cancelled(tmp_path):
    """The time to stop is bounded, whatever runs; still the process ends with 0, and the store is whole."""
    answers = []
    with process(tmp_path / "data", delay=60, drain=1.0) as (address, server):
        httpx.post(f"{address}/v1/sessions", json={"name": "cats"})
        thread = generate(address, answers)
        until_running(address)
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        thread.join(30)
        assert answers != [200]
    with Session("cats", store=tmp_path / "data" / LOCAL, runtime=FakeRuntime()) as s:
        assert s.verify_store().problems == ()


def test_a_server_that_is_killed_loses_no_step(tmp_path):
    """kill -9 during a call: what was answered is there, the store is whole, the next server goes on."""
    answers = []
    with process(tmp_path / "data", delay=0.3) as (address, server):
        httpx.post(f"{address}/v1/sessions", json={"name": "cats"})
        for prompt in ("a red star", "a blue ring"):
            generate(address, answers, prompt).join(30)
        assert answers == [200, 200]
        thread = generate(address, answers, "a green square")
        until_running(address)
        server.kill()
        thread.join(30)
    assert answers[2] != 200
    with Session("cats", store=tmp_path / "data" / LOCAL, runtime=FakeRuntime()) as s:
        assert s.verify_store().problems == ()
        assert [step.args["prompt"] for step in s.log()] == ["a blue ring", "a red star"]
    with anew(tmp_path / "data") as address:
        generate(address, answers, "a green square").join(30)
        assert answers[3] == 200
        assert len(httpx.get(f"{address}/v1/sessions/cats/log").json()["steps"]) == 3


def test_no_new_work_is_taken_while_a_house_drains(served):
    """A load balancer is told, and so is a client on a connection that is still open."""
    address, house = served
    with httpx.Client(base_url=address) as client:
        client.post("/v1/sessions", json={"name": "cats"})
        house.crew.drain()
        for answer in (client.get("/readyz"), client.get("/v1/sessions/cats")):
            assert (answer.status_code, answer.json()["error"]["code"]) == (429, "busy")
            assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200
