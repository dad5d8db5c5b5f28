"""The command line, run as people run it."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import sightline as sl
from sightline.cli.main import app, main

RUN = CliRunner()
PROGRAM = [sys.executable, "-c", "from sightline.cli.main import main; main()"]


def run(*args):
    """Run a command in this process; gives standard output."""
    result = RUN.invoke(app, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(monkeypatch, capsys, *args):
    """Run the whole program with arguments that it refuses; gives standard output and error."""
    monkeypatch.setattr(sys, "argv", ["sightline", *map(str, args)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    return capsys.readouterr()


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
    written = json.loads(run("report", store, "--out", tmp_path / "r2.html", "--json"))
    assert written == {"file": str(tmp_path / "r2.html")}


@pytest.mark.parametrize("command", [["generate", "a red star"], ["edit", "star.png", "make the star blue"]])
def test_drawing_shows_its_progress_on_standard_error(tmp_path, tiny_folder, command):
    """A terminal sees the stages; standard output holds the data alone."""
    Image.new("RGB", (64, 64), "white").save(tmp_path / "star.png")
    done = subprocess.run(
        [*PROGRAM, *command, "--model", tiny_folder, "--seed", "1", "--json"],
        cwd=tmp_path,
        env=os.environ | {"FORCE_COLOR": "1", "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["file"] == "out.png"
    assert "features" in done.stderr


def test_a_report_needs_no_model(tmp_path, fake):
    """The report runs where torch is not installed, and names the models that made the steps."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        s.generate("a red star")
    program = "import sys; sys.modules['torch'] = None; from sightline.cli.main import main; main()"
    command = [sys.executable, "-c", program, "report", tmp_path / "s", "--out", tmp_path / "r.html"]
    subprocess.run(command, check=True)
    named = f"{fake.info.model} {fake.info.fingerprint[:8]}"
    assert f"model <code>{named}</code>" in (tmp_path / "r.html").read_text()


def test_bench_prints_json(tiny_folder):
    """Seconds of each job, as data."""
    measured = json.loads(run("bench", "--model", tiny_folder, "--json"))
    assert set(measured["seconds"]) == {"answer", "image", "edit"}


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
    done = json.loads(run("train", "embedded", "--run", folder, "--export", model, "--json"))
    assert done == {"complete": True, "run": str(folder), "model": str(model)}
    assert (model / "config.json").exists()


def test_the_demo_runs_a_whole_session(tmp_path, embedded):
    """Every step of the demo is there, replay agrees, and report and pictures are left."""
    result = RUN.invoke(app, ["demo", "--out", str(tmp_path), "--json"], catch_exceptions=False)
    assert "every step computed again gave the same" in result.stderr
    assert "problems in the store: 0" in result.stderr
    found = json.loads(result.stdout)
    assert found["replay_ok"]
    assert found["problems"] == []
    assert found["pictures"] == [str(path) for path in sorted(tmp_path.glob("*.png"))]
    assert len(found["pictures"]) == 4
    assert Path(found["report"]).stat().st_size > 10_000


def test_an_error_is_one_line_with_a_hint(tmp_path):
    """No traceback: the message, the hint, exit code 1."""
    failed = subprocess.run([*PROGRAM, "understand", "nowhere.png", "what ?"], capture_output=True, text=True)
    assert failed.returncode == 1
    assert "there is no file nowhere.png" in failed.stderr
    assert "hint" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert failed.stdout == ""


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["understand", "nowhere.png", "what ?"], "not_found", "there is no file nowhere.png"),
        (["generate", "a star", "--steps", "0"], "bad_input", "steps is 0"),
        (["log", "nowhere"], "not_found", "there is no session in nowhere"),
        (["eval", "world", "--n", "0"], "bad_input", "n is 0"),
        (["train", "embedded", "--run", "run", "--preset", "huge"], "bad_input", "there is no preset 'huge'"),
    ],
    ids=lambda case: case[0] if isinstance(case, list) else "",
)
def test_an_error_is_json_where_json_is_asked_for(monkeypatch, capsys, tmp_path, embedded, args, code, said):
    """A program reads code, message and hint from standard output; a person is told on standard error."""
    monkeypatch.chdir(tmp_path)
    told = refused(monkeypatch, capsys, *args, "--json")
    error = json.loads(told.out)["error"]
    assert error.keys() == {"code", "message", "hint"}
    assert (error["code"], error["message"]) == (code, said)
    assert error["hint"]
    plain = refused(monkeypatch, capsys, *args)
    assert plain.out == ""
    assert f"error: {said}" in plain.err


def test_every_surface_has_an_extra():
    """What a core install leaves out can be asked for by name."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = {"local", "server", "studio", "train", "ray", "quantize", "postgres", "grammar", "dev"}
    assert set(project["optional-dependencies"]) == extras
