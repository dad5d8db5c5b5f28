"""A folder in the released layout → BLIP3-o 4B or 8B, ready on a device.

    config.json, tokenizer.json, model-0000i-of-0000n.safetensors and their index
    diffusion-decoder/{unet,vae,scheduler}: config.json and safetensors each
    preprocessor_config.json                 how pictures are cut; Qwen2.5-VL's own without it

Everything is built on the meta device and filled shard by shard. The pipeline file
that comes with the decoder is code and is never run.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from accelerate import init_empty_weights
from torch import nn

from sightline_runtime.errors import ModelError
from sightline_runtime.models import checkpoint
from sightline_runtime.models.blip3o import TOWER, Blip3o, ours, read_config, released
from sightline_runtime.models.prompts import PAD
from sightline_runtime.models.quantise import quantise
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


@dataclass(frozen=True)
class Found:
    """A release on disk, all of its headers and configuration read, and none of its weights."""

    folder: Path
    data: dict[str, Any]
    model: checkpoint.Tensors
    decoder: Mapping[str, checkpoint.Tensors]
    tokens: Tokens

    @property
    def parameters(self) -> dict[str, int]:
        """How many parameters each part has; the parts are those of `placement`."""
        counts = dict.fromkeys(("layers", "backbone", "dit", "tower", "decoder"), 0)
        for name, shape in self.model.shapes.items():
            counts[_part(name)] += prod(shape)
        counts["decoder"] = sum(prod(s) for part in self.decoder.values() for s in part.shapes.values())
        return counts

    @property
    def digest(self) -> str:
        """A digest of all files that say how the model computes."""
        groups = (self.model, *self.decoder.values())
        paths = {path for group in groups for path in group.files.values()}
        texts = [self.data, _cutting(self.folder)] + [
            read_json(self.folder / DECODER / at)
            for at in ("unet/config.json", "vae/config.json", "scheduler/scheduler_config.json")
        ]
        told = [checkpoint.sample_digest([*paths, self.folder / "tokenizer.json"]), texts]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _part(name: str) -> str:
    if name.startswith("model.layers."):
        return "layers"
    if name.startswith(TOWER):
        return "tower"
    return "dit" if name.startswith(("model.dit.", "model.latent_queries")) else "backbone"


def read_json(path: Path) -> dict[str, Any]:
    """Read a configuration; raises ModelError that says which file is missing or damaged."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path.parent} has no {path.name}", hint="give the folder that the checkpoint was downloaded to"
        ) from error
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{path} is not a JSON object: {error}", hint="get the file again") from error


def find(folder: Path) -> Found:
    """Look at a release; raises ModelError if a file is missing or damaged."""
    data = read_json(folder / "config.json")
    model = checkpoint.find(folder)
    decoder = {
        part: checkpoint.find(folder / DECODER / part, "diffusion_pytorch_model") for part in ("unet", "vae")
    }
    return Found(folder, data, model, decoder, Tokens.load(folder))


def load(
    found: Found,
    *,
    device: str,
    dtype: torch.dtype,
    bits: Literal[16, 8, 4] = 16,
    moved: frozenset[str] = frozenset(),
) -> Release:
    """Load a release; raises ModelError if files do not fit each other.

    The backbone's layers are held in `bits`; the parts `moved` wait in the host's
    memory and come to the device group by group while they compute.
    """
    model, decoder = build(found.data, found.model), build_decoder(found.folder / DECODER)
    pictures = _pictures(found.folder)
    for problem in _misfits(model, decoder, found.tokens, pictures):
        raise ModelError(problem, hint="all files of the folder must come from one model")

    def place(name: str) -> str:
        return "cpu" if _part(released(name)) in moved else device

    def shrink() -> None:
        if bits != 16:
            quantise(model.qwen.model.language_model.layers, bits)

    checkpoint.fill(
        model,
        found.model,
        ours,
        stored=released,
        device=place,
        dtype=dtype,
        tied=model.tied,
        arrived=shrink,
    )
    if model.tied:
        model.qwen.tie_weights()
    at = "cpu" if "decoder" in moved else device
    for name, network in (("unet", decoder.unet), ("vae", decoder.vae)):
        # SDXL's VAE overflows in float16, which is black pictures: its configuration says so
        wide = dtype == torch.float16 and network.config.get("force_upcast", False)
        kind = torch.float32 if wide else dtype
        checkpoint.fill(network, found.decoder[name], str, device=lambda _: at, dtype=kind)
    _settle(model, decoder, device, moved)
    return Release(model, decoder, found.tokens, pictures, found.digest)


def _misfits(
    model: Blip3o, decoder: SdxlDecoder, tokens: Tokens, pictures: "Qwen2VLImageProcessor"
) -> Iterator[str]:
    """Parts that are whole each, and do not fit the others: found before the first picture shows it."""
    config = model.config
    vision: Any = config.qwen.vision_config
    words = int(config.qwen.get_text_config().vocab_size)
    if tokens.size > words:
        yield f"tokenizer.json has {tokens.size} words, the model {words}"
    if (there := tokens.id(PAD)) != config.qwen.image_token_id:
        yield f"{PAD} is word {there} of tokenizer.json, config.json says {config.qwen.image_token_id}"
    cut = (pictures.patch_size, pictures.temporal_patch_size, pictures.merge_size)
    seen = (vision.patch_size, vision.temporal_patch_size, vision.spatial_merge_size)
    if cut != seen:
        yield f"preprocessor_config.json cuts patches of {cut}, the vision tower sees {seen}"
    unet = decoder.unet.config
    taken = unet.cross_attention_dim if unet.encoder_hid_dim is None else unet.encoder_hid_dim
    if taken != config.dit.channels:
        yield f"the diffusion decoder takes features {taken} wide, they are {config.dit.channels} wide"


def _settle(model: Blip3o, decoder: SdxlDecoder, device: str, moved: frozenset[str]) -> None:
    """Bring buffers (rotary tables) to where the weights are; let the moved parts come by groups."""
    parts: tuple[tuple[str, nn.Module | None], ...]
    parts = (("backbone", model.qwen), ("dit", model.dit), ("dit", model.queries), ("tower", model.tower))
    for part, module in (*parts, ("decoder", decoder.unet), ("decoder", decoder.vae)):
        if module is not None and part not in moved:
            nn.Module.to(module, device)  # transformers' own refuses layers of fewer bits
        elif module is not None:
            by_groups(module, torch.device(device))
    model.eval()
    decoder.eval()


def by_groups(module: nn.Module, device: torch.device) -> None:
    """Let a module wait in the host's memory and come to the device layer by layer while it computes."""
    from diffusers.hooks import apply_group_offloading

    apply_group_offloading(
        module,
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=device.type == "cuda",
    )


def _pictures(folder: Path) -> "Qwen2VLImageProcessor":
    from transformers import Qwen2VLImageProcessor

    with checkpoint.describing(f"{folder / 'preprocessor_config.json'} does not say how pictures are cut"):
        made = Qwen2VLImageProcessor(**_cutting(folder))
        made([np.zeros((56, 56, 3), np.uint8)], return_tensors="pt", input_data_format="channels_last")
    return made


def _cutting(folder: Path) -> dict[str, Any]:
    """The settings of preprocessor_config.json that say how pictures are cut; none without the file."""
    path = folder / "preprocessor_config.json"
    data = read_json(path) if path.exists() else {}
    known = ("min_pixels", "max_pixels", "size", "patch_size", "temporal_patch_size", "merge_size")
    return {key: data[key] for key in known if data.get(key) is not None}


def build(data: Mapping[str, Any], tensors: checkpoint.Tensors) -> Blip3o:
    """The model of a release without weights: parameters on the meta device."""
    config = read_config(data, tensors.shapes)
    what = "config.json describes no model"
    with checkpoint.describing(what), init_empty_weights(include_buffers=False):
        return Blip3o(config)


def build_decoder(folder: Path) -> SdxlDecoder:
    """The diffusion decoder of a release without weights."""
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel

    unet, vae = (read_json(folder / part / "config.json") for part in ("unet", "vae"))
    schedule = read_json(folder / "scheduler" / "scheduler_config.json")
    with checkpoint.describing(f"{folder} does not describe a diffusion decoder"):
        with init_empty_weights(include_buffers=False):
            parts = UNet2DConditionModel.from_config(unet), AutoencoderKL.from_config(vae)
        decoder = SdxlDecoder(*parts, EulerDiscreteScheduler.from_config(schedule))
        decoder.rehearse()
        return decoder
