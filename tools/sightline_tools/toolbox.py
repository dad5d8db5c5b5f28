"""Toolbox: an immutable set of tools by name, and where installed tools are found."""

import difflib
import warnings
from collections.abc import Iterator
from importlib.metadata import entry_points

from sightline_runtime.errors import NotFoundError
from sightline_tools.tool import Tool

ENTRY_POINTS = "sightline.tools"
"""Third parties add tools under this entry point group; each entry names a `Tool`."""


class Toolbox:
    """Tools by name; `with_tools` gives a larger one."""

    def __init__(self, *tools: Tool) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def get(self, name: str) -> Tool:
        """The tool of that name; NotFoundError names the nearest ones."""
        if name not in self._tools:
            near = difflib.get_close_matches(name, self._tools, 3) or sorted(self._tools)
            raise NotFoundError(f"there is no tool {name!r}", hint=f"did you mean {', '.join(near)}?")
        return self._tools[name]

    def with_tools(self, *tools: Tool) -> "Toolbox":
        """This toolbox with more tools; a tool of a known name takes its place."""
        return Toolbox(*self._tools.values(), *tools)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __len__(self) -> int:
        return len(self._tools)


def installed_tools() -> list[Tool]:
    """Tools that other distributions offer; a broken one is a warning, not an error."""
    found = []
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            loaded = entry.load()
        except Exception as error:  # noqa: BLE001 - a stranger's import may raise anything
            owner = entry.dist.name if entry.dist else "an unknown distribution"
            warnings.warn(f"tool {entry.name} of {owner} cannot be loaded: {error}", stacklevel=2)
            continue
        if isinstance(loaded, Tool):
            found.append(loaded)
    return found


def default_toolbox() -> Toolbox:
    """The product's own tools and the installed ones."""
    from sightline_tools import canvas, vision

    return Toolbox(*vision.TOOLS, *canvas.TOOLS).with_tools(*installed_tools())
