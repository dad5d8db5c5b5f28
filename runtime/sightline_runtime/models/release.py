"""A folder in the released layout → BLIP3-o 4B or 8B, ready on a device.

    config.json, tokenizer.json, model-0000i-of-0000n.safetensors and their index
    diffusion-decoder/{unet,vae,scheduler}: config.json and safetensors each
    preprocessor_config.json                 how pictures are cut; Qwen2.5-VL's own without it

Everything is built on the meta device and filled shard by shard. The pipeline file
that comes with the decoder is code and is never run.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import init_empty_weights

from sightline_runtime.errors import ModelError
from sightline_runtime.models import checkpoint
from sightline_runtime.models.blip3o import Blip3o, ours, read_config
from sightline_runtime.models.sdxl import SdxlDecoder
from sightline_runtime.models.tokens import Tokens

if TYPE_CHECKING:
    from transformers import Qwen2VLImageProcessor

DECODER = "diffusion-decoder"


@dataclass(frozen=True)
class Release:
    """The parts of a loaded release, and the digest of its files."""

    model: Blip3o
    decoder: SdxlDecoder
    tokens: Tokens
    pictures: "Qwen2VLImageProcessor"
    digest: str


def read_json(path: Path) -> dict[str, Any]:
    """Read a configuration; raises ModelError that says which file is missing or damaged."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path.parent} has no {path.name}", hint="give the folder that the checkpoint was downloaded to"
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} is not a JSON object: {error}", hint="get the file again") from error


def load(folder: Path, *, device: str, dtype: torch.dtype) -> Release:
    """Load a release; raises ModelError if a file is missing, damaged or does not fit."""
    from transformers import Qwen2VLImageProcessor

    data = read_json(folder / "config.json")
    tensors = checkpoint.find(folder)
    tokens = Tokens.load(folder)
    parts = {part: folder / DECODER / part for part in ("unet", "vae")}
    found = {part: checkpoint.find(at, "diffusion_pytorch_model") for part, at in parts.items()}
    model = build(data, tensors)
    checkpoint.fill(model, tensors, ours, device=device, dtype=dtype, tied=model.tied)
    if model.tied:
        model.qwen.tie_weights()
    decoder = build_decoder(folder / DECODER)
    for part, network in (("unet", decoder.unet), ("vae", decoder.vae)):
        checkpoint.fill(network, found[part], lambda name: name, device=device, dtype=dtype)
    cut = folder / "preprocessor_config.json"
    pictures = Qwen2VLImageProcessor(**_cutting(read_json(cut) if cut.exists() else {}))
    paths = {path for group in (tensors, *found.values()) for path in group.files.values()}
    texts = [read_json(folder / "config.json"), read_json(folder / DECODER / "unet" / "config.json")]
    told = [checkpoint.sample_digest([*paths, folder / "tokenizer.json"]), texts]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    for module in (model, decoder):
        module.to(device).eval()  # buffers (rotary tables) go where the weights are
    return Release(model, decoder, tokens, pictures, digest)


def _cutting(data: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a preprocessor_config.json that say how large pictures are cut."""
    known = ("min_pixels", "max_pixels", "size", "patch_size", "temporal_patch_size", "merge_size")
    return {key: data[key] for key in known if data.get(key) is not None}


def build(data: Mapping[str, Any], tensors: checkpoint.Tensors) -> Blip3o:
    """The model of a release without weights: parameters on the meta device."""
    with init_empty_weights(include_buffers=False):
        return Blip3o(read_config(data, tensors.shapes))


def build_decoder(folder: Path) -> SdxlDecoder:
    """The diffusion decoder of a release without weights."""
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel

    unet, vae = (read_json(folder / part / "config.json") for part in ("unet", "vae"))
    schedule = read_json(folder / "scheduler" / "scheduler_config.json")
    try:
        with init_empty_weights(include_buffers=False):
            parts = UNet2DConditionModel.from_config(unet), AutoencoderKL.from_config(vae)
        return SdxlDecoder(*parts, EulerDiscreteScheduler.from_config(schedule))
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{folder} does not describe a diffusion decoder: {error}",
            hint="use the configuration files that came with the weights",
        ) from error
