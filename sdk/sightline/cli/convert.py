"""`sightline convert`: our model folders in the layout of the released checkpoints, and back."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from sightline import local


def convert(
    source: Annotated[str, typer.Argument(help="model folder, training run, or 'embedded'")],
    target: Annotated[Path, typer.Argument(help="folder to write")],
    to: Annotated[
        Literal["released", "embedded"] | None, typer.Option(help="layout to write; the other one by default")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace the model in TARGET")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Write the model SOURCE into TARGET in the layout of the released checkpoints, or back in ours."""
    written = local.convert(source, target, to=to, force=force)
    data = {"folder": str(target), "layout": written}
    sys.stdout.write((json.dumps(data) if as_json else f"{target}  in the {written} layout") + "\n")
