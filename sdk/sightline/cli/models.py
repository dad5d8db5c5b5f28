"""`sightline models`: what can be loaded by name, what it needs, what it may be used for, and where it is."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from sightline import local

if TYPE_CHECKING:
    from sightline_runtime.models.catalogue import Model


def models(
    fetch: Annotated[str | None, typer.Option(help="fetch this model: a name or a hub id, org/name")] = None,
    revision: Annotated[
        str | None, typer.Option(help="branch, tag or commit to fetch; main looks for news")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """List the models that have a name, with size, memory, licences and place; or fetch one."""
    if fetch is not None:
        _fetch(fetch, revision, as_json)
        return
    found = local.models()
    if as_json:
        _print_json({"models": [described(model, folder) for model, folder in found]})
        return
    console = Console()
    console.print(sizes(found), licences(found))
    for line in places(found):
        console.print(line, markup=False, soft_wrap=True, highlight=False)


def _fetch(name: str, revision: str | None, as_json: bool) -> None:
    folder = local.fetch(name, revision=revision)
    if as_json:
        _print_json({"model": name, "folder": str(folder)})
    else:
        sys.stdout.write(f"{folder}\n")


def _print_json(data: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(data) + "\n")


def described(model: "Model", folder: Path | None) -> dict[str, object]:
    """A model as JSON data; sizes in bytes, estimated."""
    return {
        "name": model.name,
        "does": model.does,
        "hub_id": model.hub_id,
        "variants": list(model.variants),
        "download_bytes": model.download_bytes,
        "gpu_bytes": {
            "bf16": model.gpu_bytes("bf16"),
            "int8": model.gpu_bytes("int8"),
            "int4": model.gpu_bytes("int4"),
        },
        "parts": [
            {"name": p.name, "parameters": p.parameters, "licence": p.licence, "loaded": p.loaded}
            for p in model.parts
        ],
        "folder": None if folder is None else str(folder),
    }


def sizes(found: "list[tuple[Model, Path | None]]") -> Table:
    """What each model does and needs; sizes are about right."""
    table = Table(title="Models", box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left")
    table.caption = (
        "Sizes are about right. Memory is for one picture at a time; "
        "at int8 and int4 only the language backbone is stored in fewer bits."
    )
    table.add_column("name", no_wrap=True)
    table.add_column("what it does")
    table.add_column("download", justify="right", no_wrap=True)
    table.add_column("GPU memory, GB\nbf16  int8  int4", justify="right", no_wrap=True)
    table.add_column("here")
    for model, folder in found:
        download = f"{model.download_bytes / 1e9:.0f} GB" if model.hub_id else "none"
        table.add_row(model.name, model.does, download, _memory(model), "yes" if folder else "no")
    return table


def _memory(model: "Model") -> str:
    if model.on_cpu:
        return "none needed"
    needs = (model.gpu_bytes("bf16"), model.gpu_bytes("int8"), model.gpu_bytes("int4"))
    return "".join(f"{number / 1e9:6.0f}" for number in needs)


def licences(found: "list[tuple[Model, Path | None]]") -> Table:
    """The licence of each part of each model, and its parameters; parts come from different places."""
    table = Table(
        title="Licences, part by part", box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left"
    )
    table.caption = "After “unknown” stands what the part was made from, and the licence of that."
    table.add_column("part")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("licence")
    for model, _ in found:
        table.add_row(f"[bold]{model.name}[/bold]")
        for part in model.parts:
            table.add_row(f"  {part.name}", _count(part.parameters), part.licence)
    return table


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.2f} B" if parameters >= 10**9 else f"{parameters / 1e6:.0f} M"


def places(found: "list[tuple[Model, Path | None]]") -> Iterator[str]:
    """Where each model is, or how to get it."""
    for model, folder in found:
        if folder is not None:
            yield f"{model.name} is in {folder}"
        else:
            yield f"get {model.hub_id}: sightline models --fetch {model.name}"
        if model.variants:
            yield f"  other trainings of it: {', '.join(model.variants)}"
