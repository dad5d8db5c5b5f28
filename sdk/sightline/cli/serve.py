"""Serving over HTTP, and the keys of those who may call: serve, keys add, keys list, keys remove."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sightline import local
from sightline.cli.output import AsJson, say
from sightline.errors import InputError, ModelError
from sightline.server.key_file import KeyFile
from sightline.server.keys import SCOPES, Keys, Scope
from sightline.server.settings import Settings

HOME = Path.home() / ".sightline"
_KEYS = HOME / "keys.json"

keys_app = typer.Typer(no_args_is_help=True, help="Make, list and take away the keys of a server.")
File = Annotated[Path, typer.Option("--file", help="file of the keys", show_default="~/.sightline/keys.json")]


def serve(
    host: Annotated[
        str, typer.Option(help="address to listen on; without keys only this machine's")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port; 0 takes a free one", min=0, max=65535)] = 8000,
    model: Annotated[str, typer.Option("--model", "-m", help="model name or folder")] = local.DEFAULT_MODEL,
    data: Annotated[
        Path, typer.Option(help="folder of the sessions", show_default="~/.sightline/data")
    ] = HOME / "data",
    keys: Annotated[
        Path | None, typer.Option(help="file of the keys; ~/.sightline/keys.json if it is there")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="web page that may call; repeat for more")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="name under which it is called; repeat")
    ] = None,
    fetch_images: Annotated[bool, typer.Option(help="fetch pictures from public https: URLs")] = False,
    call_timeout: Annotated[float, typer.Option(help="seconds that a call may take", min=1)] = 600.0,
) -> None:
    """Serve the model over HTTP: OpenAI's routes, sessions, the runtime, and MCP at /mcp."""
    try:
        from sightline.server.house import House
        from sightline.server.serving import check_address
        from sightline.server.serving import serve as serve_house
    except ImportError as error:
        raise ModelError(
            f"a server needs a package that is not installed: {error.name}",
            hint="pip install 'sightline[server]'",
        ) from error
    settings = Settings(
        data=data,
        allow_origins=tuple(allow_origin or ()),
        allow_hosts=tuple(name.lower() for name in allow_host or ()),
        fetch_images=fetch_images,
        call_timeout=call_timeout,
    )
    known = _known(keys)
    check_address(host, known)
    house = House(local.load(model), settings, keys=known)
    _log_to_stderr()
    whole = serve_house(house, host, port, started=lambda address: _say(f"serving {model} at {address}"))
    _say("stopped")
    if not whole:  # a call that does not end must not keep the process; a store is whole at any moment
        os._exit(0)


def measured(tell: Callable[[str, int, int], None]) -> Mapping[str, object]:
    """What a server under load measures."""
    from sightline.server.bench import measure

    return measure(tell=tell)


def _known(given: Path | None) -> Keys:
    """The keys of a file; none at all only where no file was named and the usual one is not there."""
    file = given or (_KEYS if _KEYS.exists() else None)
    return Keys() if file is None else Keys(file=KeyFile(file))


def _log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("sightline.server").setLevel(logging.INFO)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@keys_app.command()
def add(
    name: Annotated[str, typer.Argument(help="what the key is called")],
    tenant: Annotated[str | None, typer.Option(help="whose sessions it opens; by default NAME's own")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="what it may use; repeat; by default everything")
    ] = None,
    per_minute: Annotated[int | None, typer.Option(help="most calls a minute")] = None,
    at_once: Annotated[int | None, typer.Option(help="most calls at the same time")] = None,
    file: File = _KEYS,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    text = KeyFile(file).add(
        name, tenant=tenant or name, scopes=_scopes(scope), per_minute=per_minute, at_once=at_once
    )
    say(as_json, {"name": name, "key": text}, text)


def _scopes(asked: list[str] | None) -> list[Scope]:
    wrong = sorted(set(asked or ()) - SCOPES)
    if wrong:
        raise InputError(f"there is no scope {wrong[0]!r}", hint=f"use {', '.join(sorted(SCOPES))}")
    return [scope for scope in sorted(SCOPES) if not asked or scope in asked]


@keys_app.command("list")
def list_(file: File = _KEYS, as_json: AsJson = False) -> None:
    """List the keys: names, tenants, scopes and limits."""
    keys = KeyFile(file).read()
    rows = [{**asdict(key), "scopes": sorted(key.scopes)} for key in keys]
    lines = [f"{key.name:<20} {key.tenant:<20} {' '.join(sorted(key.scopes))}" for key in keys]
    say(
        as_json, {"keys": [{k: v for k, v in row.items() if k != "digest"} for row in rows]}, "\n".join(lines)
    )


@keys_app.command()
def remove(name: str, file: File = _KEYS, as_json: AsJson = False) -> None:
    """Take a key away; a running server refuses it within a second."""
    KeyFile(file).remove(name)
    say(as_json, {"removed": name}, f"removed {name}")
