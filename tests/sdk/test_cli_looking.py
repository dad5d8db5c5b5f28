"""Commands that look back at a stored session: they load no model and move nothing."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import sightline as sl
from sightline.cli.main import app, main

RUN = CliRunner()


@pytest.fixture
def folder(tmp_path, fake):
    """A stored session of two branches."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=7) as s:
        star = s.generate("a red star")
        s.branch("alt")
        s.edit(star, "make the star blue")
        s.checkout("alt")
        s.edit(star, "make the star green")
        s.tag("green")
    return tmp_path / "s"


def run(*args):
    """Run a command in this process; gives standard output."""
    result = RUN.invoke(app, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_tree_is_text_and_json(folder):
    """A person reads a tree, a program reads nodes and pointers."""
    shown = run("tree", folder)
    assert "a red star" in shown
    assert "(HEAD → alt, @green)" in shown
    data = json.loads(run("tree", folder, "--json"))
    assert data["head"]["branch"] == "alt"
    assert set(data["branches"]) == {"main", "alt"}
    assert [node["images"][0]["alias"] for node in data["nodes"]] == ["img1", "img3", "img2"]
    assert data["nodes"][1]["tags"] == ["green"]


def test_the_tree_of_all_steps_holds_what_was_undone(folder, fake):
    """--all shows steps on no branch."""
    with sl.Session(folder, runtime=fake) as s:
        s.generate("a ring")
        s.undo()
    assert "a ring" not in run("tree", folder)
    assert "a ring" in run("tree", folder, "--all")


def test_the_reflog_lists_moves(folder):
    """Newest first, at most so many, one JSON a line."""
    first = json.loads(run("reflog", folder, "--limit", 1, "--json"))
    assert (first["branch"], first["before"], first["why"]) == ("@green", None, "tag")
    assert len(run("reflog", folder).splitlines()) == 6


def test_two_steps_are_compared(folder, tmp_path):
    """Parameters, text and pixels, and the heat map as a file."""
    assert "'make the star blue' → 'make the star green'" in run("diff", folder, "main", "@green")
    heat = tmp_path / "heat.png"
    data = json.loads(run("diff", folder, "img2", "img3", "--out", heat, "--json"))
    assert data["parameters"][0]["name"] == "seeds"
    assert data["pixels"][0]["max_abs"] > 0
    assert data["heatmap"] == str(heat)
    with Image.open(heat) as picture:
        assert np.asarray(picture).max() == 255


def test_the_log_is_filtered(folder):
    """By tool, by text and by time."""
    assert len(run("log", folder, "--tool", "edit").splitlines()) == 1
    assert "a red star" in run("log", folder, "--text", "RED")
    assert run("log", folder, "--since", "2999-01-01") == ""


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["tree", "nowhere"], "not_found"),
        (["reflog", "s", "--limit", "0"], "bad_input"),
        (["diff", "s", "main", "nope"], "not_found"),
        (["diff", "s", "img1", "img9"], "not_found"),
        (["log", "s", "--branch", "@nope"], "not_found"),
    ],
    ids=lambda case: " ".join(case) if isinstance(case, list) else "",
)
def test_errors_are_json_where_it_is_asked_for(folder, monkeypatch, capsys, args, code):
    """Code and hint on standard output, exit code 1."""
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr(sys, "argv", ["sightline", *args, "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], bool(error["hint"])) == (code, True)


def test_a_heat_map_of_answers_is_refused(folder, fake, tmp_path):
    """There is nothing to draw."""
    with sl.Session(folder, runtime=fake) as s:
        s.understand("img1", "what color is the star ?")
    result = RUN.invoke(app, ["diff", str(folder), "HEAD", "img1", "-o", str(tmp_path / "h.png")])
    assert isinstance(result.exception, sl.InputError)


def test_looking_back_needs_no_model(folder):
    """The commands run where torch is not installed."""
    program = "import sys; sys.modules['torch'] = None; from sightline.cli.main import main; main()"
    subprocess.run([sys.executable, "-c", program, "diff", folder, "main", "alt"], check=True)
