"""The commands that do recorded work again, on the embedded model."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

import sightline as sl
from sightline.cli import demo
from sightline.cli.main import app, main

RUN = CliRunner()
PROGRAM = [sys.executable, "-c", "from sightline.cli.main import main; main()"]


def run(*args, code=0):
    """Run a command in this process; gives standard output."""
    result = RUN.invoke(app, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory, embedded):
    """The demo's session, and a branch on a picture from outside."""
    place = tmp_path_factory.mktemp("run") / "demo.sightline"
    with sl.Session(place, runtime=embedded, seed=7) as s:
        demo.look(s, lambda line: None)
        demo.draw_and_edit(s, place.parent, lambda line: None)
        demo.branch_and_check(s, lambda line: None)
        s.branch("photo", at=s.log()[-1])
        s.checkout("photo")
        s.understand(
            s.edit("img1", "change the background to black", steps=4), "how many objects are there ?"
        )
        s.checkout("main")
    return place


REPLAY = """
import json, sys
import sightline as sl
with sl.Session(sys.argv[1]) as s:
    steps = {one.step.id: one for branch in s.branches for one in s.replay(branch).steps}
    told = [(one.step.tool, one.verdict, one.max_abs, one.ssim) for one in steps.values()]
print(json.dumps(told))
"""


def test_the_demo_is_replayed_bitwise_in_another_process(folder):
    """Every step of every branch, computed by a fresh process, is equal to the bit."""
    told = subprocess.run([sys.executable, "-c", REPLAY, folder], capture_output=True, text=True, check=True)
    steps = json.loads(told.stdout)
    assert len(steps) == 16
    drawn = [step for step in steps if step[0] in ("generate", "edit")]
    assert {tuple(step[1:]) for step in drawn} == {("same", 0, 1.0)}
    assert {step[1] for step in steps if step[0] == "understand"} == {"same"}
    assert [step[1] for step in steps if step[0] == "add"] == ["skipped"]


def test_a_replay_tells_what_was_the_same(folder):
    """The command prints a line for each step, or JSON."""
    assert "<Replay ok: " in run("replay", folder, "photo")
    found = json.loads(run("replay", folder, "photo", "--no-verify", "--json"))
    assert found["ok"]
    assert {step["verdict"] for step in found["steps"]} == {"same", "skipped"}
    assert found["steps"][-1]["tool"] == "understand"


def test_a_branch_is_run_again_from_the_command_line(folder):
    """A value is JSON or plain text; what was reused and what was computed is told."""
    change = ["--set", "photo~1.instruction=remove the yellow circle", "--set", "photo~1.steps=3"]
    done = json.loads(run("rerun", folder, "photo", *change, "--branch", "other", "--json"))
    assert (done["branch"], len(done["reused"]), len(done["recomputed"])) == ("other", 1, 2)
    assert run("rerun", folder, "photo", *change).startswith("photo-rerun  ")
    assert json.loads(run("log", folder, "--branch", "other", "--json").splitlines()[1])["tool"] == "edit"


def test_a_recipe_runs_over_a_folder(folder, tmp_path):
    """A branch is written as a workflow, which is run over pictures; a bad one ends with code 1."""
    (tmp_path / "in").mkdir()
    for number, color in enumerate(("white", "gray")):
        Image.new("RGB", (64, 64), color).save(tmp_path / "in" / f"{number}.png")
    written = json.loads(run("recipe", folder, "photo", "--out", tmp_path / "w.json", "--json"))
    assert written["inputs"] == ["image"]
    assert written["parameters"]["edit.steps"] == 4
    command = [
        "run",
        tmp_path / "w.json",
        tmp_path / "in",
        "--out",
        tmp_path / "out",
        "--param",
        "edit.steps=2",
    ]
    report = json.loads(run(*command, "--json"))
    assert report["ok"]
    assert [item["name"] for item in report["items"]] == ["0", "1"]
    assert all(os.path.exists(file) for item in report["items"] for file in item["files"])
    (tmp_path / "in" / "2.png").write_bytes(b"rubbish")
    again = json.loads(run(*command, "--json", "--workers", 2, code=1))
    assert [(item["status"], item["computed"]) for item in again["items"]] == [
        ("done", 0),
        ("done", 0),
        ("failed", 0),
    ]
    assert again["items"][2]["error"]["code"] == "bad_image"
    assert "2 of 3 done" in run(*command, code=1)


def test_a_run_shows_its_progress_on_standard_error(tmp_path, fake):
    """A terminal sees a bar; standard output holds the report alone."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=1) as s:
        s.crop(s.add(Image.new("RGB", (8, 8), "red")), (0, 0, 0.5, 0.5))
    run("recipe", tmp_path / "s", "--out", tmp_path / "w.json")
    Image.new("RGB", (16, 16), "blue").save(tmp_path / "blue.png")
    done = subprocess.run(
        [*PROGRAM, "run", "w.json", "blue.png", "--out", "out", "--json"],
        cwd=tmp_path,
        env=os.environ | {"FORCE_COLOR": "1", "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["items"][0]["computed"] == 2
    assert "1/1" in done.stderr


BAD = {
    "no change": (["rerun", "{s}", "--set", "prompt"], "bad_input"),
    "an unknown argument": (["rerun", "{s}", "--set", "HEAD.colour=red"], "bad_input"),
    "an unknown branch": (["replay", "{s}", "nowhere"], "not_found"),
    "no session": (["rerun", "nowhere"], "not_found"),
    "no workflow": (["run", "{s}/session.db", "{s}", "--out", "{t}/o"], "bad_input"),
    "no file": (["run", "nowhere.json", "{s}", "--out", "{t}/o"], "not_found"),
    "no pictures": (["run", "{t}/w.json", "{t}/empty", "--out", "{t}/o"], "bad_input"),
    "a parameter without a value": (
        ["run", "{t}/w.json", "{t}", "--out", "{t}/o", "--param", "x"],
        "bad_input",
    ),
    "a place that cannot be written": (["recipe", "{s}", "photo", "--out", "{t}"], "bad_input"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_command_is_one_error(monkeypatch, capsys, folder, tmp_path, case):
    """Code, message and hint, exit code 1, and nothing is made."""
    run("recipe", folder, "photo", "--out", tmp_path / "w.json")
    (tmp_path / "empty").mkdir()
    args, code = BAD[case]
    given = [arg.format(s=folder, t=tmp_path) for arg in args]
    monkeypatch.setattr(sys, "argv", ["sightline", *given, "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == code
    assert error["hint"]
    assert not (tmp_path / "o").exists()
