"""Commands that look back at a stored session: log, reflog, tree, diff. None needs a model."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.output import AsJson, say
from sightline.errors import InputError, NotFoundError
from sightline.session import Session
from sightline.tree.diff import Difference
from sightline.tree.outline import Node

Folder = Annotated[Path, typer.Argument(help="folder of the session")]
Limit = Annotated[int | None, typer.Option(help="how many, the newest")]
RefText = Annotated[str, typer.Argument(help="main, alt~2, @tag, img3, sha256:… or the beginning of an id")]


def existing(session: Path) -> Path:
    """The folder of a session; NotFoundError if it is none, so that looking makes nothing."""
    if not any((session / part).exists() for part in ("session.db", "objects")):
        raise NotFoundError(f"there is no session in {session}", hint="give the folder of a session")
    return session


def log(
    session: Folder,
    limit: Limit = None,
    branch: Annotated[str | None, typer.Option(help="branch, tag or step")] = None,
    tool: Annotated[list[str] | None, typer.Option(help="steps of this tool; repeat for more")] = None,
    since: Annotated[datetime | None, typer.Option(help="steps that ended since")] = None,
    text: Annotated[str | None, typer.Option(help="steps that asked or answered this")] = None,
    as_json: AsJson = False,
) -> None:
    """List the steps of SESSION, newest first."""
    with Session(existing(session)) as s:
        for step in s.log(limit, branch=branch, tool=tool or None, since=since, text=text):
            data: dict[str, object] = {
                "id": step.id,
                "tool": step.tool,
                "status": step.status,
                "summary": step.summary(),
            }
            data |= {"seconds": round(step.seconds, 3), "seeds": list(step.seeds), "images": step.images()}
            say(as_json, data, f"{step.short}  {step.tool:<11} {step.seconds:6.2f} s  {step.summary()}")


def reflog(session: Folder, limit: Limit = None, as_json: AsJson = False) -> None:
    """List every move of the branches and tags of SESSION, newest first."""
    with Session(existing(session)) as s:
        for move in s.reflog(limit):
            ends = {"before": move.before, "after": move.after}
            data = {"when": move.when.isoformat(), "branch": move.branch, **ends, "why": move.why}
            say(as_json, data, str(move))


def tree(
    session: Folder,
    everything: Annotated[bool, typer.Option("--all", help="steps on no branch too")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the branches of SESSION as one tree."""
    with Session(existing(session)) as s:
        found = s.tree(everything=everything)
        data = {
            "head": {"branch": found.head[0], "step": found.head[1]},
            "branches": dict(found.branches),
            "tags": dict(found.tags),
            "nodes": [_node(node) for node in found.nodes],
        }
        say(as_json, data, str(found))


def _node(node: Node) -> dict[str, object]:
    pictures = [{"alias": picture.alias, "pixels": picture.ref.pixels} for picture in node.pictures]
    parents = {"parent": node.parent, "data_parents": list(node.data_parents)}
    names = {"branches": list(node.branches), "tags": list(node.tags)}
    return {"id": node.id, "tool": node.tool, "summary": node.summary, **parents, "images": pictures, **names}


def diff(
    session: Folder,
    a: RefText,
    b: RefText,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="file for the heat map")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what steps A and B of SESSION differ in: parameters, texts, pixels."""
    with Session(existing(session)) as s:
        found = s.diff(a, b)
        if out is not None:
            if not found.pixels:
                raise InputError("there are no two pictures of one size to compare", hint="leave out --out")
            found.pixels[0].heatmap.save(out)
        data = {**_difference(found), "heatmap": None if out is None else str(out)}
        say(as_json, data, repr(found))


def _difference(found: Difference) -> dict[str, object]:
    return {
        "a": found.a.id,
        "b": found.b.id,
        "same": found.same,
        "parameters": [change._asdict() for change in found.parameters],
        "text": found.text,
        "pixels": [{"max_abs": p.max_abs, "changed": p.changed, "ssim": p.ssim} for p in found.pixels],
        "common": found.common.id if found.common else None,
        "only_a": [step.id for step in found.only_a],
        "only_b": [step.id for step in found.only_b],
    }
