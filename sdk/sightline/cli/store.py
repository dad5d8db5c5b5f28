"""`sightline find` and `sightline gc`: look for steps and pictures in a store, and sweep it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from sightline import local
from sightline.cli.looking import existing
from sightline.cli.output import AsJson, say
from sightline.errors import InputError, NotFoundError
from sightline.session import Session
from sightline.store.opening import MAIN, open_store
from sightline.tree.search import Found

_DAY = 86400.0

Where = Annotated[str, typer.Argument(metavar="SESSION", help="session folder, or postgresql://…")]
Name = Annotated[str, typer.Option(help="session of a store that holds several")]


def find(
    session: Where,
    words: Annotated[str | None, typer.Argument(help="words of a prompt or answer")] = None,
    like: Annotated[Path | None, typer.Option(help="instead: a picture that others resemble")] = None,
    limit: Annotated[int, typer.Option(help="how many")] = 10,
    name: Name = MAIN,
    model: Annotated[str, typer.Option("--model", "-m", help="model that compares pictures")] = "",
    as_json: AsJson = False,
) -> None:
    """Find steps of SESSION by WORDS, newest first, or pictures like another, likest first."""
    asked = [what for what in (words, like) if what is not None]
    if len(asked) != 1:
        raise InputError("give either words or --like", hint="sightline find SESSION 'blue star'")
    runtime = local.load(model) if model else None
    with Session(name, store=_place(session, name), runtime=runtime) as s:
        for found in s.find(asked[0], limit=limit):
            say(as_json, _described(found), _line(found))


def gc(
    session: Where,
    delete: Annotated[bool, typer.Option("--delete", help="remove it; without, only tell")] = False,
    days: Annotated[float, typer.Option(help="keep what is younger")] = 14,
    as_json: AsJson = False,
) -> None:
    """Sweep the store of SESSION: what no branch, tag, redo or recent move of any session leads to."""
    with Session(store=_place(session)) as s:
        swept = s.gc(dry_run=not delete, older_than=days * _DAY)
    counts = {name: len(getattr(swept, name)) for name in ("steps", "images", "stages", "objects")}
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    verb = "removed" if delete else "would remove"
    data: dict[str, object] = {"deleted": delete, **counts, "bytes": swept.bytes}
    say(as_json, data, f"{verb} {said}; {swept.bytes:,} bytes of objects")


def _place(session: str, name: str = MAIN) -> str:
    """A store that is there, with a session of that name: looking for something makes no new one."""
    place = session if "://" in session else str(existing(Path(session)))
    store = open_store(place)
    names = store.database.sessions()
    store.close()
    if name != MAIN and name not in names:
        raise NotFoundError(
            f"there is no session {name!r} in the store", hint=f"there are {', '.join(names)}"
        )
    return place


def _described(found: Found) -> Mapping[str, object]:
    picture = None if found.picture is None else found.picture.ref.pixels
    said = {"id": found.step.id, "tool": found.step.tool, "summary": found.step.summary()}
    return said | {"picture": picture, "score": round(found.score, 4)}


def _line(found: Found) -> str:
    score = "" if found.picture is None else f"{found.score:6.3f}  {found.picture.ref.pixels[:8]}  "
    return f"{found.step.short}  {found.step.tool:<11} {score}{found.step.summary()}"
