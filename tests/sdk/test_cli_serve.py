"""The commands of a server: serve, and its keys."""

import json
import signal
import subprocess
import sys

import httpx
from typer.testing import CliRunner

from sightline.cli.main import app

RUN = CliRunner()


def run(*args, code=0):
    """Run a command; gives its standard output."""
    result = RUN.invoke(app, [str(arg) for arg in args])
    assert (result.exit_code == 0) == (code == 0), result.output
    return result.stdout if code == 0 else str(result.exception)


def test_keys_are_made_listed_and_removed(tmp_path):
    """The text is shown once, a list holds neither it nor its hash."""
    file = tmp_path / "keys.json"
    text = run("keys", "add", "alice", "--scope", "chat", "--per-minute", "9", "--file", file).strip()
    assert text.startswith("sl_")
    listed = json.loads(run("keys", "list", "--json", "--file", file))
    assert listed == {
        "keys": [{"name": "alice", "tenant": "alice", "scopes": ["chat"], "per_minute": 9, "at_once": None}]
    }
    assert text not in file.read_text()
    assert "all" in run("keys", "add", "bob", "--scope", "all", "--file", file, code=1)
    run("keys", "remove", "alice", "--file", file)
    assert json.loads(run("keys", "list", "--json", "--file", file)) == {"keys": []}


def test_a_server_without_keys_does_not_listen_to_others(tmp_path, monkeypatch):
    """It says so before it loads a model; an empty file of keys is one with keys."""
    monkeypatch.setattr("sightline.cli.serve._KEYS", tmp_path / "none.json")
    assert "no keys" in run("serve", "--host", "0.0.0.0", code=1)


def test_a_server_runs_until_it_is_told_to_stop(tmp_path):
    """Its address is told on standard error; SIGTERM ends it with 0."""
    command = [sys.executable, "-c", "from sightline.cli.main import main; main()"]
    command += ["serve", "--port", "0", "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            address = server.stderr.readline().split()[-1]
            assert httpx.get(f"{address}/readyz").json()["status"] == "ok"
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0
            assert "stopped" in server.stderr.read()
        finally:
            server.kill()
