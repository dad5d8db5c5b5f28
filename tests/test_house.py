"""The house measures itself: sizes, words, places, and what an import costs."""

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import sightline

ROOT = Path(__file__).parent.parent
ROOTS = [
    ROOT / "sdk" / "sightline",
    ROOT / "tools" / "sightline_tools",
    ROOT / "runtime" / "sightline_runtime",
]
SOURCES = [path for root in ROOTS for path in sorted(root.rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def functions(path):
    """Every function of a file."""
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_functions_are_short():
    """Half of all functions have at most 10 lines, nine in ten at most 35."""
    lengths = [node.end_lineno - node.lineno + 1 for path in SOURCES for node in functions(path)]
    tenths = statistics.quantiles(lengths, n=10)
    assert tenths[4] <= 10
    assert tenths[8] <= 35


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_one_idea(path):
    """No file is longer than 500 lines, and each says what it is."""
    text = path.read_text()
    assert text.count("\n") <= 500
    assert ast.get_docstring(ast.parse(text))


def test_nothing_lies_loose_in_the_roots():
    """Each import root holds its package and nothing else."""
    for root in ROOTS:
        names = {path.name for path in root.parent.iterdir() if path.name != "__pycache__"}
        assert names == {root.name}


def test_every_test_says_what_it_shows():
    """Test functions open with one sentence."""
    missing = [
        f"{path.name}:{node.name}"
        for path in TESTS
        for node in functions(path)
        if node.name.startswith("test_") and not (ast.get_docstring(node) or "").rstrip().endswith(".")
    ]
    assert missing == []


def test_public_names_are_one_sorted_list():
    """`__all__` is sorted, every name resolves, and the lazy table holds the same names."""
    assert sightline.__all__ == sorted(sightline.__all__)
    assert set(sightline.__all__) == set(sightline._MODULES)
    assert all(getattr(sightline, name) is not None for name in sightline.__all__)
    with pytest.raises(AttributeError):
        sightline.nonsense  # noqa: B018


def test_importing_sightline_loads_no_torch():
    """Neither the front page nor a session on a fake runtime pulls in a heavy library."""
    heavy = "{'torch', 'torchvision', 'transformers', 'diffusers', 'open_clip', 'accelerate'}"
    program = (
        "import sys, sightline as sl\n"
        "light = {'numpy', 'PIL', 'sqlalchemy', 'pydantic', 'httpx'} & set(sys.modules)\n"
        "assert not light, light\n"
        "with sl.Session(runtime=sl.FakeRuntime()) as s:\n"
        "    s.generate('a star')\n"
        f"found = {heavy} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_nothing_on_disk_is_a_pickle():
    """No file of the product imports pickle or loads with torch.load."""
    text = "\n".join(path.read_text() for path in SOURCES)
    assert not re.search(r"^\s*(import|from) pickle|torch\.load\(|trust_remote_code", text, re.MULTILINE)


def test_the_shipped_weights_are_small():
    """At most 32 MiB in all and 16 MiB a file, with config, tokenizer and card beside them."""
    folder = ROOT / "runtime" / "sightline_runtime" / "embedded"
    weights = [path.stat().st_size for path in folder.glob("*.safetensors")]
    assert 0 < sum(weights) <= 32 * 2**20
    assert max(weights) <= 16 * 2**20
    assert {"config.json", "tokenizer.json", "README.md"} <= {path.name for path in folder.iterdir()}
