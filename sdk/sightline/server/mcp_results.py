"""The form of a tool's result in MCP: text, small pictures, links to the full ones, and structured data.

The text alone is enough: hosts drop pictures, or show the structured part instead of
them. A result never exceeds a size that every host takes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

import mcp_types as types

from sightline.errors import SightlineError
from sightline.toolset.outcomes import Fault, Outcome, Preview

LARGEST = 256 * 1024
"""Bytes of a whole result as JSON."""
_MOST_LINKS = 64


def told(
    outcome: Outcome, place: Mapping[str, str], *, previews: bool, structured: bool
) -> types.CallToolResult:
    """The result of a call that was done in a place, {"session", "branch"}; a fault is a result too."""
    where = ", ".join(f"{name} {value}" for name, value in place.items())
    text = f"{outcome.text}\n({where})" if where else outcome.text
    links = list(_links(outcome.structured))[:_MOST_LINKS]
    shown = list(outcome.previews) if previews else []
    data = {**place, **outcome.structured} if structured else None
    while True:
        captions = "".join(f"\n[preview: {each.label}]" for each in shown)
        result = types.CallToolResult(
            content=[types.TextContent(text=text + captions), *map(_picture, shown), *links],
            structured_content=data,
            is_error=outcome.fault is not None,
        )
        if not shown or len(result.model_dump_json(by_alias=True)) <= LARGEST:
            return result
        shown.pop()  # the text names each, and its link leads to it


def failed(error: SightlineError, *, structured: bool = True) -> types.CallToolResult:
    """An error of the tree as the result of a call that could not be begun."""
    fault = Fault(error.code, error.message, error.hint, error.retryable)
    return told(Outcome.failed(fault), {}, previews=False, structured=structured)


def _picture(preview: Preview) -> types.ImageContent:
    data = base64.b64encode(preview.data).decode()
    return types.ImageContent(data=data, mime_type=preview.media_type)


def _links(value: object) -> Iterator[types.ResourceLink]:
    """A link for every picture in structured data, once."""
    seen: set[str] = set()
    for found in _references(value):
        uri = str(found["uri"])
        if uri not in seen:
            seen.add(uri)
            name = str(found.get("alias") or found["digest"])
            size = f"{found['width']}x{found['height']}"
            yield types.ResourceLink(uri=uri, name=name, description=f"{name}, {size}", mime_type="image/png")


def _references(value: object) -> Iterator[Mapping[str, object]]:
    if isinstance(value, Mapping) and {"uri", "digest", "width", "height"} <= value.keys():
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _references(each)
