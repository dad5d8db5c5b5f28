"""MCP over standard input and output: the installed command as a process, with the official client."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from typer.testing import CliRunner

from sightline.cli.main import app
from sightline.errors import SightlineError
from sightline.session import Session

COMMAND = str(Path(sys.executable).with_name("sightline"))
PLUGIN = '''
"""A tool that prints wherever it can."""

import os
import sys
import warnings

import sightline as sl
from sightline_runtime.protocol import Job, Progress
from sightline_tools.tool import ToolArgs, ToolResult


class NoArgs(ToolArgs):
    """Nothing."""


class Said(ToolResult):
    """What was said."""

    text: str


@sl.tool(version="1", stateful=True)
def shout(args: NoArgs, ctx: sl.ToolContext) -> Said:
    """Print a lot."""
    print("this is not a message", flush=True)
    print("and this stays in a buffer")
    os.write(1, b"nor is this\\n")
    os.system("echo a child prints")
    sys.__stdout__.write("written to the first of all outputs")
    warnings.warn("a warning", stacklevel=1)
    return Said(text="said")


@sl.tool(version="1", stateful=True)
def wait(args: NoArgs, ctx: sl.ToolContext) -> Said:
    """Wait until it is cancelled."""
    job = Job()
    job.emit(Progress("decode", 1, 2))
    return Said(text=str(ctx.follow(job)))


print("even its import prints")
'''


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """A folder with an installed distribution whose tool prints."""
    folder = tmp_path_factory.mktemp("noisy")
    (folder / "noisy_tool.py").write_text(PLUGIN)
    info = folder / "noisy_tool-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noisy-tool\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[sightline.tools]\nshout = noisy_tool:shout\nwait = noisy_tool:wait\n"
    )
    return folder


def command(data, *options, path=""):
    """How a chat program starts the server."""
    env = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(path)}
    return StdioServerParameters(command=COMMAND, args=["mcp", "--data", str(data), *options], env=env)


def connected(parameters, work, *, mode="auto"):
    """Run `work(client)` with a process of its own, within a minute."""

    async def main():
        async with asyncio.timeout(60), Client(parameters, mode=mode) as client:
            return await work(client)

    return asyncio.run(main())


def test_a_line_of_work_in_a_process(tmp_path):
    """The embedded model draws, looks and goes back; another process finds the session again."""

    async def work(client):
        heard = []

        async def hear(done, total, message):
            heard.append((done, message))

        args = {"prompt": "a red circle", "session": "cats", "at": "main"}
        drawn = await client.call_tool("generate", args, progress_callback=hear)
        asked = await client.call_tool(
            "understand", {"image": "img1", "question": "what color is the circle ?", "session": "cats"}
        )
        await client.call_tool("undo", {"session": "cats", "at": "main"})
        return drawn, asked, heard

    async def look(client):
        return await client.call_tool("history", {"session": "cats"})

    drawn, asked, heard = connected(command(tmp_path / "data"), work)
    assert not drawn.is_error
    assert asked.structured_content["text"] == "red"
    assert heard[0][1] == "loading the model"
    assert [done for done, _ in heard] == sorted({done for done, _ in heard})
    again = connected(command(tmp_path / "data"), look, mode="legacy")
    assert [step["tool"] for step in again.structured_content["steps"]] == ["generate"]


def test_nothing_but_messages_reaches_standard_output(tmp_path, noisy):
    """Whatever a tool of somebody else prints, every line is a message, to the end of the process."""
    process = start(tmp_path, path=noisy)
    begin(process)
    send(process, 2, "tools/call", name="shout", arguments={})
    answer = read(process)
    rest, errors = process.communicate(timeout=60)
    assert answer["result"]["structuredContent"]["text"] == "said"
    assert rest == ""
    for said in (
        "not a message",
        "in a buffer",
        "nor is this",
        "a child prints",
        "first of all",
        "import prints",
    ):
        assert said in errors
    assert process.returncode == 0


def start(tmp_path, *options, path="", imports=None):
    """The server as a process with pipes; its errors, and what it imports, go to the file `imports`."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(path)}
    env |= {"PYTHONPROFILEIMPORTTIME": "1"} if imports else {}
    args = [COMMAND, "mcp", "--data", str(tmp_path / "data"), *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": imports or subprocess.PIPE}
    process = subprocess.Popen(args, env=env, text=True, **pipes)
    end = threading.Timer(60, process.kill)  # no read of what it says waits longer
    end.daemon = True
    end.start()
    return process


def send(process, number, method, **params):
    """Write one request, or a notification if it has no number."""
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    message |= {} if number is None else {"id": number}
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()


def read(process):
    """Read one message."""
    return json.loads(process.stdout.readline())


def begin(process):
    """Say initialize, as older clients do, and read the answer."""
    info = {"name": "raw", "version": "1"}
    send(process, 1, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=info)
    answer = read(process)
    send(process, None, "notifications/initialized")
    return answer


def test_it_answers_at_once_quietly_and_ends_with_its_input(tmp_path):
    """The first answer waits for no model: nothing heavy is imported; no log; the end of input ends it."""
    with (tmp_path / "errors").open("w") as file:
        process = start(tmp_path, imports=file)
    answer = begin(process)
    assert answer["result"]["serverInfo"]["name"] == "sightline"
    assert "img1" in answer["result"]["instructions"]
    rest, _ = process.communicate(timeout=60)
    errors = (tmp_path / "errors").read_text()
    told = [line for line in errors.splitlines() if not line.startswith("import time:")]
    assert (rest, told, process.returncode) == ("", [], 0)
    imported = {line.rpartition("|")[2].strip() for line in errors.splitlines()}
    assert "sightline" in imported
    assert not imported & {"torch", "transformers", "diffusers", "gradio"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--session", "../x"), "'../x' cannot name a session"),
        (("--data", __file__), "no sessions can be kept in"),
    ],
)
def test_what_can_never_work_is_told_at_the_start(options, said):
    """Whoever set the chat program up sees it, not a model that can do nothing about it."""
    result = CliRunner().invoke(app, ["mcp", *options])
    assert isinstance(result.exception, SightlineError)
    assert said in str(result.exception)


def test_a_signal_ends_it_even_in_the_middle_of_work(tmp_path, noisy):
    """SIGTERM while a tool runs: the process stops it, ends by itself, and the store is whole."""
    process = start(tmp_path, path=noisy)
    begin(process)
    send(process, 2, "tools/call", name="shout", arguments={})
    read(process)
    send(process, 3, "tools/call", name="wait", arguments={}, _meta={"progressToken": "p"})
    while read(process)["params"]["message"] != "decode: 1 of 2":
        continue
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)
    assert process.returncode == 0
    process.communicate(timeout=30)
    with Session("main", store=tmp_path / "data" / "local") as session:
        assert not session.verify_store().problems
        assert [step.tool for step in session.log()] == ["shout"]
