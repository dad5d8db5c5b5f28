"""The command line: typer commands over the public API; the only place that prints.

Data go to standard output (with --json as JSON), progress and messages to
standard error. Errors of the tree end with exit code 1 and their hint; with
--json they are {"error": {"code", "message", "hint"}} on standard output.
"""

import json
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sightline import bench as tree_bench
from sightline import local
from sightline.cli import carrying, looking, mcp_command
from sightline.cli import convert as conversion
from sightline.cli import demo as demo_session
from sightline.cli import doctor as doctor_checks
from sightline.cli import models as catalogue
from sightline.cli import run as again
from sightline.cli import serve as serving
from sightline.cli import store as stores
from sightline.cli.output import AsJson, say
from sightline.errors import InputError, SightlineError
from sightline.results import Drawn, Edited
from sightline.session import Session
from sightline.streaming import Done, StreamEvent
from sightline_runtime.protocol import Progress as StageProgress

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Look, draw, edit, branch, check, replay.")
train_app = typer.Typer(no_args_is_help=True, help="Train a model on this machine.")
eval_app = typer.Typer(no_args_is_help=True, help="Score a model.")
app.add_typer(train_app, name="train")
app.add_typer(eval_app, name="eval")
app.add_typer(serving.keys_app, name="keys")
app.command()(serving.serve)
app.command()(mcp_command.mcp)
app.command()(catalogue.models)
app.command()(conversion.convert)
for _carry in (carrying.trace, carrying.export):
    app.command()(_carry)
app.command("import")(carrying.import_)
for _look in (looking.log, looking.reflog, looking.tree, looking.diff, stores.find, stores.gc):
    app.command()(_look)

for _again in (again.rerun, again.replay, again.recipe, again.run):
    app.command()(_again)

told = Console(stderr=True)

SessionPath = Annotated[
    Path | None, typer.Option("--session", "-s", help="session folder; in memory without it")
]
Model = Annotated[str, typer.Option("--model", "-m", help="model name or folder")]
ImageText = Annotated[str, typer.Argument(help="file, or img3 or sha256:… for a picture of the session")]
Seed = Annotated[int | None, typer.Option(help="seed of the picture")]
Out = Annotated[Path, typer.Option("--out", "-o", help="file to write")]
Steps = Annotated[int | None, typer.Option(help="denoising steps")]
Guidance = Annotated[float | None, typer.Option(help="guidance scale; 1 is off")]
Provenance = Annotated[bool, typer.Option(help="write where the picture comes from into the file")]


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on standard error, told (part, done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), console=told, transient=True) as bar:
        tasks = {}

        def step(part: str, done: int, total: int) -> None:
            if part not in tasks:
                tasks[part] = bar.add_task(part, total=total)
            bar.update(tasks[part], completed=done, total=total)

        yield step


def drawn(events: Iterable[StreamEvent]) -> Drawn | Edited:
    """The result that a stream ends with; its progress is shown meanwhile."""
    with progress() as step:
        for event in events:
            if isinstance(event, StageProgress):
                step(event.stage, event.done, event.total)
    return cast(Drawn | Edited, cast(Done, event).result)


def open_session(path: Path | None, model: str, seed: int | None = None) -> Session:
    """A session on a named model."""
    return Session(path, runtime=local.load(model), seed=seed)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="folder for pictures and the report")] = Path("demo-out"),
    as_json: AsJson = False,
) -> None:
    """Run a whole session: look, ask, draw, edit, branch, undo, check, replay, report."""
    told_by = sys.stderr if as_json else sys.stdout
    found = demo_session.run(out, lambda line: print(line, file=told_by))
    if as_json:
        say(as_json, found, "")


@app.command()
def generate(
    prompt: str,
    out: Out = Path("out.png"),
    session: SessionPath = None,
    model: Model = local.DEFAULT_MODEL,
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    provenance: Provenance = True,
    as_json: AsJson = False,
) -> None:
    """Draw a picture of PROMPT."""
    with open_session(session, model) as s:
        events = s.stream.generate(prompt, seed=seed, preview_every=0, steps=steps, guidance=guidance)
        _written(as_json, drawn(events), out, provenance)


@app.command()
def edit(
    image: ImageText,
    instruction: str,
    out: Out = Path("out.png"),
    session: SessionPath = None,
    model: Model = local.DEFAULT_MODEL,
    seed: Seed = None,
    steps: Steps = None,
    guidance: Guidance = None,
    region: Annotated[
        str | None,
        typer.Option(help="box left,top,right,bottom, or a mask picture: all else stays as it is"),
    ] = None,
    feather: Annotated[int | None, typer.Option(help="pixels over which the region's edge is soft")] = None,
    provenance: Provenance = True,
    as_json: AsJson = False,
) -> None:
    """Change IMAGE as INSTRUCTION says."""
    with open_session(session, model) as s:
        options = {"steps": steps, "guidance": guidance, "region": _region(region), "feather": feather}
        events = s.stream.edit(image, instruction, seed=seed, preview_every=0, **options)
        _written(as_json, drawn(events), out, provenance)


def _region(text: str | None) -> tuple[float, ...] | str | None:
    """A box if it is four numbers, else the name of a mask."""
    try:
        return tuple(float(edge) for edge in text.split(",")) if text else None
    except ValueError:
        return text


def _written(as_json: bool, made: Drawn | Edited, out: Path, provenance: bool) -> None:
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        path, seed = made.save(out, provenance=provenance), made.seeds[0]
    told = (*made.warnings, *(str(warning.message) for warning in raised))
    _warn(told)
    data = {"step": made.step.id, "file": str(path), "seed": seed, "warnings": list(told)}
    say(as_json, data, f"{path}  seed {seed}")


def _warn(texts: tuple[str, ...]) -> None:
    for warning in texts:
        told.print(f"warning: {warning}", markup=False)


@app.command()
def understand(
    image: ImageText,
    question: str,
    choice: Annotated[list[str] | None, typer.Option(help="a possible answer; repeat for more")] = None,
    session: SessionPath = None,
    model: Model = local.DEFAULT_MODEL,
    as_json: AsJson = False,
) -> None:
    """Answer QUESTION about IMAGE."""
    with open_session(session, model) as s:
        answer = s.understand(image, question, choices=choice or ())
        data = {
            "answer": answer.text,
            "confidence": answer.confidence,
            "probabilities": dict(answer.probabilities),
            "warnings": list(answer.warnings),
        }
        _warn(answer.warnings)
        say(as_json, data, f"{answer.text}  p={answer.confidence:.2f}")


@app.command()
def report(session: Path, out: Out = Path("report.html"), as_json: AsJson = False) -> None:
    """Write SESSION as one HTML file."""
    with Session(looking.existing(session)) as s:
        path = s.report(out)
        say(as_json, {"file": str(path)}, str(path))


@train_app.command("embedded")
def train_embedded(
    run: Annotated[Path, typer.Option(help="folder of the run; goes on where it stopped")] = Path(
        "training-run"
    ),
    preset: Annotated[
        str,
        typer.Option(help="cpu, gpu, refine, or tiny; auto is the run's own, or gpu where there is one"),
    ] = "auto",
    design: Annotated[
        str,
        typer.Option(
            help="how it draws: clip_flow, clip_mse or vae_flow; auto is the run's own, or clip_flow"
        ),
    ] = "auto",
    start: Annotated[str | None, typer.Option(help="model that a new run begins from")] = None,
    stage: Annotated[list[str] | None, typer.Option(help="one stage alone; repeat for more")] = None,
    minutes: Annotated[float | None, typer.Option(help="stop after so many minutes")] = None,
    export: Annotated[Path | None, typer.Option(help="write the model so far to this folder")] = None,
    as_json: AsJson = False,
) -> None:
    """Train the embedded model from nothing; a second call goes on where the first stopped."""
    with progress() as step:

        def show(stage: str, done: int, total: int, eta: float, losses: Mapping[str, float]) -> None:
            shown = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
            step(stage, done, total)
            if done % 50 == 0:
                told.print(f"{stage} {done}/{total}, {eta / 60:.0f} min left: {shown}", markup=False)

        done = local.train(
            run,
            preset,
            design=design,
            minutes=minutes,
            export=export,
            show=show,
            start=start,
            stages=stage or (),
        )
    exported = None if export is None else str(export)
    data = {"complete": done, "run": str(run), "model": exported}
    say(as_json, data, "trained" if done else "stopped; call again to go on")


@eval_app.command("world")
def eval_world(
    seed: Annotated[int, typer.Option(help="seed of the held-out scenes")] = 0,
    n: Annotated[int, typer.Option(help="pictures or questions of each type")] = 40,
    part: Annotated[list[str] | None, typer.Option(help="one part alone; repeat for more")] = None,
    model: Model = local.DEFAULT_MODEL,
    as_json: AsJson = False,
) -> None:
    """Score a model in the world of shapes, on scenes never seen in training."""
    if n < 1:
        raise InputError(f"n is {n}", hint="use at least 1 of each type")
    with progress() as step:
        scores = local.evaluate(local.load(model), seed=seed, n=n, step=step, parts=part or ())
    say(as_json, scores, json.dumps(scores, indent=1))


@eval_app.command("reasoning")
def eval_reasoning(
    seed: Annotated[int, typer.Option(help="seed of the held-out scenes")] = 0,
    n: Annotated[int, typer.Option(help="goals, claims or questions of each kind")] = 40,
    part: Annotated[list[str] | None, typer.Option(help="one part alone; repeat for more")] = None,
    model: Model = local.DEFAULT_MODEL,
    calibrate: Annotated[
        Path | None, typer.Option(help="measure the verifier alone, and note its calibration in this file")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score how a session reasons: verified drawing, verdicts, questions of several steps, dialogues, calls.

    With --calibrate the curve is fitted on a seed and measured on the next one.
    """
    from sightline.reasoning.calibration import record
    from sightline.trials import suite
    from sightline.trials.verification import calibrated

    if n < 1:
        raise InputError(f"n is {n}", hint="use at least 1 of each kind")
    if calibrate is not None:
        with progress() as step:
            found = calibrated(local.load(model), seed, n, step)
        record(found, calibrate)
        say(as_json, found.model_dump(mode="json"), found.model_dump_json(indent=1))
        return
    with progress() as step:
        scores = suite.reasoning(local.load(model), seed, n, step, part or ())
    say(as_json, scores, json.dumps(scores, indent=1))


@eval_app.command("card")
def eval_card(
    scores: Annotated[list[Path], typer.Option(help="file of `eval world --json`; repeat for more")],
    run: Annotated[list[Path] | None, typer.Option(help="folder of a training run; repeat for more")] = None,
    milestones: Annotated[Path | None, typer.Option(help="JSON list of scores over minutes")] = None,
    speed: Annotated[Path | None, typer.Option(help="file of `bench --json`")] = None,
    model: Model = local.DEFAULT_MODEL,
) -> None:
    """Write the model card (README.md and its pictures) into the folder of a model."""
    written = local.card(model, scores=scores, runs=run or (), milestones=milestones, speed=speed)
    sys.stdout.write(f"{written}\n")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, which device is used, and whether the embedded model answers."""
    findings = doctor_checks.examine()
    say(as_json, findings, "\n".join(f"{name:<20} {value}" for name, value in findings.items()))
    if findings["embedded model"] != "answers":
        raise typer.Exit(1)


@app.command()
def bench(
    what: Annotated[Literal["model", "store", "server"], typer.Argument(help="what to measure")] = "model",
    model: Model = local.DEFAULT_MODEL,
    random: Annotated[
        Literal["4b", "8b"] | None,
        typer.Option(help="instead: a full-size BLIP3-o with random weights, stage by stage"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the latency and memory of a model, or what its store or a server of it costs."""
    if what == "store":
        with progress() as tell:
            measured = tree_bench.measure(tell=tell)
    elif what == "server":
        with progress() as tell:
            measured = serving.measured(tell)
    else:
        measured = local.bench_released(random) if random else local.bench(local.load(model))
    say(as_json, measured, json.dumps(measured, indent=1))


def main() -> None:
    """Run the command line; errors of the tree are shown with their hint."""
    try:
        app()
    except SightlineError as error:
        _fail(error, as_json="--json" in sys.argv)
        sys.exit(1)


def _fail(error: SightlineError, as_json: bool) -> None:
    if as_json:
        say(as_json, {"error": {"code": error.code, "message": error.message, "hint": error.hint}}, "")
        return
    told.print(f"error: {error.message}", style="red", markup=False)
    if error.hint:
        told.print(f"hint:  {error.hint}", markup=False)
