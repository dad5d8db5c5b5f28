"""Sessions over HTTP: a server in a process of its own, and a client that knows nothing but HTTP.

A call is followed while it runs, sent twice under one key, and answered once; two
clients work on branches of their own; a picture is fetched by its digest.
"""

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

COMMAND = str(Path(sys.executable).with_name("sightline"))


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start `sightline serve` on a free port of this machine; gives the address that it says."""
    command = [COMMAND, "serve", "--port", "0", "--data", str(folder)]
    alone = {**os.environ, "HOME": str(folder)}  # whatever keys this machine's own server has
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=alone) as process:
        watch = threading.Timer(120, process.kill)  # never wait for ever
        watch.start()
        try:
            assert process.stderr is not None
            line = next((line for line in process.stderr if " at http://" in line), "")
            yield line.split(" at ")[-1].strip()
        finally:
            watch.cancel()
            process.terminate()  # it ends what runs, then itself
            process.wait(30)


def followed(client: httpx.Client, run: dict[str, str]) -> dict[str, object]:
    """Show how a run goes on, and give the outcome: the data of its last event."""
    with client.stream("GET", run["events"]) as stream:
        name = ""
        for line in stream.iter_lines():
            field, _, value = line.partition(": ")
            name = value if field == "event" else name
            if field == "data" and name in ("done", "failed", "cancelled"):
                outcome: dict[str, object] = json.loads(value)
                return outcome
            if field == "data" and name == "progress":
                print(" ", value)
    raise ConnectionError("the stream was cut: ask again with the header Last-Event-ID")


def work(client: httpx.Client, picture: Path) -> tuple[str, str, list[str]]:
    """Draw on `main`, edit on a branch, and ask there; `main` stays where it was."""
    client.post("/v1/sessions", json={"name": "demo", "seed": 7}).raise_for_status()
    tools = "/v1/sessions/demo/tools"
    prompt = {"arguments": {"prompt": "a red circle left of a blue square"}}
    run = client.post(f"{tools}/generate", params={"wait": False}, json=prompt).raise_for_status().json()
    print(followed(client, run)["branch"])

    client.post("/v1/sessions/demo/branches", json={"name": "green"}).raise_for_status()
    edit = {"arguments": {"image": "img1", "instruction": "make the circle green"}, "at": "green"}
    once = {"Idempotency-Key": str(uuid.uuid4())}  # the same key is done once, however often it is sent
    for _ in range(2):
        edited = client.post(f"{tools}/edit", json=edit, headers=once).raise_for_status().json()
    picture.write_bytes(client.get(edited["step"]["images"][0]["url"]).content)

    asked = {"arguments": {"image": "last", "question": "what color is the circle ?"}}
    answers = [
        client.post(f"{tools}/understand", json=asked | {"at": branch}).raise_for_status().json()
        for branch in ("main", "green")
    ]
    red, green = (answer["step"]["values"]["text"] for answer in answers)
    log = client.get("/v1/sessions/demo/log", params={"branch": "green"}).json()
    return red, green, [step["tool"] for step in log["steps"]]


def main(folder: Path) -> tuple[str, str, list[str]]:
    """Start a server and work with it."""
    with server(folder / "data") as address, httpx.Client(base_url=address, timeout=60) as client:
        return work(client, folder / "green.png")


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        print(main(Path(scratch)))
