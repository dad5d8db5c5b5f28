"""`sightline find` and `sightline gc`, run as people run them."""

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

import sightline as sl
from sightline.cli.main import app
from sightline_runtime.testing import colored

RUN = CliRunner()


def run(*args):
    """Run a command; gives standard output."""
    result = RUN.invoke(app, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def store(tmp_path, fake):
    """A store of two sessions; in the first a step was undone and left."""
    with sl.Session(store=tmp_path / "s", runtime=fake, seed=1) as s:
        s.generate("a red star")
        s.undo()
        s.add(colored("red"))
        s.generate("a blue star")
    with sl.Session("cats", store=tmp_path / "s", runtime=fake) as s:
        s.generate("a cat")
    return tmp_path / "s"


def test_steps_are_found(store):
    """Words find steps of a session, also as JSON, one line each; nothing found prints nothing."""
    lines = run("find", store, "star", "--json").splitlines()
    assert [json.loads(line)["summary"] for line in lines] == ["a blue star", "a red star"]
    assert "a cat" in run("find", store, "CAT", "--name", "cats")
    assert run("find", store, "cat") == ""
    assert len(run("find", store, "star", "--limit", 1).splitlines()) == 1


def test_pictures_are_found_by_a_file(store, tmp_path, embedded):
    """The likest is first, with its score."""
    Image.fromarray(colored("red")).save(tmp_path / "red.png")
    found = json.loads(run("find", store, "--like", tmp_path / "red.png", "--limit", 1, "--json"))
    assert (found["tool"], found["score"]) == ("add", pytest.approx(1, abs=1e-3))


def test_a_sweep_tells_first_and_removes_when_told_to(store):
    """Without --delete nothing changes; with it what nothing leads to goes, of all sessions."""
    assert "would remove 0 steps" in run("gc", store)
    told = json.loads(run("gc", store, "--days", 0, "--json"))
    assert (told["deleted"], told["steps"], told["images"]) == (False, 1, 1)
    assert "removed 1 steps" in run("gc", store, "--days", 0, "--delete")
    assert json.loads(run("gc", store, "--days", 0, "--json"))["steps"] == 0
    assert "a blue star" in run("find", store, "star")


@pytest.mark.parametrize(
    "args",
    [
        ("find", "S", "star", "--like", "x.png"),
        ("find", "S"),
        ("find", "S", "star", "--name", "dogs"),
        ("find", "nothing", "star"),
        ("find", "S", "star", "--limit", "0"),
        ("gc", "nothing"),
        ("gc", "S", "--days", "-1"),
    ],
)
def test_what_cannot_be_done_is_an_input_error(store, args):
    """Nothing is made, nothing is removed."""
    with pytest.raises(sl.InputError):
        RUN.invoke(app, [str(store) if arg == "S" else arg for arg in args], catch_exceptions=False)
    with sl.Session("cats", store=store) as s:
        assert s._store.database.sessions() == ["cats", "main"]
        assert s.verify_store().problems == ()
