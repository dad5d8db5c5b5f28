"""Commands that take sessions and pictures elsewhere and back: trace, export, import."""

from pathlib import Path
from typing import Annotated

import typer

from sightline import importing, local, provenance
from sightline.archive import Archive
from sightline.arrival import import_session
from sightline.cli.looking import Folder, existing
from sightline.cli.output import AsJson, say
from sightline.errors import InputError
from sightline.lineage import Lineage
from sightline.session import Session
from sightline.tree.recreation import Recreation

Model = Annotated[str, typer.Option("--model", "-m", help="model that makes it again: name or folder")]


def trace(
    file: Annotated[Path, typer.Argument(help="a PNG or WebP that Sightline saved")],
    into: Annotated[
        Path | None, typer.Option(help="folder of a new session: make the picture again there, and compare")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--input", help="digest=file of a picture from outside; repeat for more"),
    ] = None,
    model: Model = local.DEFAULT_MODEL,
    as_json: AsJson = False,
) -> None:
    """Show where the picture in FILE comes from, or make it again; exit code 1 if it differs."""
    lineage = provenance.read(file)
    data = {"file": str(file), "verified": lineage.verified, "missing": list(lineage.missing())}
    data |= lineage.model_dump(mode="json")
    if into is None:
        say(as_json, data, _told(lineage))
        return
    with Session(into, runtime=local.load(model)) as s:
        again = s.recreate(lineage, inputs=dict(_input(text) for text in given or ()))
    say(as_json, data | {"recreated": _found(again)}, _compared(again, into))
    if not again.same:
        raise typer.Exit(1)


def _told(lineage: Lineage) -> str:
    outside = [f"  --input {digest}=…" for digest in lineage.missing()]
    wanted = ["to make it again, give the pictures from outside:", *outside] if outside else []
    return "\n".join([str(lineage), *wanted])


def _input(text: str) -> tuple[str, Path]:
    digest, _, file = text.partition("=")
    if not digest or not file:
        raise InputError(f"{text!r} is no input", hint="say --input digest=file")
    return digest, Path(file)


def _found(again: Recreation) -> dict[str, object]:
    steps = [{"tool": done.step.tool, "same": done.same, "detail": done.detail} for done in again.steps]
    return {"same": again.same, "pixels": again.picture.ref.pixels, "steps": steps}


def _compared(again: Recreation, into: Path) -> str:
    said = "the same to the bit" if again.same else f"not the same: it is {again.picture.ref.pixels[:8]}"
    lines = [
        f"  {done.step.tool:<11} {'same' if done.same else 'differs  ' + done.detail}" for done in again.steps
    ]
    return "\n".join([f"picture {again.lineage.pixels[:8]} was made again in {into}: {said}", *lines])


def export(
    session: Folder,
    out: Annotated[Path | None, typer.Argument(help="file to write; by default named like SESSION")] = None,
    branch: Annotated[str | None, typer.Option(help="this branch alone, with all it was made from")] = None,
    as_test: Annotated[
        Path | None, typer.Option(help="also write a test that replays the file, which then lies beside it")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write SESSION as one file, OUT, that `sightline import` takes in; needs no model."""
    if as_test is not None and out is not None and out.parent.resolve() != as_test.parent.resolve():
        raise InputError(
            f"{out} and {as_test} are in two folders", hint="the test looks for the file beside it"
        )
    beside = Path(session.resolve().name) if as_test is None else as_test
    with Session(existing(session)) as s:
        path = s.export(out or beside.with_suffix(".slz"), branch=branch)
    data: dict[str, object] = {"file": str(path)}
    if as_test is not None:
        as_test.write_text(replay_test(importing.checked(path)))
        data["test"] = str(as_test)
    say(as_json, data, "\n".join(map(str, data.values())))


_TEST = '''"""Replays a session: every step, computed again, gives what is recorded, to the bit."""

from pathlib import Path

import pytest

import sightline as sl

ARCHIVE = Path(__file__).with_name({file!r})


@pytest.fixture(scope="module")
def runtime():
    """The model that made it."""
    return {runtime}


@pytest.mark.parametrize("branch", {branches!r})
def test_the_branch_replays(runtime, branch):
    """Nothing is stored and nothing moves; a difference names its step."""
    with sl.import_session(ARCHIVE, runtime=runtime) as session:
        replayed = session.replay(branch)
        assert replayed.ok, replayed
'''


def replay_test(archive: Archive) -> str:
    """A test file for pytest that replays an archive which lies beside it."""
    made = [archive.models.get(step.fingerprint, "") for step in archive.steps if step.fingerprint]
    name = next(filter(None, reversed(made)), local.DEFAULT_MODEL)
    runtime = "sl.FakeRuntime()" if name == "fake" else f"sl.load({name!r})" if made else "None"
    branches = sorted(branch for branch, at in archive.pointers.branches.items() if at is not None)
    return _TEST.format(file=archive.path.name, runtime=runtime, branches=branches)


def import_(
    archive: Annotated[Path, typer.Argument(help="a file that `sightline export` wrote")],
    session: Annotated[Path, typer.Argument(help="folder of the session, new or there")],
    as_json: AsJson = False,
) -> None:
    """Take ARCHIVE into SESSION; all of it is checked before anything is written."""
    with import_session(archive, session) as s:
        branches = {name: at for name, at in s.branches.items() if at is not None}
        data = {"session": str(session), "branches": branches, "head": s.head[0]}
        listed = "\n".join(f"  {name:<16} {at:.8}" for name, at in branches.items())
        say(as_json, data, f"{session}\n{listed}")
