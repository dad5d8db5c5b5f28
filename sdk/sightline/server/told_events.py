"""What a runtime tells while it works, as events of the API: name, what it replaces, and data."""

from __future__ import annotations

import base64

from sightline.server.renditions import rendition
from sightline_runtime.protocol import Event, Preview, TextDelta

_EDGE = 512
"""Pixels of the longer side of a preview, at most."""


def told(event: Event) -> tuple[str, str, dict[str, object]]:
    """An event: `text` {text}, `preview` {index, media_type, base64} or `progress` {stage, done, total}.

    The second is what a newer event of the same kind replaces it by; text is never replaced.
    """
    if isinstance(event, TextDelta):
        return "text", "", {"text": event.text}
    if isinstance(event, Preview):
        picture = base64.b64encode(rendition(event.pixels, "webp", _EDGE)).decode()
        data: dict[str, object] = {"index": event.index, "media_type": "image/webp", "base64": picture}
        return "preview", f"preview/{event.index}", data
    data = {"stage": event.stage, "done": event.done, "total": event.total}
    return "progress", f"progress/{event.stage}", data
