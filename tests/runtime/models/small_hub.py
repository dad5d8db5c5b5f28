"""A small model hub on loopback, and a client process that is allowed to reach it.

The server speaks what the hub's library asks: what a repository holds, its tree, and its files with
ETag, commit and ranges. It can be told to cut connections, to gate a repository, to lie about sizes.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Repo:
    """A repository: its files, its branches and tags, and how it misbehaves."""

    files: dict[str, bytes]
    gated: bool = False
    cuts: int = 0  # how many answers of large files end half way
    down: bool = False  # answers 503
    told_size: int | None = None  # what it says each file weighs, instead of the truth

    @property
    def commit(self):
        """The commit of the files as they are."""
        named = sorted((name, etag(data)) for name, data in self.files.items())
        return hashlib.sha1(repr(named).encode()).hexdigest()

    def size(self, file):
        """The size that the listing gives."""
        return len(self.files[file]) if self.told_size is None else self.told_size


@dataclass
class Hub:
    """The repositories by name, commits that have other names, and every request that came."""

    repos: dict[str, Repo] = field(default_factory=dict)
    past: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    address: str = ""

    def fetched(self, repo):
        """The files of a repository that were sent, in order, and the range that was asked for."""
        mark = f"/{repo}/resolve/"
        return [
            (path.split(mark)[1].split("/", 1)[1], asked)
            for method, path, asked in self.requests
            if method == "GET" and mark in path
        ]


@cache
def etag(data):
    """The name of a blob."""
    return hashlib.sha256(data).hexdigest()


class Answers(BaseHTTPRequestHandler):
    """The endpoints."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def handle(self):
        """Answer until the client goes, in whatever way."""
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        """What a file is."""
        self.answer(body=False)

    def do_GET(self):
        """A listing, or a file."""
        self.answer(body=True)

    def answer(self, body):
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, self.headers.get("Range", "")))
        parts = path.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        repo = self.hub.repos.get("/".join(parts[2:4] if api else parts[:2]))
        if repo is None:
            return self.refuse(401, "RepoNotFound")
        if repo.down:
            return self.refuse(503, "")
        verb, revision = (parts[4:6] if api else parts[2:4]) or ["revision", "main"]
        files = repo.files if revision in ("main", repo.commit) else self.hub.past.get(revision)
        if files is None:
            return self.refuse(404, "RevisionNotFound")
        commit = repo.commit if files is repo.files else revision
        if not api:
            return self.file(repo, files, commit, "/".join(parts[4:]), body)
        if verb == "tree":
            return self.send(200, json.dumps([entry(file, files[file]) for file in files]).encode())
        siblings = [{"rfilename": f, "size": repo.size(f), "blobId": etag(files[f])} for f in files]
        told = {"id": "/".join(parts[2:4]), "sha": commit, "siblings": siblings}
        return self.send(200, json.dumps(told).encode())

    def file(self, repo, files, commit, name, body):
        if repo.gated:
            return self.refuse(403, "GatedRepo")
        if name not in files:
            return self.refuse(404, "EntryNotFound")
        data = files[name]
        headers = {"ETag": f'"{etag(data)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cut = body and repo.cuts > 0 and len(data) > 10_000
        repo.cuts -= cut
        return self.send(206 if start else 200, data[start:], headers, body, cut)

    def send(self, status, data, headers=None, body=True, cut=False):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True

    def refuse(self, status, code):
        self.send(status, b"", {"X-Error-Code": code}, body=False)


def entry(file, data):
    """A file as the tree of a repository gives it."""
    return {"type": "file", "path": file, "size": len(data), "oid": etag(data)}


@contextmanager
def serving():
    """A hub that answers on loopback until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Answers,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


CLIENT = """
import errno, json, logging, sys, time, warnings
from pathlib import Path
import huggingface_hub
from huggingface_hub import constants
from sightline_runtime.errors import SightlineError
from sightline_runtime.models import hub
logging.disable(logging.WARNING)
warnings.simplefilter("ignore")  # the library warns of a small disk, too
constants.DOWNLOAD_CHUNK_SIZE = 2**14  # pieces that suit small files
time.sleep = lambda seconds: None  # the library waits a second before it takes up a connection
real_download = huggingface_hub.snapshot_download
def fake_download_on_a_full_disk(repo, local_files_only=False, **options):
    if local_files_only:
        return real_download(repo, local_files_only=True, **options)
    raise OSError(errno.ENOSPC, "No space left on device")
for line in sys.stdin:
    asked, told = json.loads(line), []
    fake = asked.pop("fake_full_disk", False)
    huggingface_hub.snapshot_download = fake_download_on_a_full_disk if fake else real_download
    try:
        asked["cache"] = Path(asked["cache"])
        folder = hub.resolve(asked.pop("name"), progress=lambda *said: told.append(said), **asked)
        answer = {"folder": str(folder), "told": told}
    except SightlineError as error:
        answer = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
    print(json.dumps(answer), flush=True)
"""


class Client:
    """`hub.resolve` in a process of its own, whose environment names a hub and nothing else."""

    def __init__(self, address, home):
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        environment = kept | {"HF_ENDPOINT": address, "HF_HOME": str(home), "HOME": str(home)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def resolve(self, name, cache, **options):
        """What the call gave: folder and progress, or error, message and hint."""
        asked = {"name": name, "cache": str(cache), **options}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)
