"""Pace: how long a runtime takes for a look, a denoising step, a decoded picture; measured by small calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from sightline.store.database import Store
from sightline.tree.steps import Step
from sightline_runtime.protocol import (
    DecodeRequest,
    FeatureRequest,
    ImageSlot,
    Job,
    Message,
    R,
    Runtime,
    RuntimeInfo,
    TextRequest,
)

_FEW, _MORE = 1, 3
"""Denoising and decoding steps of the calls that are measured."""
_QUESTION, _PROMPT = "what color is the background ?", "a red circle"
_RECENT = 32
_NEVER = 2**62


@dataclass(frozen=True)
class Pace:
    """Seconds: for a question, and for a picture a start and each step, of its features and of its pixels.

    `step` and `decode_step` are for one picture at the runtime's own size.
    """

    look: float
    start: float
    step: float
    decode_start: float
    decode_step: float


_MEASURED: WeakKeyDictionary[Runtime, tuple[str, Pace]] = WeakKeyDictionary()
_LOCK = Lock()


def pace_of(runtime: Runtime) -> Pace:
    """The pace of a runtime, measured the first time, and again if its fingerprint has changed.

    Takes about six small calls. What a runtime cannot do takes no time.
    """
    with _LOCK:
        known = _MEASURED.get(runtime)
        if known is None or known[0] != runtime.info.fingerprint:
            known = _MEASURED[runtime] = (runtime.info.fingerprint, _measured(runtime))
        return known[1]


def from_past(store: Store, info: RuntimeInfo) -> Pace | None:
    """The pace at which the steps of a store ran on this model; None if no look or no picture is among them.

    A step is not timed in parts: all of a picture's time counts as that of its features.
    """
    looks, pictures = (
        list(_seconds(store, info, tools)) for tools in (("understand",), ("generate", "edit"))
    )
    if not looks or not pictures:
        return None
    return Pace(median(looks), 0.0, median(pictures) / max(info.default_steps, 1), 0.0, 0.0)


def _seconds(store: Store, info: RuntimeInfo, tools: tuple[str, ...]) -> list[float]:
    """What questions, or pictures of the usual kind, took."""
    rows = [row for tool in tools for row in store.database.of_tool(tool, before=_NEVER, limit=_RECENT)]
    steps = [Step.from_row(row) for row in rows]
    usual = [
        step
        for step in steps
        if step.fingerprint == info.fingerprint
        and not step.found_again
        and not any(step.args.get(name) for name in ("steps", "size", "draft"))
    ]
    return [(step.ended - step.started) / max(1, len(step.seeds)) for step in usual]


# --- measuring -----------------------------------------------------------------------------------


def _measured(runtime: Runtime) -> Pace:
    able, (width, height) = runtime.info.capabilities, runtime.info.image_size
    gray = np.full((height, width, 3), 128, np.uint8)
    look = start = step = decode_start = decode_step = 0.0
    if "understand" in able:
        request = TextRequest((Message("user", (ImageSlot(0), _QUESTION)),), (gray,), max_tokens=8)
        look = _timed(lambda: runtime.generate_text(request))
    if "generate" in able:
        drawing = FeatureRequest((Message("user", (_PROMPT,)),), (1,), steps=_FEW)
        drawn = runtime.generate_features(drawing).result()
        start, step = _line(
            _timed(lambda: runtime.generate_features(drawing)),
            _timed(lambda: runtime.generate_features(replace(drawing, steps=_MORE))),
        )
        painting = DecodeRequest(drawn.features, (1,), steps=_FEW)
        decode_start, decode_step = _line(
            _timed(lambda: runtime.decode_features(painting)),
            _timed(lambda: runtime.decode_features(replace(painting, steps=_MORE))),
        )
    return Pace(look, start, step, decode_start, decode_step)


def _timed(call: Callable[[], Job[R]]) -> float:
    began = time.perf_counter()
    call().result()
    return time.perf_counter() - began


def _line(few: float, more: float) -> tuple[float, float]:
    """The start and the step of the line through both times; neither is negative."""
    step = max(0.0, (more - few) / (_MORE - _FEW))
    return max(0.0, few - step * _FEW), step
