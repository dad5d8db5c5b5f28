"""`sightline models` and `sightline convert`, as people and programs call them."""

import json
import os
import subprocess
import sys

import pytest
from tests.runtime.models.small_hub import Repo, serving
from typer.testing import CliRunner

import sightline as sl
from sightline.cli.main import app
from sightline_runtime.models import weights

RUN = CliRunner()
PROGRAM = "from sightline.cli.main import main; main()"


def run(*args, width=None):
    """Run a command in this process; gives standard output."""
    environment = None if width is None else {"COLUMNS": str(width)}
    result = RUN.invoke(app, [str(arg) for arg in args], catch_exceptions=False, env=environment)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_the_terminal(width):
    """Names, sizes, memory, licences and places are whole, and no line of the tables is cut."""
    shown = run("models", width=width)
    tables = shown[: shown.index("embedded is in")]
    assert max(map(len, tables.splitlines())) <= width
    assert "…" not in shown
    for said in ("blip3o-8b", "33 GB", "28    21    18", "none needed", "unknown; EMU2: research only"):
        assert said in shown
    assert "get BLIP3o/BLIP3o-Model-4B: sightline models --fetch blip3o-4b" in shown
    assert "BLIP3o/BLIP3o-NEXT-GRPO-Geneval" in shown


def test_the_list_is_data_for_programs():
    """Bytes, not words; the shipped model has a folder, and every part a licence."""
    listed = {model["name"]: model for model in json.loads(run("models", "--json"))["models"]}
    assert list(listed) == ["embedded", "blip3o-4b", "blip3o-8b", "blip3o-next-3b"]
    assert listed["embedded"]["folder"].endswith("embedded")
    assert listed["embedded"]["download_bytes"] == 0
    large = listed["blip3o-8b"]
    assert large["gpu_bytes"].keys() == {"bf16", "int8", "int4"}
    assert large["hub_id"] == "BLIP3o/BLIP3o-Model-8B"
    assert all(part["licence"] for part in large["parts"])


def test_the_list_needs_neither_torch_nor_the_hub():
    """A core install can look before it decides what to install."""
    hide = "import sys; sys.modules['torch'] = sys.modules['huggingface_hub'] = None; "
    command = [sys.executable, "-c", hide + PROGRAM, "models", "--json"]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["models"]
    assert [bool(model["folder"]) for model in listed] == [True, False, False, False]


def test_a_model_is_fetched_and_its_folder_printed(tmp_path):
    """One line on standard output that a script can use; a bad name is one error with a hint."""
    with serving() as hub:
        hub.repos["org/small"] = Repo({"config.json": b"{}", "model.safetensors": b"weights", "code.py": b""})
        environment = {"PATH": os.environ["PATH"], "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path)}
        command = [sys.executable, "-c", PROGRAM, "models", "--json", "--fetch"]
        done = subprocess.run([*command, "org/small"], env=environment, capture_output=True, text=True)
        failed = subprocess.run([*command, "org/none"], env=environment, capture_output=True, text=True)
    told = json.loads(done.stdout)
    assert told["model"] == "org/small"
    assert told["folder"].startswith(str(tmp_path))
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["error"]["code"] == "not_found"
    assert "Traceback" not in failed.stderr


def test_a_model_is_converted_there_and_back(tiny_folder, tmp_path):
    """Two commands, and the same model; the second chooses the layout itself."""
    there, back = tmp_path / "there", tmp_path / "back"
    assert json.loads(run("convert", tiny_folder, there, "--to", "released", "--json")) == {
        "folder": str(there),
        "layout": "released",
    }
    assert "embedded layout" in run("convert", there, back)
    assert weights.load(back)[2] == weights.load(tiny_folder)[2]


def test_a_training_run_is_released_as_it_is(tmp_path):
    """A run that was stopped gives the model it has reached; in our own layout, `train` exports it."""
    folder, target = tmp_path / "run", tmp_path / "released"
    run("train", "embedded", "--run", folder, "--preset", "tiny", "--minutes", 0)
    assert "released layout" in run("convert", folder, target)
    assert (target / "diffusion-decoder").is_dir()
    refused = RUN.invoke(app, ["convert", str(folder), str(tmp_path / "x"), "--to", "embedded"])
    assert isinstance(refused.exception, sl.InputError)
    assert "--export" in refused.exception.hint


def test_a_full_destination_is_refused_unless_forced(tiny_folder, tmp_path):
    """Nothing is replaced by accident."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "notes.txt").write_text("mine")
    refused = RUN.invoke(app, ["convert", str(tiny_folder), str(tmp_path / "there")])
    assert isinstance(refused.exception, sl.InputError)
    run("convert", tiny_folder, tmp_path / "there", "--force")
    assert (tmp_path / "there" / "notes.txt").exists()
