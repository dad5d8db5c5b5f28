"""Model folders: config.json, tokenizer.json and safetensors files; nothing else is read.

Weights are stored in float16 in files of at most 16 MiB and used in float32.
The fingerprint digests configuration, weights, tokenizer, and what computes: torch, the device, and
diffusers where it does a part of it.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sightline_runtime.errors import ModelError
from sightline_runtime.models import checkpoint
from sightline_runtime.models.fits import problems
from sightline_runtime.models.unified import UnifiedConfig, UnifiedModel
from sightline_runtime.models.words import Words

FILE_LIMIT = 15 * 2**20
"""Bytes of tensors per file."""

_ONE_MODEL = "all files of the folder must come from one model"
_REINSTALL = "install the model again; its files are not whole"


def metadata(path: Path) -> dict[str, str]:
    """The text stored in a safetensors file's header."""
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def save(folder: Path, config: UnifiedConfig, state: dict[str, Tensor], words: Words) -> None:
    """Write a model folder; old weight files in it are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    shards: list[dict[str, Tensor]] = [{}]
    room = FILE_LIMIT
    for name in sorted(state):
        tensor = state[name].detach().cpu().to(torch.float16).contiguous()
        if tensor.nbytes > room:
            shards.append({})
            room = FILE_LIMIT
        shards[-1][name] = tensor
        room -= tensor.nbytes
    for old in folder.glob("*.safetensors"):
        old.unlink()
    index = {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, folder / name)
        index[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    words.save(folder / "tokenizer.json")
    (folder / "config.json").write_text(json.dumps(config.to_json() | {"files": index}, indent=1) + "\n")


def _read_config(folder: Path) -> tuple[UnifiedConfig, dict[str, str]]:
    path = folder / "config.json"
    try:
        data: dict[str, Any] = dict(json.loads(path.read_text()))
        files = {str(name): str(digest) for name, digest in dict(data.pop("files")).items()}
        config = UnifiedConfig.from_json(data)
        for problem in problems(config):
            raise ValueError(problem)
        return config, files
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} is not a model folder: it has no config.json",
            hint="give the folder that holds config.json",
        ) from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", hint=_REINSTALL) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} does not describe a model: {error}", hint=_REINSTALL) from error


def _read_file(path: Path, digest: str) -> dict[str, Tensor]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"weights file {path} cannot be read: {error.strerror}", hint=_REINSTALL) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelError(
            f"weights file {path} is not the one config.json names: its digest differs", hint=_REINSTALL
        )
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ModelError(f"{path} is not a safetensors file: {error}", hint=_REINSTALL) from error


def read(folder: Path) -> tuple[UnifiedConfig, dict[str, Tensor], Words, str]:
    """Read a model folder: configuration, float16 weights by name, tokenizer, digest of all of them.

    Raises ModelError if a file is missing, damaged, or does not fit the others.
    """
    config, files = _read_config(folder)
    state: dict[str, Tensor] = {}
    for name, digest in files.items():
        state |= _read_file(folder / name, digest)
    model = _built(config, "meta")  # sizes alone: nothing is computed
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    checkpoint.compare(expected, {name: tuple(tensor.shape) for name, tensor in state.items()})
    words = Words.load(folder / "tokenizer.json")
    if words.size != config.backbone.vocabulary:
        raise ModelError(
            f"tokenizer.json has {words.size} words, the model {config.backbone.vocabulary}", hint=_ONE_MODEL
        )
    told = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    return config, state, words, _digest([config.to_json(), files, told])


def _digest(content: list[object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _built(config: UnifiedConfig, device: str) -> UnifiedModel:
    try:
        with torch.device(device):
            return UnifiedModel(config)
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"config.json describes no model: {error!r}", hint=_REINSTALL) from error


def load(folder: Path, device: str = "cpu") -> tuple[UnifiedModel, Words, str]:
    """Read a model folder: the model in float32 on the device, its tokenizer, its fingerprint.

    Raises ModelError if a file is missing, damaged, or does not fit the configuration.
    """
    config, state, words, digest = read(folder)
    model = _built(config, "cpu")
    model.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    computes = [str(torch.__version__), torch.device(device).type]
    if config.vae is not None:
        computes.append(version("diffusers"))
    fingerprint = _digest([digest, *computes])
    return model.to(device).eval(), words, fingerprint
