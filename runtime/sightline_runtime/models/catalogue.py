"""The models that have a name: where they are published, what they are made of, what they need.

Data, and what makes a folder whole; neither torch nor the hub's library is imported. Parameters are counted
on the published configurations; sizes follow from them (2 bytes each, as published) and are "about".
The licence stands at each part, as the parts come from different places; where none is given it is unknown.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

FETCHED = ("*.json", "*.safetensors", "*.jinja", "*merges.txt", "*vocab.txt", "*tokenizer.model")
"""What is fetched of a repository: configuration, weights, tokenizer; never a pickle, never code."""

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Endings of files that run code when they are opened: they are never read."""

HOW_TO_CONVERT = (
    "pickles are never read, because opening one runs code: on a machine that you trust, read it with "
    "torch's weights_only loader, write it with safetensors.torch.save_file, and give the folder of that"
)

Precision = Literal["bf16", "int8", "int4"]
PRECISIONS: tuple[Precision, ...] = ("bf16", "int8", "int4")

_BYTES: dict[Precision, float] = {"bf16": 2.0, "int8": 1.02, "int4": 0.57}
"""Bytes of a weight with its scales, as the engine counts them when it places the parts."""

_WORKING = 3 * 10**9
"""Bytes for what is computed on the way to one picture of 1024 × 1024 pixels, estimated."""

_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Part:
    """A piece of a model: parameters, licence, whether it is loaded, whether fewer bits can hold it."""

    name: str
    parameters: int
    licence: str = _UNKNOWN
    loaded: bool = True
    reducible: bool = False


@dataclass(frozen=True)
class Model:
    """A named model; `hub_id` is None for the one that ships in the package.

    `needs` are patterns of files without which a folder is not the model; `variants` are
    other trainings of it that are published under their own ids.
    """

    name: str
    does: str
    hub_id: str | None
    parts: tuple[Part, ...]
    needs: tuple[str, ...] = ("config.json", "*.safetensors")
    variants: tuple[str, ...] = ()
    on_cpu: bool = False

    @property
    def download_bytes(self) -> int:
        """About how much is fetched; 0 for the model in the package."""
        return 0 if self.hub_id is None else 2 * sum(part.parameters for part in self.parts)

    def gpu_bytes(self, precision: Precision) -> int:
        """About how much memory of an accelerator one picture at a time needs; 0 where none is needed.

        An estimate: the loaded parts and a fixed sum for what is computed. Below bf16 only the
        language backbone's layers are stored in fewer bits; everything else stays bf16.
        """
        if self.on_cpu:
            return 0
        loaded = [part for part in self.parts if part.loaded]
        each = (part.parameters * (_BYTES[precision] if part.reducible else 2) for part in loaded)
        return round(sum(each)) + _WORKING


_RESEARCH = "Qwen Research: not commercial"
_DIT = "DiT and latent queries"
_EVA = Part("EVA-CLIP, for training only", 4_350_208_256, "MIT", loaded=False)
_DECODER = (
    Part("diffusion decoder", 2_525_520_644, "unknown; EMU2: research only"),
    Part("SDXL VAE", 83_653_863, "OpenRAIL++"),
)
_PAINTED = (
    "config.json",
    "model*.safetensors",
    "diffusion-decoder/unet/*.safetensors",
    "diffusion-decoder/vae/*.safetensors",
)

_MODELS = (
    Model(
        name="embedded",
        does="looks, draws, edits in a world of shapes, 64 × 64 pixels, on any CPU",
        hub_id=None,
        parts=(Part("all parts, trained here", 16_700_000, "Apache-2.0"),),
        needs=("config.json", "tokenizer.json", "*.safetensors"),
        on_cpu=True,
    ),
    Model(
        name="blip3o-4b",
        does="looks, draws, edits; 1024 × 1024 pixels",
        hub_id="BLIP3o/BLIP3o-Model-4B",
        parts=(
            Part("Qwen2.5-VL-3B layers", 2_774_773_760, _RESEARCH, reducible=True),
            Part("Qwen2.5-VL-3B embeddings", 311_164_928, _RESEARCH),
            Part("Qwen2.5-VL-3B vision tower", 668_684_288, _RESEARCH),
            Part(_DIT, 1_362_257_824 + 64 * 2048),
            *_DECODER,
            _EVA,
        ),
        needs=_PAINTED,
    ),
    Model(
        name="blip3o-8b",
        does="the same with a larger backbone",
        hub_id="BLIP3o/BLIP3o-Model-8B",
        parts=(
            Part("Qwen2.5-VL-7B layers", 6_525_621_760, "Apache-2.0", reducible=True),
            Part("Qwen2.5-VL-7B embeddings, head", 2 * 544_997_376, "Apache-2.0"),
            Part("Qwen2.5-VL-7B vision tower", 676_550_144, "Apache-2.0"),
            Part(_DIT, 1_365_010_336 + 64 * 3584),
            *_DECODER,
            _EVA,
        ),
        needs=_PAINTED,
    ),
    Model(
        name="blip3o-next-3b",
        does="draws by way of image tokens; 1024 × 1024 pixels",
        hub_id="BLIP3o/BLIP3o-NEXT-SFT",
        parts=(
            Part("Qwen3 layers", 440_467_456, "unknown; Qwen3: Apache-2.0", reducible=True),
            Part("Qwen3 embeddings", 222_696_448, "unknown; Qwen3: Apache-2.0"),
            Part("TA-Tok image tokenizer", 506_229_664, "unknown; SigLIP2: Apache-2.0"),
            Part("SANA transformer", 1_604_641_952, "unknown; SANA: NVIDIA's own"),
            Part("DC-AE autoencoder", 312_250_275, "NVIDIA's own"),
        ),
        variants=("BLIP3o/BLIP3o-NEXT-Pretrain", "BLIP3o/BLIP3o-NEXT-GRPO-Geneval"),
    ),
)

CATALOGUE: dict[str, Model] = {model.name: model for model in _MODELS}
"""Every named model, in the order in which they are listed."""


def by_hub_id(hub_id: str) -> Model | None:
    """The named model that a hub id is, or is a variant of."""
    return next((m for m in _MODELS if hub_id == m.hub_id or hub_id in m.variants), None)


def unmet(files: Collection[str], needs: Collection[str]) -> list[str]:
    """The patterns that no file meets, of paths relative to the model's folder."""
    return [need for need in needs if not any(fnmatch(file, need) for file in files)]


def lacking(folder: Path, needs: Collection[str]) -> list[str]:
    """What keeps a folder from being whole: needed files, and files that its indexes of weights name."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    indexes = [file for file in files if fnmatch(file, "*.safetensors.index*.json")]
    indexed = {name for index in indexes for name in _indexed(folder, index)}
    return [*unmet(files, needs), *sorted(indexed.difference(files))]


def _indexed(folder: Path, index: str) -> Iterator[str]:
    """The weight files that an index names, relative to the model's folder."""
    try:
        names = json.loads((folder / index).read_text())["weight_map"].values()
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        yield f"a readable {index}"
        return
    for name in set(names):
        yield (Path(index).parent / str(name)).as_posix()


def pickles_only(files: Collection[str]) -> list[str]:
    """The pickles among files that hold no safetensors; empty where there are safetensors."""
    if any(file.endswith(".safetensors") for file in files):
        return []
    return sorted(file for file in files if file.endswith(PICKLES))
