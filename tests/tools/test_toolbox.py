"""The toolbox, and tools of other distributions."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from sightline_runtime.errors import NotFoundError
from sightline_tools.image import Image
from sightline_tools.tool import Picture, ToolArgs, ToolContext, tool
from sightline_tools.toolbox import Toolbox, default_toolbox

PLUGIN = Path(__file__).parent.parent.parent / "examples" / "plugin"


class FlipArgs(ToolArgs):
    """What to flip."""

    image: Image


@tool(version="1")
def flip(args: FlipArgs, ctx: ToolContext) -> Picture:
    """Flip a picture left to right."""
    return Picture(image=ctx.save(ctx.load(args.image)[:, ::-1].copy()))


@pytest.fixture
def offering(tmp_path, monkeypatch):
    """Install a distribution: its metadata and its module on the path."""

    def install(name="stranger", code="", entries="", requires="sightline>=0.1"):
        folder = tmp_path / name
        info = folder / f"{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\nRequires-Dist: {requires}\n"
        )
        (info / "entry_points.txt").write_text(f"[sightline.tools]\n{entries}\n")
        (folder / f"{name}_tools.py").write_text(code)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, f"{name}_tools", raising=False)

    return install


GOOD = """
import numpy as np
from sightline_tools.tool import Picture, ToolArgs, ToolContext, tool
@tool(version="1")
def spot(args: ToolArgs, ctx: ToolContext) -> Picture:
    "Make a dot."
    return Picture(image=ctx.save(np.zeros((1, 1, 3), np.uint8)))
crop = spot
"""


def test_an_unknown_tool_names_its_neighbours():
    """A misspelt name is answered with the nearest ones."""
    with pytest.raises(NotFoundError) as caught:
        default_toolbox().get("crob")
    assert "crop" in caught.value.hint


def test_a_toolbox_is_changed_into_others_never_itself():
    """More tools, fewer tools: each is a new toolbox."""
    small = Toolbox()
    large = default_toolbox().with_tools(flip)
    assert "flip" in large
    assert len(small) == 0
    assert {each.name for each in large.only("flip", "crop")} == {"flip", "crop"}
    assert "flip" not in large.without("flip")
    assert "flip" in large
    for refused in (large.only, large.without):
        with pytest.raises(NotFoundError, match="flup"):
            refused("flup")


def test_a_plugin_is_imported_when_it_is_needed(offering):
    """Opening the toolbox and using another tool imports nothing of it; asking for it does."""
    offering(code=GOOD, entries="spot = stranger_tools:spot")
    box = default_toolbox()
    box.get("crop")
    assert "stranger_tools" not in sys.modules
    assert box.get("spot").description == "Make a dot."
    assert "stranger_tools" in sys.modules
    assert "spot" in {each.name for each in box}


@pytest.mark.parametrize(
    ("code", "entry", "requires", "why"),
    [
        ("raise RuntimeError('boom')", "spot = stranger_tools:spot", "sightline", "RuntimeError: boom"),
        ("", "spot = stranger_tools:spot", "sightline", "AttributeError"),
        ("spot = 3", "spot = stranger_tools:spot", "sightline", "no tool, but int"),
        (GOOD, "dot = stranger_tools:spot", "sightline", "the tool there is 'spot'"),
        (GOOD, "spot = stranger_tools:spot", "sightline>=7.1,<8", "wants sightline >=7.1,<8"),
        (GOOD, "spot = stranger_tools:spot", "sightline[server] (==2.*)", "wants sightline ==2"),
        (GOOD, "spot = stranger_tools:spot", "Sightline ~= 2.1", "wants sightline ~= 2.1"),
        (GOOD, "spot = stranger_tools:spot", "sightline~=0.0.9", "wants sightline ~=0.0.9"),
    ],
)
def test_a_broken_plugin_is_one_warning_that_names_its_distribution(offering, code, entry, requires, why):
    """It is not there; all else is, and a second look warns no more."""
    offering(code=code, entries=entry, requires=requires)
    box = default_toolbox()
    with pytest.warns(UserWarning, match=f"of stranger 1.2 cannot be used: .*{why}") as warned:
        assert entry.split()[0] not in box
    assert len(warned) == 1
    assert "crop" in {each.name for each in box}
    with pytest.raises(NotFoundError):
        box.get("spot")


@pytest.mark.parametrize(
    "requires",
    [
        "sightline",
        "sightline>=0.1,<1",
        "sightline==0.*",
        "sightline ~= 0.1",
        "other>=9",
        "sightline-mosaic>=9",
        "sightline (!=3)",
        "sightline >= 9; python_version < '3'",
    ],
)
def test_a_plugin_that_is_content_with_this_version_works(offering, requires):
    """Bounds that hold, and those of other packages, are no hindrance."""
    offering(code=GOOD, entries="spot = stranger_tools:spot", requires=requires)
    assert "spot" in default_toolbox()


def test_a_plugin_does_not_take_the_place_of_another_tool(offering):
    """Neither a built-in tool nor that of the first distribution of a name."""
    offering("alpha", GOOD, "spot = alpha_tools:spot\ncrop = alpha_tools:crop")
    offering("beta", GOOD, "spot = beta_tools:spot")
    with pytest.warns(UserWarning, match="is left out") as warned:
        box = default_toolbox()
    assert sorted(str(each.message) for each in warned) == [
        "tool crop of alpha 1.2 is left out: sightline has one of that name",
        "tool spot of beta 1.2 is left out: alpha 1.2 has one of that name",
    ]
    assert box.get("crop").description.startswith("Cut a rectangle")


def test_the_example_plugin_works_once_it_is_installed(tmp_path):
    """Installed by pip into a folder of its own, its tool runs in a session and is shown to a chatbot."""
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
    ]
    copy = tmp_path / "source"
    (copy / "sightline_mosaic").mkdir(parents=True)  # a build writes beside what it builds
    for name in ("pyproject.toml", "sightline_mosaic/__init__.py"):
        (copy / name).write_bytes((PLUGIN / name).read_bytes())
    subprocess.run([*install, "--target", str(tmp_path / "site"), str(copy)], check=True, timeout=120)
    program = (
        "import sightline as sl, numpy as np\n"
        "with sl.Session(runtime=sl.FakeRuntime()) as s:\n"
        "    made = s.call('mosaic', image=np.arange(768, dtype=np.uint8).reshape(16, 16, 3), tile=16)\n"
        "    assert len(np.unique(made.image.numpy().reshape(-1, 3), axis=0)) == 1\n"
        "    print([form['function']['name'] for form in s.toolset(include=['mosaic']).openai()])\n"
    )
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert told.stdout == "['mosaic']\n"


def test_the_example_plugin_asks_for_this_version():
    """What it requires is what this is."""
    wanted = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]["dependencies"]
    assert wanted == ["sightline>=0.1,<1"]


def test_the_names_of_a_toolbox_are_texts():
    """Anything else is not in it."""
    assert 3 not in default_toolbox()
    assert np.array([1]) not in default_toolbox()
