"""What the README says is so: its example runs and prints what it shows, its scores are the model's."""

import json
import re
from pathlib import Path

import pytest

import sightline as sl

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CARD = ROOT / "runtime" / "sightline_runtime" / "embedded"
NUMBER = re.compile(r"\d+\.\d+")


def blocks(kind):
    """The fenced blocks of a kind."""
    return re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)


def test_the_example_prints_what_is_shown(tmp_path, monkeypatch, capsys, embedded):
    """The ten lines run as they stand; words are equal, probabilities nearly."""
    monkeypatch.chdir(tmp_path)
    program = blocks("python")[0]
    shown = README.split("It prints:\n```\n")[1].split("```")[0]
    exec(compile(program, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", shown)
    numbers = [[float(n) for n in NUMBER.findall(text)] for text in (printed, shown)]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.05)
    assert (tmp_path / "run.html").stat().st_size > 1000
    exec(compile(blocks("python")[1], "README.md", "exec"), {"sl": sl})
    assert "the first bad" in capsys.readouterr().out
    exec(compile(blocks("python")[2], "README.md", "exec"), {"sl": sl})
    assert "\nTrue\n" in capsys.readouterr().out
    exec(compile(blocks("python")[3], "README.md", "exec"), {"sl": sl})
    told = capsys.readouterr().out
    assert "partial as the features of 1 of 1" in told
    assert (told.count("features kept from"), told.count("features computed")) == (4, 2)
    exec(compile(blocks("python")[4], "README.md", "exec"), {"sl": sl})
    told = capsys.readouterr().out
    assert "2 recomputed, 1 reused" in told
    assert "<Replay ok: 2 of 3 steps the same>" in told
    assert "<RunReport 1 of 1 done in dark>" in told
    program = next(block for block in blocks("python") if "s.toolset(include" in block)
    exec(compile(program, "README.md", "exec"), {"sl": sl})
    told = capsys.readouterr().out
    assert "tool img" in told
    assert "this session has no picture img99" in told


def test_the_dialogue_runs(tmp_path, monkeypatch, capsys, embedded):
    """What the section on dialogues does, on the shipped model."""
    monkeypatch.chdir(tmp_path)
    program = next(block for block in blocks("python") if "s.chat(" in block)
    exec(compile(program, "README.md", "exec"), {"sl": sl})
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == ["img1", "green"]
    assert told[2] == "edit(instruction='make the background black', image='img1') → img2"
    assert told[3].startswith("<Picture img1")
    assert told[4:] == ["there is no picture img9; there are img1 and img2", "img3 done", "True"]


def test_it_reasons_as_it_says(capsys, embedded):
    """The chain is right where one look is not; plans, strategies and explanations are as it says."""
    program = next(block for block in blocks("python") if "s.describe_change(" in block)
    exec(compile(program, "README.md", "exec"), {"sl": sl})
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == ["True", "no", "would there be more blue than red objects if the stars were removed ?"]
    assert sum(line.startswith("  ") for line in told) >= 7
    assert any(line.startswith("  → yes") for line in told)
    assert any(line.endswith(" BestOf") for line in told)
    assert "[] 0.0" in told
    assert "yes" in told


def test_the_scores_are_those_of_the_shipped_model():
    """README and card give the numbers of the scores file, which is of the shipped weights."""
    told = json.loads((CARD / "scores.json").read_text())
    card = (CARD / "README.md").read_text()
    for name in ("generation", "questions", "edits", "tool calls"):
        assert f" {told['means'][name]:.3f} |" in README
        assert f"**{told['means'][name]:.3f}**" in card
    assert told["files"] == json.loads((CARD / "config.json").read_text())["files"]


def test_every_link_leads_to_a_file():
    """Relative links of README and card point at what is there."""
    for text, folder in ((README, ROOT), ((CARD / "README.md").read_text(), CARD)):
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (folder / target).exists(), target
