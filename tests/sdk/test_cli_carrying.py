"""trace, export and import on the command line, run as people run them."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import sightline as sl
from sightline import local
from sightline.cli.carrying import replay_test
from sightline.cli.main import app
from sightline.importing import checked

RUN = CliRunner()


def run(*args, code=0):
    """Run a command in this process; gives standard output."""
    result = RUN.invoke(app, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def folder(fake, tmp_path):
    """A session folder with a picture from outside, drawn ones, and two branches."""
    with sl.Session(tmp_path / "cats", runtime=fake, seed=7) as s:
        Image.fromarray(np.full((20, 30, 3), 9, np.uint8)).save(tmp_path / "photo.png")
        photo = s.add(tmp_path / "photo.png")
        star = s.generate("a red star in the center")
        blue = s.edit(star, "make the star blue", region=(0, 0, 0.5, 1))
        s.grid([photo, blue]).save(tmp_path / "grid.png")
        s.branch("alt", at=star)
        s.checkout("alt")
        s.understand(star, "what color is the star ?")
    return tmp_path / "cats"


@pytest.fixture
def loads_fake(monkeypatch, fake):
    """The model of the command line is the rule-based one."""
    monkeypatch.setattr(local, "load", lambda name, **_: fake)


def test_trace_shows_where_a_picture_comes_from(folder, tmp_path):
    """A line a step, what is needed to make it again, and all of it as JSON."""
    shown = run("trace", tmp_path / "grid.png")
    assert "verified: it belongs to these pixels" in shown
    for said in ("brought in from outside", "a red star in the center", "make the star blue", "fake", "seed"):
        assert said in shown
    found = json.loads(run("trace", tmp_path / "grid.png", "--json"))
    assert [step["tool"] for step in found["steps"]] == ["add", "generate", "edit", "grid"]
    assert found["verified"]
    assert f"--input {found['missing'][0]}=" in shown


def test_trace_makes_the_picture_again(folder, tmp_path, loads_fake):
    """Into a new session, with the picture from outside: the same to the bit."""
    (digest,) = json.loads(run("trace", tmp_path / "grid.png", "--json"))["missing"]
    given = ("--input", f"{digest[:16]}={tmp_path / 'photo.png'}")
    told = run("trace", tmp_path / "grid.png", "--into", tmp_path / "new", *given)
    assert "the same to the bit" in told
    assert "a red star" in run("log", tmp_path / "new")
    found = json.loads(run("trace", tmp_path / "grid.png", "--into", tmp_path / "newer", *given, "--json"))
    assert found["recreated"]["same"]


def test_trace_says_what_is_missing_and_what_differs(folder, tmp_path, loads_fake, fake, monkeypatch):
    """A picture that was not given is an error that names it; another result ends with code 1."""
    with pytest.raises(sl.NotFoundError, match="brought in are missing"):
        run("trace", tmp_path / "grid.png", "--into", tmp_path / "new")
    with pytest.raises(sl.InputError, match="is no input"):
        run("trace", tmp_path / "grid.png", "--into", tmp_path / "new", "--input", "photo.png")
    with sl.Session(folder, runtime=fake) as s:
        s.show("alt~1").save(tmp_path / "star.png")
    draw = type(fake)._draw
    monkeypatch.setattr(type(fake), "_draw", lambda *args: 255 - draw(*args))
    assert "not the same" in run("trace", tmp_path / "star.png", "--into", tmp_path / "other", code=1)


def test_a_lineage_that_does_not_belong_is_said(folder, tmp_path):
    """The file was changed after it was saved: shown, with a warning first."""
    with Image.open(tmp_path / "grid.png") as picture:
        text = picture.info["sightline.lineage"]
        changed = picture.convert("RGB").transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("sightline.lineage", text)
    changed.save(tmp_path / "changed.png", pnginfo=info)
    assert "NOT VERIFIED" in run("trace", tmp_path / "changed.png")


def test_export_and_import(folder, tmp_path):
    """A session in a file, and back; JSON tells where."""
    assert json.loads(run("export", folder, tmp_path / "run.slz", "--json"))["file"] == str(
        tmp_path / "run.slz"
    )
    found = json.loads(run("import", tmp_path / "run.slz", tmp_path / "again", "--json"))
    assert set(found["branches"]) == {"main", "alt"}
    assert found["head"] == "alt"
    assert run("log", tmp_path / "again") == run("log", folder)
    assert "alt" in run("import", tmp_path / "run.slz", tmp_path / "again")
    run("export", folder, tmp_path / "alt.slz", "--branch", "alt")
    assert (tmp_path / "alt.slz").stat().st_size < (tmp_path / "run.slz").stat().st_size


def pytest_on(path):
    """Run a test file in a process of its own, as its reader would."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", path.parent, path]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=path.parent)


def test_an_exported_test_replays_the_session(folder, tmp_path):
    """It runs as it is, passes, and fails where a recorded step is not what comes out."""
    test = tmp_path / "out" / "test_run.py"
    test.parent.mkdir()
    written = json.loads(run("export", folder, "--as-test", test, "--json"))
    assert written == {"file": str(test.with_suffix(".slz")), "test": str(test)}
    done = pytest_on(test)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    test.write_text(
        test.read_text().replace("sl.FakeRuntime()", "Other()").replace("ARCHIVE =", OTHER + "ARCHIVE =")
    )
    failed = pytest_on(test)
    assert "2 failed" in failed.stdout, failed.stdout
    assert "generate" in failed.stdout


OTHER = """
class Other(sl.FakeRuntime):
    def _draw(self, *args):
        return 255 - super()._draw(*args)

"""


def test_the_test_names_the_model_that_made_the_session(tmp_path, fake):
    """A session without a model needs none; one of the embedded model loads it by name."""

    class Named(sl.FakeRuntime):
        info = replace(fake.info, model="embedded")

    with sl.Session(runtime=Named()) as s:
        s.generate("a red circle")
        text = replay_test(checked(s.export(tmp_path / "a.slz")))
        assert "return sl.load('embedded')" in text
    with sl.Session(runtime=fake) as s:
        s.add(np.zeros((4, 4, 3), np.uint8))
        assert "return None" in replay_test(checked(s.export(tmp_path / "b.slz")))


def test_export_refuses_two_folders_and_no_session(folder, tmp_path):
    """The test looks for its file beside it; a folder without a session makes none."""
    with pytest.raises(sl.InputError, match="in two folders"):
        run("export", folder, tmp_path / "a" / "run.slz", "--as-test", tmp_path / "test_run.py")
    with pytest.raises(sl.NotFoundError, match="no session"):
        run("export", tmp_path / "nothing")


def test_edit_takes_a_region_and_writes_what_is_asked(folder, tmp_path, loads_fake):
    """A box or a mask file; a JPEG is warned about; provenance can be left out."""
    star, out = tmp_path / "star.png", tmp_path / "out.png"
    run("generate", "a red star in the center", "--out", star)
    Image.new("L", (64, 64), 255).save(tmp_path / "mask.png")
    for region in ("0,0,0.5,1", tmp_path / "mask.png"):
        run("edit", star, "make the star blue", "--region", region, "--feather", 0, "--out", out)
        before, after = (np.asarray(Image.open(path).convert("RGB")) for path in (star, out))
        assert (before[:, :32] != after[:, :32]).any()
    run("edit", star, "make the star blue", "--no-provenance", "--out", out)
    assert b"lineage" not in out.read_bytes()
    told = json.loads(run("generate", "a star", "--out", tmp_path / "a.jpg", "--json"))
    assert "JPEG" in told["warnings"][0]
