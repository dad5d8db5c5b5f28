"""The model card: scores, curves and example pictures of a model, written into its folder.

Every number comes from a file that a command wrote: score files of `sightline eval
world --json`, and the folders of training runs. The words are the template's.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sightline_runtime.errors import InputError
from sightline_runtime.evaluation.gallery import StageLog, curves, grid
from sightline_runtime.evaluation.scores import Tally
from sightline_runtime.protocol import Runtime

_POINTS = 60
"""Points of a loss curve: means over as many equal parts of the stage."""
_HIDDEN = {"stage", "step", "seconds", "right", "calls_right", "dialogues_right"}
_TABLES = {
    "generation": ("generation",),
    "questions": ("questions",),
    "edits": ("edits",),
    "tool calls": ("tool_calls",),
    "calls in dialogues": ("dialogue", "calls"),
    "group edits": ("dialogue", "group_edits"),
    "plans for prompts": ("ceilings", "prompt_plans"),
    "plans for edits": ("ceilings", "edit_plans"),
    "drawing from true plans": ("ceilings", "drawing_from_true_plans"),
    "wide questions": ("wide", "questions"),
    "wide edits": ("wide", "edits"),
}


@dataclass(frozen=True)
class Row:
    """A line of a table: what was scored, its share, the 95 % interval, how many were asked."""

    name: str
    score: float
    low: float
    high: float
    n: int


def _pooled(name: str, tallies: Sequence[Any]) -> Row:
    """The same tally taken with several seeds, as one."""
    asked = sum(tally["n"] for tally in tallies)
    right = sum(round(tally["score"] * tally["n"]) for tally in tallies)
    told: Any = Tally(right, asked).to_json()
    low, high = told["interval"]
    return Row(name, told["score"], low, high, told["n"])


def _table(parts: Sequence[Any]) -> list[Row]:
    """A part's kinds, pooled over seeds."""
    kinds: dict[str, list[Any]] = defaultdict(list)
    for part in parts:
        for kind, tally in part["kinds"].items():
            kinds[kind].append(tally)
    return [_pooled(kind.replace("_", " "), tallies) for kind, tallies in kinds.items()]


def _parts(found: Sequence[Any], *path: str) -> list[Any]:
    """A part of every score file that has it."""
    parts = [scores for scores in found if path[0] in scores]
    if not parts:
        raise InputError(f"no score file has the part {path[0]!r}", hint=f"run eval world --part {path[0]}")
    for name in path:
        parts = [part[name] for part in parts]
    return parts


def pooled(files: Sequence[Path]) -> dict[str, Any]:
    """Everything the card says of scores, from files that `eval world --json` wrote, pooled over seeds.

    Raises InputError if the files are of different models, or a part is in none.
    """
    found: list[Any] = [json.loads(path.read_text()) for path in files]
    if len({scores["fingerprint"] for scores in found}) != 1:
        raise InputError("the score files are not of one model", hint="score one model with several seeds")
    tables = {name: _table(_parts(found, *path)) for name, path in _TABLES.items()}
    sure = _parts(found, "questions", "calibration_error")
    return {
        "fingerprint": found[0]["fingerprint"],
        "seeds": sorted({scores["seed"] for scores in found}),
        "tables": {name: [asdict(row) for row in rows] for name, rows in tables.items()},
        "means": {name: round(fmean(row.score for row in rows), 4) for name, rows in tables.items() if rows},
        "calibration_error": round(fmean(sure), 4),
        "reconstruction": asdict(_pooled("reconstruction", _parts(found, "reconstruction"))),
        "dialogues": asdict(_pooled("whole dialogues", _parts(found, "dialogue", "whole"))),
        "composition": _composition(_parts(found, "composition")),
        "absent": _absent(_parts(found, "wide", "absent")),
    }


def _composition(parts: Sequence[Any]) -> dict[str, Any]:
    return {
        pairs: {
            what: asdict(_pooled(what, [part[pairs][what] for part in parts]))
            for what in ("generation", "questions")
        }
        for pairs in ("seen", "unseen")
    }


def _absent(parts: Sequence[Any]) -> dict[str, Any]:
    means = ("confidence_absent", "confidence_present")
    shares = ("impossible_edits_left_alone", "possible_edits_left_alone")
    return {name: round(fmean(part[name] for part in parts), 3) for name in means} | {
        name: asdict(_pooled(name, [part[name] for part in parts])) for name in shares
    }


def _lines(run: Path) -> list[Any]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def stage_logs(run: Path) -> list[StageLog]:
    """The loss curves of a training run, thinned to means of equal parts."""
    lines = _lines(run)
    names = list(dict.fromkeys(line["stage"] for line in lines))
    return [_stage_log(name, [line for line in lines if line["stage"] == name]) for name in names]


def _stage_log(name: str, lines: list[Any]) -> StageLog:
    size = max(len(lines) // _POINTS, 1)
    groups = [lines[at : at + size] for at in range(0, len(lines), size)]
    kinds = [kind for kind in lines[0] if kind not in _HIDDEN and all(kind in line for line in lines)]
    losses = {kind: [fmean(line[kind] for line in group) for group in groups] for kind in kinds}
    return StageLog(name, [group[-1]["seconds"] / 60 for group in groups], losses)


def _recipe(run: Path) -> list[dict[str, Any]]:
    """What each stage of a run cost, as its progress file says."""
    progress = json.loads((run / "progress.json").read_text())
    steps = {line["stage"]: line["step"] for line in _lines(run)}
    return [
        {
            "stage": stage,
            "steps": steps[stage],
            "minutes": round(seconds / 60, 1),
            "tera_a_step": round(progress["flops"][stage] / 1e12, 3),
            "tera": round(steps[stage] * progress["flops"][stage] / 1e12),
        }
        for stage, seconds in progress["seconds"].items()
    ]


def write(
    runtime: Runtime,
    folder: Path,
    *,
    scores: Sequence[Path],
    runs: Sequence[Path],
    milestones: Path | None = None,
    speed: Path | None = None,
) -> Path:
    """Write README.md, scores.json, curves.png and examples.png into a model folder.

    `scores` are files of `eval world --json` with every part, `runs` folders of training
    runs, `milestones` a JSON list of scores over minutes, `speed` a file of `bench --json`.
    Raises InputError if the score files are of different models, or not of this one.
    """
    told = pooled(scores)
    if not runtime.info.fingerprint.startswith(told["fingerprint"]):
        raise InputError("the scores are of another model", hint="score the model that the card is for")
    told["files"] = json.loads((folder / "config.json").read_text())["files"]
    points = json.loads(milestones.read_text()) if milestones else []
    curves([log for run in runs for log in stage_logs(run)], points, folder / "curves.png")
    shown = grid(runtime, folder / "examples.png", 1)
    (folder / "scores.json").write_text(json.dumps(told, indent=1) + "\n")
    environment = Environment(
        loader=PackageLoader("sightline_runtime.evaluation"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    recipe = [row for run in runs for row in _recipe(run)]
    text = environment.get_template("card.md.j2").render(
        scores=told,
        recipe=recipe,
        milestones=points,
        shown=shown,
        speed=json.loads(speed.read_text()) if speed else None,
    )
    (folder / "README.md").write_text(text)
    return folder / "README.md"
