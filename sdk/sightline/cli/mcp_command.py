"""`sightline mcp`: the tools for a chat program that speaks the Model Context Protocol."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sightline import local
from sightline.errors import ModelError


def mcp(
    data: Annotated[
        Path | None,
        typer.Option(help="folder that keeps the sessions; without one they end with the program"),
    ] = None,
    session: Annotated[str, typer.Option(help="session of calls that name none")] = "main",
    model: Annotated[str, typer.Option("--model", "-m", help="model name or folder")] = local.DEFAULT_MODEL,
    previews: Annotated[bool, typer.Option(help="small pictures in results")] = True,
    structured: Annotated[bool, typer.Option(help="structured data in results")] = True,
) -> None:
    """Serve the tools over standard input and output; a chat program starts this itself.

    Over HTTP they are at /mcp of `sightline serve`.
    """
    try:
        from sightline.server import mcp_stdio
        from sightline.server.access import LOCAL
        from sightline.server.late import Late
        from sightline.server.mcp_tools import Client
    except ImportError as error:
        raise ModelError(
            f"a server needs a package that is not installed: {error.name}",
            hint="pip install 'sightline[server]'",
        ) from error
    client = Client(LOCAL, session, previews=previews, structured=structured)
    mcp_stdio.serve(Late(partial(local.load, model)), data, client)
