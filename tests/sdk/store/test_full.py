"""A real disk that fills up: a clear error, nothing half, nothing lost, and the session goes on."""

import subprocess

import pytest

import sightline as sl
from sightline_runtime.testing import FakeRuntime


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    at = tmp_path / "disk"
    at.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(at)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a small disk needs root")
    yield at
    subprocess.run(["umount", "-l", str(at)], check=True)


def filled(session):
    """Draw until the disk is full; the steps that were given back, and the error."""
    given = []
    for number in range(500):
        try:
            given.append(session.generate(f"a red star {number}").step.id)
        except sl.StoreError as error:
            return given, error
    raise AssertionError("the disk never filled")


def test_a_full_disk_is_one_clear_error_and_loses_nothing(disk):
    """Every step that was given back is there; where there is room again, work goes on."""
    filler = disk / "filler"
    filler.write_bytes(b"\0" * 200_000)
    with sl.Session(disk / "s", runtime=FakeRuntime(), seed=1) as session:
        given, error = filled(session)
        assert error.hint
        assert given
        assert [step.id for step in reversed(session.log())] == given
        with pytest.raises(sl.StoreError):
            session.generate("a ring")
        filler.unlink()
        assert session.generate("a ring").images
    with sl.Session(disk / "s", runtime=FakeRuntime()) as session:
        assert session.verify_store().problems == ()
        assert len(session.log()) == len(given) + 1
