"""Whether a configuration describes a model: every number is one, and the parts fit each other.

A folder whose weights are of the sizes that its configuration says can still be no model;
here that is found before anything is loaded, not at the first picture.
"""

import math
from collections.abc import Iterator
from dataclasses import fields
from typing import Literal, get_args, get_origin

from sightline_runtime.models.unified import UnifiedConfig

_MAY_BE_NONE = {
    "layers",
    "features",
    "source_channels",
    "connector_layers",
    "connector_width",
    "connector_heads",
    "detail_width",
    "default_guidance",
}
"""Numbers that may be 0; all others are above it."""


def problems(config: UnifiedConfig) -> Iterator[str]:
    """What keeps a configuration from being a model; each check trusts those before it."""
    yield from _wrong_values(config)
    for part, width, heads, unit in _splits(config):
        if heads < 1 or width < 1 or width % (heads * unit):
            each = f"{unit} or a multiple of it each" if unit > 1 else "alike"
            yield f"{part}: {width} cannot be split over {heads} heads, {each}"
    grids = [config.clip.grid, config.dit.grid, config.decoder.grid]
    if len(set(grids)) > 1:
        yield f"clip, dit and decoder have grids of {grids} tokens a side, not of one size"
    width = config.clip.output_width
    widths = [width, config.dit.channels, config.dit.source_channels or width, config.decoder.features]
    if len(set(widths)) > 1:
        yield f"clip, dit, its source and decoder have features of widths {widths}, not of one"
    asked = config.queries.connector_width if config.queries.connector_layers else config.backbone.width
    if asked != config.dit.condition_width:
        yield f"the queries give a width of {asked}, the dit takes one of {config.dit.condition_width}"


def _wrong_values(config: UnifiedConfig) -> Iterator[str]:
    parts = {part: getattr(config, part) for part in ("clip", "backbone", "queries", "dit", "decoder")}
    for part, of in ({"model": config} | parts).items():
        for item in fields(of):
            value = getattr(of, item.name)
            if not _right(value, item.type, item.name in _MAY_BE_NONE):
                yield f"{part}.{item.name} cannot be {value!r}"


def _right(value: object, kind: object, none: bool) -> bool:
    """Whether a value is of a field's type; numbers are finite and above 0 (or 0 where that says none)."""
    if kind in (int, float):
        allowed = (int,) if kind is int else (int, float)
        if not isinstance(value, allowed) or isinstance(value, bool) or not math.isfinite(value):
            return False
        return value > 0 or (none and value == 0)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        return isinstance(value, tuple) and [_right(v, float, True) for v in value] == [True] * len(kinds)
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    return kind not in (bool, str) or type(value) is kind


def _splits(config: UnifiedConfig) -> Iterator[tuple[str, int, int, int]]:
    """Everything that is split over heads: its name and size, the heads, what divides each one's share."""
    backbone, queries, dit = config.backbone, config.queries, config.dit
    yield "clip width", config.clip.width, config.clip.heads, 1
    yield "backbone width", backbone.width, backbone.heads, 2  # turned in pairs
    yield "backbone heads", backbone.heads, backbone.kv_heads, 1
    if queries.connector_layers:
        yield "connector width", queries.connector_width, queries.connector_heads, 2
    yield "dit width", dit.width, dit.heads, 4  # pairs for rows, pairs for columns
    yield "dit heads", dit.heads, dit.kv_heads, 1
    yield "decoder width", config.decoder.width, config.decoder.heads, 4
