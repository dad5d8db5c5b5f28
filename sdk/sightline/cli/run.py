"""Commands that do recorded work again: rerun, replay, recipe, run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sightline import local
from sightline.cli.looking import Folder, existing
from sightline.cli.output import AsJson, say
from sightline.errors import InputError, NotFoundError
from sightline.session import Session
from sightline.tree.mapping import RunReport
from sightline.tree.playing import ItemReport
from sightline.tree.replay import Replayed
from sightline.tree.workflow import Workflow
from sightline.verbs.kinds import Ref
from sightline_runtime.protocol import Runtime

At = Annotated[str | None, typer.Argument(help="a branch or a step; the current branch without it")]
Model = Annotated[str, typer.Option("--model", "-m", help="model name or folder")]


def _loaded(model: str) -> Runtime | None:
    """A model; the default one is loaded when it is first needed, which may be never."""
    return None if model == local.DEFAULT_MODEL else local.load(model)


def rerun(
    session: Folder,
    ref: At = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="STEP.ARGUMENT=VALUE, the value as JSON or plain text; repeat for more"),
    ] = None,
    branch: Annotated[str | None, typer.Option(help="name of the new branch")] = None,
    model: Model = local.DEFAULT_MODEL,
    as_json: AsJson = False,
) -> None:
    """Run a branch of SESSION again with changes, onto a new branch; only dependents are computed."""
    changes = _changes(change or ())
    with Session(existing(session), runtime=_loaded(model)) as s:
        done = s.rerun(ref, changes=changes, branch=branch)
        lists = {"reused": done.reused, "recomputed": done.recomputed, "invalidated": done.invalidated}
        data = {"branch": done.branch, "head": done.head, **{name: [*ids] for name, ids in lists.items()}}
        told = f"{len(done.recomputed)} recomputed, {len(done.reused)} reused"
        say(as_json, data, f"{done.branch}  {done.head[:8]}  {told}")


def _changes(texts: Sequence[str]) -> dict[Ref, dict[str, object]]:
    changes: dict[Ref, dict[str, object]] = {}
    for text in texts:
        place, sign, value = text.partition("=")
        step, _, argument = place.rpartition(".")
        if not (sign and step and argument):
            raise InputError(f"{text!r} is no change", hint="write STEP.ARGUMENT=VALUE, like HEAD~1.n=2")
        changes.setdefault(step, {})[argument] = _value(value)
    return changes


def _value(text: str) -> object:
    """A value as JSON, or as the text that it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def replay(
    session: Folder,
    ref: At = None,
    verify: Annotated[bool, typer.Option(help="measure differences and blame a stage")] = True,
    model: Model = local.DEFAULT_MODEL,
    as_json: AsJson = False,
) -> None:
    """Compute a branch or a step of SESSION again and compare; exit code 1 if anything differs."""
    with Session(existing(session), runtime=_loaded(model)) as s:
        found = s.replay(ref, verify=verify)
        data = {"ok": found.ok, "steps": [_replayed(one) for one in found.steps]}
        say(as_json, data, repr(found))
    if not found.ok:
        raise typer.Exit(1)


def _replayed(one: Replayed) -> dict[str, object]:
    measured = {"bitwise": one.bitwise, "max_abs": one.max_abs, "ssim": one.ssim, "blamed": one.blamed}
    return {
        "id": one.step.id,
        "tool": one.step.tool,
        "verdict": one.verdict,
        "detail": one.detail,
        **measured,
    }


def recipe(
    session: Folder,
    ref: At = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="file to write")] = Path("recipe.json"),
    as_json: AsJson = False,
) -> None:
    """Write a branch of SESSION as a workflow, which `run` does to other pictures."""
    with Session(existing(session)) as s:
        workflow = s.recipe(ref)
    try:
        out.write_text(workflow.to_json() + "\n")
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}", hint="give another path") from error
    data = {"file": str(out), "inputs": list(workflow.inputs), "parameters": workflow.parameters}
    say(as_json, data, f"{out}  inputs: {', '.join(workflow.inputs) or 'none'}  {len(workflow.steps)} steps")


def run(
    workflow: Annotated[Path, typer.Argument(help="file that `recipe` wrote")],
    inputs: Annotated[Path, typer.Argument(help="folder of pictures, or one picture")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the session and the pictures")],
    workers: Annotated[int, typer.Option(help="pictures at a time")] = 1,
    resume: Annotated[bool, typer.Option(help="go on where an earlier run stopped")] = True,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE; repeat for more")
    ] = None,
    model: Model = local.DEFAULT_MODEL,
    as_json: AsJson = False,
) -> None:
    """Run WORKFLOW on every picture of INPUTS; exit code 1 if any failed."""
    plan, params = _read(workflow), _params(param or ())
    runtime = _loaded(model)
    report = plan.run(inputs, out=out, workers=workers, resume=resume, runtime=runtime, params=params)
    say(as_json, _told(report), "\n".join([repr(report), *map(_line, report.items)]))
    if not report.ok:
        raise typer.Exit(1)


def _read(file: Path) -> Workflow:
    try:
        return Workflow.from_json(file.read_bytes())
    except OSError as error:
        raise NotFoundError(f"{file} cannot be read: {error.strerror}", hint="check the path") from error


def _params(texts: Sequence[str]) -> dict[str, object]:
    pairs = [text.partition("=") for text in texts]
    for name, sign, _ in pairs:
        if not (name and sign):
            raise InputError(f"{name!r} has no value", hint="write NAME=VALUE")
    return {name: _value(value) for name, _, value in pairs}


def _told(report: RunReport) -> dict[str, object]:
    return {"ok": report.ok, "out": str(report.out), "items": [_item(item) for item in report.items]}


def _item(item: ItemReport) -> dict[str, object]:
    counts = {"computed": item.computed, "reused": item.reused}
    place = {"name": item.name, "status": item.status, "branch": item.branch, "head": item.head}
    error = None if item.error is None else dict(item.error)
    files = [str(file) for file in item.files]
    return {**place, **counts, "answers": dict(item.answers), "files": files, "error": error}


def _line(item: ItemReport) -> str:
    answers = "  ".join(f"{name}: {text}" for name, text in item.answers.items())
    return "  ".join(filter(None, (f"{item.name:<20} {item.status:<6}", answers, *map(str, item.files))))
