"""Whether a configuration describes a model: every number is one, and the parts fit each other.

A folder whose weights are of the sizes that its configuration says can still be no model;
here that is found before anything is loaded, not at the first picture.
"""

import math
from collections.abc import Iterator
from dataclasses import fields
from typing import Literal, get_args, get_origin

from sightline_runtime.models.clip import ClipConfig
from sightline_runtime.models.unified import DESIGN_PARTS, UnifiedConfig
from sightline_runtime.models.vae import VaeConfig

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
    yield from _wrong_parts(config)
    for part, width, heads, unit in _splits(config):
        if heads < 1 or width < 1 or width % (heads * unit):
            each = f"{unit} or a multiple of it each" if unit > 1 else "alike"
            yield f"{part}: {width} cannot be split over {heads} heads, {each}"
    if config.vae is not None:
        yield from _wrong_vae(config.vae, config.clip)
    yield from _unequal(config)
    asked = config.queries.connector_width if config.queries.connector_layers else config.backbone.width
    for part, taken in _conditioned(config):
        if asked != taken:
            yield f"the queries give a width of {asked}, the {part} takes one of {taken}"


def _wrong_values(config: UnifiedConfig) -> Iterator[str]:
    for part, of in ({"model": config} | config.parts).items():
        for item in fields(of):  # type: ignore[arg-type]
            value = getattr(of, item.name)
            if not _right(value, item.type, item.name in _MAY_BE_NONE):
                yield f"{part}.{item.name} cannot be {value!r}"


def _wrong_parts(config: UnifiedConfig) -> Iterator[str]:
    """Parts that the design needs and the model lacks, or the other way round."""
    needed = DESIGN_PARTS[config.design]
    for part in sorted({part for parts in DESIGN_PARTS.values() for part in parts}):
        if part in needed and part not in config.parts:
            yield f"the design {config.design} needs the part {part}"
        if part in config.parts and part not in needed:
            yield f"the design {config.design} has no part {part}"


def _wrong_vae(vae: VaeConfig, clip: ClipConfig) -> Iterator[str]:
    if not vae.channels or any(width % vae.groups for width in vae.channels):
        yield f"vae channels {list(vae.channels)} cannot be split over {vae.groups} groups each"
    if vae.image_size % vae.token_size:
        yield f"vae: {vae.image_size} pixels a side cannot be split into tokens of {vae.token_size}"
    if vae.image_size != clip.image_size:
        yield f"clip sees pictures of {clip.image_size} pixels a side, the vae of {vae.image_size}"


def _unequal(config: UnifiedConfig) -> Iterator[str]:
    """Grids and widths of features that must be one; those that the model draws come first."""
    grids = {"vae" if config.vae else "clip": math.isqrt(config.feature_shape[0])}
    widths = {"vae" if config.vae else "clip": config.feature_shape[1]}
    if config.dit is not None:
        grids |= {"dit": config.dit.grid}
        widths |= {
            "dit": config.dit.channels,
            "its source": config.dit.source_channels or config.dit.channels,
        }
    if config.regressor is not None:
        head, width = config.regressor, config.regressor.features
        widths |= {"regressor": width, "its source": head.source_channels or width}
        if config.queries.count != config.feature_shape[0]:
            yield f"{config.queries.count} queries cannot answer for {config.feature_shape[0]} feature tokens"
    if config.decoder is not None:
        grids |= {"decoder": config.decoder.grid}
        widths |= {"decoder": config.decoder.features}
    if len(set(grids.values())) > 1:
        yield f"{_listed(grids)} have grids of {list(grids.values())} tokens a side, not of one size"
    if len(set(widths.values())) > 1:
        yield f"{_listed(widths)} have features of widths {list(widths.values())}, not of one"


def _listed(named: dict[str, int]) -> str:
    *most, last = named
    return f"{', '.join(most)} and {last}"


def _conditioned(config: UnifiedConfig) -> Iterator[tuple[str, int]]:
    """The parts that the queries' states go to, and the width that each takes."""
    if config.dit is not None:
        yield "dit", config.dit.condition_width
    if config.regressor is not None:
        yield "regressor", config.regressor.condition_width


def _right(value: object, kind: object, none: bool) -> bool:
    """Whether a value is of a field's type; numbers are finite and above 0 (or 0 where that says none)."""
    if kind in (int, float):
        allowed = (int,) if kind is int else (int, float)
        if not isinstance(value, allowed) or isinstance(value, bool) or not math.isfinite(value):
            return False
        return value > 0 or (none and value == 0)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if kinds[-1] is Ellipsis:
            return isinstance(value, tuple) and all(_right(v, kinds[0], False) for v in value)
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
    if dit is not None:
        yield "dit width", dit.width, dit.heads, 4  # pairs for rows, pairs for columns
        yield "dit heads", dit.heads, dit.kv_heads, 1
    if config.decoder is not None:
        yield "decoder width", config.decoder.width, config.decoder.heads, 4
