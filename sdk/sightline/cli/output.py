"""How commands print: data on standard output, as text or as JSON."""

import json
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def say(as_json: bool, data: Mapping[str, object], text: str) -> None:
    """Print data as JSON, or its text."""
    sys.stdout.write((json.dumps(data) if as_json else text) + "\n")
