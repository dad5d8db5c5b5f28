"""Tool messages: an outcome in the form in which the call came, never larger than a message may be.

Where a form takes pictures the previews are in it (Anthropic, Responses, plain); OpenAI's
Chat Completions takes texts only from a tool, so its previews go into a user message
that follows all answers. The text never depends on them: hosts drop pictures.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence

from sightline.toolset.calls import ToolCall
from sightline.toolset.outcomes import Outcome, Preview

MOST = 256_000
"""Bytes of a message as JSON."""
_FRAME = 512
"""Bytes of a message that are neither text nor pictures."""


class ToolMessage(dict[str, object]):
    """A message to send back as it is, a plain dictionary in the vendor's form.

    `call` is what it answers, `outcome` what came of it: its `structured` content, `result`
    and `previews` are for the program. `pending` is set if the call waits for approval:
    keep it, and give it to `Toolset.resume`.
    """

    def __init__(
        self,
        form: Mapping[str, object],
        call: ToolCall,
        outcome: Outcome,
        pending: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(form)
        self.call, self.outcome, self.pending = call, outcome, pending


def message(
    call: ToolCall, outcome: Outcome, most: int = MOST, pending: Mapping[str, object] | None = None
) -> ToolMessage:
    """The message that answers a call, of at most `most` bytes."""
    if call.wire == "chat":
        form: dict[str, object] = {
            "role": "tool",
            "tool_call_id": call.id,
            "content": _cut(outcome.text, most),
        }
    elif call.wire == "responses":
        form = _responses(call, outcome, most)
    elif call.wire == "anthropic":
        form = _anthropic(call, outcome, most)
    else:
        form = _plain(call, outcome, most)
    return ToolMessage(form, call, outcome, pending)


def follow_up(messages: Iterable[Mapping[str, object]]) -> dict[str, object] | None:
    """A user message with the previews of Chat Completions' tool messages; None if there are none."""
    shown = [
        each
        for found in messages
        if isinstance(found, ToolMessage) and found.call.wire == "chat"
        for each in found.outcome.previews
    ]
    kept = _fitting(shown, MOST - _FRAME)
    if not kept:
        return None
    text = "Previews of what the tools made, in this order: " + "; ".join(map(_caption, kept))
    pictures = [{"type": "image_url", "image_url": {"url": _uri(each), "detail": "auto"}} for each in kept]
    return {"role": "user", "content": [{"type": "text", "text": text}, *pictures]}


def together(messages: Sequence[ToolMessage]) -> list[dict[str, object]]:
    """The messages that answer one assistant's message: Anthropic wants all its results in one."""
    blocks = [each for each in messages if each.call.wire == "anthropic"]
    others: list[dict[str, object]] = [each for each in messages if each.call.wire != "anthropic"]
    shown = follow_up(messages)
    joined: list[dict[str, object]] = [{"role": "user", "content": blocks}] if blocks else []
    return [*joined, *others, *([shown] if shown else [])]


def _responses(call: ToolCall, outcome: Outcome, most: int) -> dict[str, object]:
    text, shown = _parts(outcome, most)
    items: list[dict[str, object]] = [{"type": "input_text", "text": text}]
    items += [{"type": "input_image", "image_url": _uri(each), "detail": "auto"} for each in shown]
    return {"type": "function_call_output", "call_id": call.id, "output": items if shown else text}


def _anthropic(call: ToolCall, outcome: Outcome, most: int) -> dict[str, object]:
    text, shown = _parts(outcome, most)
    blocks: list[dict[str, object]] = [{"type": "text", "text": text}]
    for each in shown:
        source = {"type": "base64", "media_type": each.media_type, "data": _encoded(each)}
        blocks.append({"type": "image", "source": source})
    failed = outcome.fault is not None
    return {"type": "tool_result", "tool_use_id": call.id, "content": blocks, "is_error": failed}


def _plain(call: ToolCall, outcome: Outcome, most: int) -> dict[str, object]:
    size = len(json.dumps(outcome.structured))
    structured = outcome.structured if size <= most * 2 // 3 else {}
    text, shown = _parts(outcome, most - (size if structured else 0))
    previews = [
        {"label": each.label, "media_type": each.media_type, "data": _encoded(each)} for each in shown
    ]
    return {
        "id": call.id,
        "name": call.name,
        "text": text,
        "structured": structured,
        "previews": previews,
        "is_error": outcome.fault is not None,
    }


def _parts(outcome: Outcome, most: int) -> tuple[str, list[Preview]]:
    """The text and the previews that fit beside it; the text says what each preview shows."""
    text = _cut(outcome.text, most)
    shown = _fitting(outcome.previews, most - _FRAME - len(json.dumps(text)))
    told = "".join(f"\n[{_caption(each)}]" for each in shown)
    return text + told, shown


def _cut(text: str, most: int) -> str:
    """The beginning of a text, if it is too long for a message."""
    room = max(most - _FRAME, 0)
    while len(json.dumps(text)) > room and text:
        text = text[: min(len(text) * 2 // 3, room)]
    return text


def _fitting(previews: Iterable[Preview], room: int) -> list[Preview]:
    """The first previews that fit into so many bytes, with their captions."""
    kept = []
    for each in previews:
        room -= len(each.data) * 4 // 3 + len(each.label) + 256
        if room < 0:
            break
        kept.append(each)
    return kept


def _caption(each: Preview) -> str:
    return f"preview at {each.width}x{each.height}: {each.label}"


def _encoded(each: Preview) -> str:
    return base64.b64encode(each.data).decode()


def _uri(each: Preview) -> str:
    return f"data:{each.media_type};base64,{_encoded(each)}"
