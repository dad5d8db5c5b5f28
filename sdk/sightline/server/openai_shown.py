"""Answers of OpenAI's routes as the API's description shows them."""

from __future__ import annotations

_NOTED = {"session": "openai", "branch": "main", "step": "9cfdc0c269e22c8a…", "cache": "miss"}
_USAGE = {"input_tokens": 10, "output_tokens": 30, "total_tokens": 40}
_PICTURE = {
    "b64_json": "iVBORw0KGgo…",
    "sightline": {**_NOTED, "image": "img1", "digest": "sha256:44156b1adc46…", "seed": "7", "plan": ""},
}
_PICTURES = {"created": 1700000000, "data": [_PICTURE], "size": "64x64", "output_format": "png"}
_MESSAGE = {"role": "assistant", "content": "red", "refusal": None}
_CHOICE = {"index": 0, "message": _MESSAGE, "finish_reason": "stop", "logprobs": None}
_COMPLETION = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "embedded"}


def _shown(example: dict[str, object], described: str) -> dict[int | str, dict[str, object]]:
    """The response of a route that answers with one JSON object, or with a stream of events."""
    content = {
        "application/json": {"schema": {"type": "object"}, "example": example},
        "text/event-stream": {"schema": {"type": "string"}},
    }
    return {200: {"description": described, "content": content}}


PICTURES = _shown({**_PICTURES, "usage": _USAGE}, "the pictures; a stream of events with `stream`")
ANSWER = _shown(
    {
        **_COMPLETION,
        "choices": [_CHOICE],
        "usage": {"prompt_tokens": 17, "completion_tokens": 1, "total_tokens": 18},
        "sightline": {**_NOTED, "confidence": 0.99, "probabilities": {}},
    },
    "the answer; a stream of chunks with `stream`",
)
