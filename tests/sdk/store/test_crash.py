"""kill -9 at random and in every phase of writing: no committed step is lost, and work goes on.

SIGHTLINE_KILLS says how many kills (default 14); a long run is `SIGHTLINE_KILLS=240 pytest <this file>`.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.sdk.store.crash_writer import PHASES

import sightline as sl
from sightline_runtime.testing import FakeRuntime

WRITER = Path(__file__).with_name("crash_writer.py")
KILLS = int(os.environ.get("SIGHTLINE_KILLS", "14"))
KINDS = [*PHASES, "none"]


def started(store, *args):
    """A writer at work on a store."""
    command = [sys.executable, str(WRITER), str(store), *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def given_to(writer, kill=False):
    """The steps that a writer was given back before it died."""
    if kill:
        writer.kill()
    said, failed = writer.communicate(timeout=60)
    assert writer.returncode == -9, failed
    return [line for line in said.splitlines() if len(line) == 64]


def killed(store, seed, phase, choose):
    """Let a writer work on a store until it is killed; the steps that it was given."""
    writer = started(store, seed, phase, choose.randrange(1, 14))
    if phase != "none":
        return given_to(writer)
    first = writer.stdout.readline().strip()
    time.sleep(choose.random() * 0.3)
    return [first, *given_to(writer, kill=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_no_committed_step_is_lost(kind, tmp_path):
    """After each kill the store is whole, holds every step that was given back, and takes new work."""
    choose, store, given = random.Random(kind), tmp_path / "s", []
    for number in range(max(1, KILLS // len(KINDS))):
        given += killed(store, number, kind, choose)
        with sl.Session(store, runtime=FakeRuntime(), seed=1) as session:
            assert session.verify_store().problems == ()
            assert all(session.show(step).step.id == step for step in given)
            branch, head = session.head
            assert head is None or session.log(1)[0].id == head
            given.append(session.generate(f"a ring {number} on {branch}").step.id)
    assert given


def test_writers_on_one_store_are_killed_at_once(tmp_path):
    """Processes on one store die in the same moment; what each was given is there."""
    store = tmp_path / "s"
    writers = [started(store, number, "none", 0) for number in range(4)]
    for writer in writers:
        assert writer.stdout.readline()
    time.sleep(0.5)
    given = [step for writer in writers for step in given_to(writer, kill=True)]
    with sl.Session(store, runtime=FakeRuntime(), seed=1) as session:
        assert session.verify_store().problems == ()
        assert all(session.show(step).step.id == step for step in given)
        assert session.generate("a ring").images
