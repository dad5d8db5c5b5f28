"""Toolbox: an immutable set of tools by name.

Other distributions add tools under the entry point group `sightline.tools`; an entry's
name is that of its tool. They are imported when they are first asked for, not before.
"""

import difflib
from collections.abc import Iterator, Mapping

from sightline_runtime.errors import NotFoundError
from sightline_tools.plugins import Plugin, installed
from sightline_tools.tool import Tool


class Toolbox:
    """Tools by name; `with_tools`, `only` and `without` give others.

    `plugins` are tools that are imported when they are first needed; one that turns out
    to be broken is a warning, and not there.
    """

    def __init__(self, *tools: Tool, plugins: Mapping[str, Plugin] | None = None) -> None:
        self._tools: dict[str, Tool | Plugin] = {tool.name: tool for tool in tools}
        self._tools |= {name: plugin for name, plugin in (plugins or {}).items() if name not in self._tools}
        self._inner: dict[str, Tool] = {}

    def get(self, name: str) -> Tool:
        """The tool of that name; NotFoundError names the nearest ones."""
        found = self._loaded(name)
        if found is None:
            near = difflib.get_close_matches(name, self._tools, 3) or sorted(self._tools)
            raise NotFoundError(f"there is no tool {name!r}", hint=f"did you mean {', '.join(near)}?")
        return found

    def with_tools(self, *tools: Tool) -> "Toolbox":
        """This toolbox with more tools; a tool of a known name takes its place."""
        return self._of({**self._tools, **{tool.name: tool for tool in tools}})

    def with_inner(self, *tools: Tool) -> "Toolbox":
        """This toolbox with tools that are found by name but not listed: sessions record steps with them."""
        box = self._of(self._tools)
        box._inner = {tool.name: tool for tool in tools}
        return box

    def only(self, *names: str) -> "Toolbox":
        """Only these tools; NotFoundError for one that is not here."""
        return self._of({name: self._known(name) for name in names})

    def without(self, *names: str) -> "Toolbox":
        """All but these tools; NotFoundError for one that is not here."""
        left_out = [name for name in names if self._known(name)]
        return self._of({name: tool for name, tool in self._tools.items() if name not in left_out})

    def __iter__(self) -> Iterator[Tool]:
        found = [self._loaded(name) for name in list(self._tools)]
        return iter([tool for tool in found if tool is not None])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._loaded(name) is not None

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _known(self, name: str) -> Tool | Plugin:
        return self._tools[name] if name in self._tools else self.get(name)

    def _loaded(self, name: str) -> Tool | None:
        """The tool of a name, imported if need be; None without one that works."""
        found = self._tools.get(name) or self._inner.get(name)
        return found.tool() if isinstance(found, Plugin) else found

    def _of(self, tools: Mapping[str, Tool | Plugin]) -> "Toolbox":
        box = Toolbox()
        box._tools, box._inner = dict(tools), self._inner
        return box


def default_toolbox() -> Toolbox:
    """The product's own tools and the installed ones; of the same name, the product's."""
    from sightline_tools import canvas, screening, sketch, vision

    own = (*vision.TOOLS, *canvas.TOOLS, *sketch.TOOLS, *screening.TOOLS)
    return Toolbox(*own, plugins=installed({tool.name for tool in own}))
