"""The command line, run as people run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from sightline.cli.main import app

RUN = CliRunner()


def run(*args):
    """Run a command in this process; gives standard output."""
    result = RUN.invoke(app, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_draw_ask_edit_log_report(tmp_path, embedded):
    """The commands work on one session folder, and speak JSON."""
    store, star, blue = tmp_path / "s", tmp_path / "star.png", tmp_path / "blue.png"
    drawn = json.loads(
        run("generate", "a red star", "--out", star, "--session", store, "--seed", 3, "--json")
    )
    assert drawn["seed"] == 3
    with Image.open(star) as picture:
        assert picture.size == (64, 64)
    asked = json.loads(
        run("understand", star, "is there a star ?", "--choice", "yes", "--choice", "no", "--json")
    )
    assert sum(asked["probabilities"].values()) == pytest.approx(1)
    run("edit", star, "make the star blue", "--out", blue, "--session", store)
    assert blue.exists()
    lines = run("log", store, "--json").splitlines()
    assert [json.loads(line)["tool"] for line in lines] == ["edit", "add", "generate"]
    assert "a red star" in run("log", store)
    assert Path(run("report", store, "--out", tmp_path / "r.html").strip()).exists()


def test_unknown_words_are_told_on_standard_error(tmp_path, embedded):
    """Data stay clean; the warning goes elsewhere."""
    result = RUN.invoke(app, ["generate", "a red zebra", "--out", str(tmp_path / "z.png"), "--json"])
    assert "zebra" in json.loads(result.stdout)["warnings"][0]
    assert "zebra" in result.stderr


def test_doctor_finds_the_embedded_model(embedded):
    """Versions, device, and a model that answers."""
    findings = json.loads(run("doctor", "--json"))
    assert findings["embedded model"] == "answers"
    assert findings["torch"][0].isdigit()


def test_eval_prints_scores_as_json(embedded):
    """Every ability is scored; intervals hold the scores."""
    scores = json.loads(run("eval", "world", "--n", 1, "--seed", 9, "--json"))
    assert len(scores["generation"]["kinds"]) == 6
    assert len(scores["edits"]["kinds"]) == 7
    assert len(scores["questions"]["kinds"]) == 12


def test_train_stops_and_goes_on(tmp_path):
    """A training that is stopped is continued by the same command, and exports a model."""
    folder, model = tmp_path / "run", tmp_path / "model"
    assert "go on" in run("train", "embedded", "--run", folder, "--preset", "tiny", "--minutes", 0)
    assert "trained" in run("train", "embedded", "--run", folder, "--preset", "tiny", "--export", model)
    assert (model / "config.json").exists()


def test_the_demo_runs_a_whole_session(tmp_path, embedded):
    """Every step of the demo is there, replay agrees, and report and pictures are left."""
    told = run("demo", "--out", tmp_path)
    assert "every step computed again gave the same" in told
    assert "problems in the store: 0" in told
    assert len(list(tmp_path.glob("*.png"))) == 4
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_an_error_is_one_line_with_a_hint(tmp_path):
    """No traceback: the message, the hint, exit code 1."""
    command = [sys.executable, "-c", "from sightline.cli.main import main; main()"]
    failed = subprocess.run([*command, "understand", "nowhere.png", "what ?"], capture_output=True, text=True)
    assert failed.returncode == 1
    assert "there is no file nowhere.png" in failed.stderr
    assert "hint" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert failed.stdout == ""
