"""A folder in the released layout → BLIP3o-NEXT, ready on a device.

    config.json, tokenizer.json, model-0000i-of-0000n.safetensors and their index
    transformer/config.json, vae/config.json, scheduler/scheduler_config.json   of SANA, where they are there

A release names SANA by its hub id and keeps only its tensors; without those files the
published sizes are taken. The model is built without memory and filled shard by shard.
"""

import hashlib
import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import torch

from sightline_runtime.models import checkpoint
from sightline_runtime.models.blip3o_next import Blip3oNext, NextConfig, read_config, released
from sightline_runtime.models.quantise import quantise
from sightline_runtime.models.release import by_groups, read_json
from sightline_runtime.models.tokens import Tokens

_LAYERS = "model.layers."
_PARTS = {
    "transformer": "transformer/config.json",
    "vae": "vae/config.json",
    "scheduler": "scheduler/scheduler_config.json",
}


@dataclass(frozen=True)
class Found:
    """A release on disk, all of its headers and configuration read, and none of its weights."""

    folder: Path
    data: dict[str, Any]
    parts: dict[str, dict[str, Any]]
    tensors: checkpoint.Tensors
    tokens: Tokens

    @property
    def parameters(self) -> dict[str, int]:
        """How many parameters the backbone's layers have, which may be made smaller or wait, and the rest."""
        counts = {"layers": 0, "rest": 0}
        for name, shape in self.tensors.shapes.items():
            counts["layers" if name.startswith(_LAYERS) else "rest"] += prod(shape)
        return counts

    @property
    def digest(self) -> str:
        """A digest of all files that say how the model computes."""
        files = [*set(self.tensors.files.values()), self.folder / "tokenizer.json"]
        told = [checkpoint.sample_digest(files), self.data, self.parts]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def find(folder: Path) -> Found:
    """Look at a release; raises ModelError if a file is missing or damaged."""
    data = read_json(folder / "config.json")
    parts = {part: read_json(folder / at) for part, at in _PARTS.items() if (folder / at).exists()}
    return Found(folder, data, parts, checkpoint.find(folder), Tokens.load(folder))


def load(
    found: Found,
    *,
    device: str,
    dtype: torch.dtype,
    bits: Literal[16, 8, 4] = 16,
    moved: frozenset[str] = frozenset(),
) -> Blip3oNext:
    """Load a release; raises ModelError if files do not fit each other.

    The backbone's layers are held in `bits`; `moved` may name them: they then wait in the
    host's memory and come to the device one by one while they compute.
    """
    model = build(read_config(found.data, found.tensors.shapes, found.parts))
    layers, away = model.qwen.model.layers, "layers" in moved

    def place(name: str) -> str:
        return "cpu" if away and name.startswith("qwen.model.layers.") else device

    def shrink() -> None:
        if bits != 16:
            quantise(layers, bits)

    checkpoint.fill(
        model,
        found.tensors,
        model.ours,
        stored=released,
        device=place,
        dtype=dtype,
        tied=model.tied,
        arrived=shrink,
    )
    if away:
        by_groups(layers, torch.device(device))
    return model.settle(device)


def build(config: NextConfig) -> Blip3oNext:
    """The model of a configuration without memory: everything on the meta device."""
    with checkpoint.describing("the configuration describes no model"), torch.device("meta"):
        return Blip3oNext(config)
