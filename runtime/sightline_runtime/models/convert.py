"""Our model folders in the layout of the released checkpoints, and back.

    ours                        released
    model-…-of-….safetensors    model-…-of-….safetensors, model.safetensors.index.json   released key names
                                diffusion-decoder/…                                      what paints pixels
    config.json                 config.json       the released names for the sizes; ours whole, in "sightline"
    tokenizer.json              tokenizer.json    the same bytes

Weights keep their bits: there and back is the same model, with the same fingerprint. What the release has
no name for (projector, connector, feature statistics) stands under `model.` with our own name.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from sightline_runtime.errors import InputError, ModelError, NotFoundError
from sightline_runtime.models import weights
from sightline_runtime.models.catalogue import HOW_TO_CONVERT, pickles_only
from sightline_runtime.models.unified import UnifiedConfig
from sightline_runtime.models.words import Words

Layout = Literal["released", "embedded"]

SHARD_LIMIT = 4 * 10**9
"""Bytes of tensors in one weights file of the released layout."""

_MODEL_TYPE = "sightline_unified"
_INDEX = "model.safetensors.index.json"
_PAINTER = "diffusion_pytorch_model.safetensors"
_WHOLE = "convert the model again; these files are not as they were written"

_NAMES = (
    ("backbone.embed_tokens.", "model.embed_tokens."),
    ("backbone.layers.", "model.layers."),
    ("backbone.norm.", "model.norm."),
    ("backbone.lm_head.", "lm_head."),
    ("queries.latent_queries", "model.latent_queries"),
    ("dit.", "model.dit.model."),
    ("clip.", "model.gen_vision_tower.vision_tower.model."),
    ("vae.", "diffusion-decoder/vae/"),
    ("decoder.", "diffusion-decoder/"),
    ("", "model."),
)
"""Beginnings of our names and of the released ones, the longer first; before a slash stands a folder."""

# --- names -----------------------------------------------------------------------------------


def to_released(name: str) -> str:
    """The released name of one of our weights, with its folder; ModelError if it could not be read back."""
    renamed = _swapped(name, 0, 1)
    if renamed is None or "/" in name or _swapped(renamed, 1, 0) != name:
        raise ModelError(
            f"the released layout has no place for a weight named {name!r}", hint="name that part differently"
        )
    return renamed


def to_ours(name: str) -> str | None:
    """Our name of a released weight, None if it is none that `to_released` gives."""
    renamed = _swapped(name, 1, 0)
    return renamed if renamed is not None and _swapped(renamed, 0, 1) == name else None


def _swapped(name: str, before: int, after: int) -> str | None:
    """The name with the beginning of one column of the table in place of the other's."""
    found = next((pair for pair in _NAMES if name.startswith(pair[before])), None)
    return None if found is None else found[after] + name.removeprefix(found[before])


# --- which layout ----------------------------------------------------------------------------


def is_converted(config: Mapping[str, object]) -> bool:
    """Whether a config.json is that of one of our models in the released layout."""
    return isinstance(config.get("sightline"), dict)


def layout(folder: Path) -> Layout:
    """In which layout a model folder of ours is; an error that says what it is instead if it is none."""
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {folder}", hint="give a model folder, or 'embedded'")
    config = _config(folder)
    if is_converted(config):
        return "released"
    if "family" in config and "files" in config:
        return "embedded"
    if str(config.get("model_type", "")).startswith("blip3o"):
        raise InputError(
            f"{folder} is a released checkpoint already, of another architecture than ours",
            hint="load it as it is; only models trained by this project are converted",
        )
    kind = config.get("model_type")
    raise ModelError(
        f"{folder / 'config.json'} describes no model of this project (model_type {kind!r})",
        hint="give a folder that training, or an earlier conversion, has written",
    )


def _config(folder: Path) -> dict[str, Any]:
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    if pickles := pickles_only(files):
        raise ModelError(f"{folder} holds its weights only in {', '.join(pickles)}", hint=HOW_TO_CONVERT)
    try:
        found = json.loads((folder / "config.json").read_text())
        if not isinstance(found, dict):
            raise ValueError("it is not an object")
        return found
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} is not a model folder: it has no config.json",
            hint="give the folder that holds config.json",
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'config.json'} cannot be read: {error}", hint=_WHOLE) from error


# --- there and back --------------------------------------------------------------------------


def convert(source: Path, target: Path, *, to: Layout | None = None, force: bool = False) -> Layout:
    """Write a model folder into another one in the other layout, or in `to`; gives the layout written.

    Raises InputError if the source is in that layout already or the target holds something
    (`force` replaces a model in it and leaves other files), ModelError if the source is damaged.
    """
    found = layout(source)
    wanted: Layout = to or ("embedded" if found == "released" else "released")
    if wanted == found:
        raise InputError(f"{source} is in the {found} layout already", hint="copy the folder")
    _check_target(source, target, force)
    try:
        if wanted == "released":
            _release(source, target)
        else:
            _take_back(source, target)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{target} cannot be written: {error}", hint="give a folder that can, on a disk with room"
        ) from error
    return wanted


@contextmanager
def opened(folder: Path) -> Iterator[Path]:
    """A converted folder in our own layout, for as long as the block lasts; errors name the folder itself."""
    with TemporaryDirectory(prefix="sightline-") as scratch:
        own = Path(scratch) / folder.resolve().name
        try:
            _unpack(folder, own)
            yield own
        except ModelError as error:
            message = error.message.replace(str(own), str(folder))
            raise ModelError(message, hint=error.hint) from error


def read(folder: Path) -> tuple[UnifiedConfig, dict[str, Tensor], Words, str]:
    """Read a converted folder as `weights.read` reads one of ours: the digest is that of the original."""
    with opened(folder) as own:
        return weights.read(own)


def _check_target(source: Path, target: Path, force: bool) -> None:
    inside = source.resolve() in (target.resolve(), *target.resolve().parents)
    if inside or (target.exists() and not target.is_dir()):
        what = "lies in the source" if inside else "is a file"
        raise InputError(f"the destination {target} {what}", hint="give a new folder")
    if target.is_dir() and any(target.iterdir()) and not force:
        raise InputError(
            f"the destination {target} is not empty",
            hint="give a new folder, or --force to replace the model",
        )


def _clear(folder: Path) -> None:
    """Remove a model from a folder, and nothing else; config.json first, so that no half is taken for one."""
    for pattern in (
        "config.json",
        "tokenizer.json",
        _INDEX,
        "*.safetensors",
        "diffusion-decoder/**/" + _PAINTER,
    ):
        for path in folder.glob(pattern):
            path.unlink()


# --- ours → released -------------------------------------------------------------------------


def _release(source: Path, target: Path) -> None:
    config, state, _, _ = weights.read(source)
    placed: dict[str, dict[str, Tensor]] = {}
    for name in sorted(state):
        folder, _, key = to_released(name).rpartition("/")
        placed.setdefault(folder, {})[key] = state[name].contiguous()
    target.mkdir(parents=True, exist_ok=True)
    _clear(target)
    files = _write_shards(target, placed.pop(""))
    for folder, tensors in placed.items():
        (target / folder).mkdir(parents=True, exist_ok=True)
        files |= _write(target, f"{folder}/{_PAINTER}", tensors)
    shutil.copyfile(source / "tokenizer.json", target / "tokenizer.json")
    told = _described(config) | {"sightline": {"config": config.to_json(), "files": files}}
    (target / "config.json").write_text(json.dumps(told, indent=1) + "\n")


def _write_shards(target: Path, tensors: dict[str, Tensor]) -> dict[str, str]:
    """Write the main weights and their index; gives the digest of each file."""
    shards: list[dict[str, Tensor]] = [{}]
    for key, tensor in tensors.items():
        if shards[-1] and sum(t.nbytes for t in shards[-1].values()) + tensor.nbytes > SHARD_LIMIT:
            shards.append({})
        shards[-1][key] = tensor
    names = [f"model-{number:05d}-of-{len(shards):05d}.safetensors" for number in range(1, len(shards) + 1)]
    index = {
        "metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())},
        "weight_map": {key: name for name, shard in zip(names, shards, strict=True) for key in shard},
    }
    (target / _INDEX).write_text(json.dumps(index, indent=1) + "\n")
    files: dict[str, str] = {}
    for name, shard in zip(names, shards, strict=True):
        files |= _write(target, name, shard)
    return files


def _write(target: Path, name: str, tensors: dict[str, Tensor]) -> dict[str, str]:
    save_file(tensors, target / name, metadata={"format": "pt"})
    return {name: hashlib.sha256((target / name).read_bytes()).hexdigest()}


def _described(config: UnifiedConfig) -> dict[str, object]:
    """The sizes under the names that the release uses."""
    backbone = config.backbone
    return {
        "model_type": _MODEL_TYPE,
        "vocab_size": backbone.vocabulary,
        "hidden_size": backbone.width,
        "num_hidden_layers": backbone.layers,
        "num_attention_heads": backbone.heads,
        "num_key_value_heads": backbone.kv_heads,
        "intermediate_size": backbone.ffn_width,
        "rope_theta": backbone.rope_theta,
        "rms_norm_eps": backbone.eps,
        "tie_word_embeddings": backbone.tied,
        "n_query": config.queries.count,
        "gen_hidden_size": config.clip.output_width,
    }


# --- released → ours -------------------------------------------------------------------------


def _take_back(source: Path, target: Path) -> None:
    with opened(source) as own:
        weights.read(own)  # whole and fitting, before anything in the target is replaced
        target.mkdir(parents=True, exist_ok=True)
        _clear(target)
        shutil.copytree(own, target, dirs_exist_ok=True)


def _unpack(source: Path, own: Path) -> None:
    """Write a converted folder in our own layout; ModelError if a file or a name is not what it was."""
    told = _config(source).get("sightline")
    try:
        config = UnifiedConfig.from_json(dict(cast(dict[str, Any], told)["config"]))
        files = {str(name): str(digest) for name, digest in cast(dict[str, Any], told)["files"].items()}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{source / 'config.json'} does not describe a model: {error!r}", hint=_WHOLE
        ) from error
    found: dict[str, Tensor] = {}
    for name, digest in files.items():
        found |= _read_file(source, name, digest)
    state = _renamed(source, found)
    words = Words.load(source / "tokenizer.json")
    try:
        weights.save(own, config, state, words)
        shutil.copyfile(source / "tokenizer.json", own / "tokenizer.json")
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{source} needs room for a copy while it is read: {error}", hint="set TMPDIR to a disk with room"
        ) from error


def _read_file(source: Path, name: str, digest: str) -> dict[str, Tensor]:
    """The tensors of one weights file, by released name with its folder."""
    folder, slash, _ = name.rpartition("/")
    try:
        data = (source / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError("it is not the one config.json names, its digest differs")
        return {folder + slash + key: tensor for key, tensor in load(data).items()}
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"weights file {source / name} cannot be used: {error}", hint=_WHOLE) from error


def _renamed(source: Path, found: dict[str, Tensor]) -> dict[str, Tensor]:
    names = {name: to_ours(name) for name in found}
    if unknown := sorted(name for name, ours in names.items() if ours is None):
        raise ModelError(f"{source} holds weights with unknown names: {', '.join(unknown)}", hint=_WHOLE)
    return {cast(str, names[name]): tensor for name, tensor in found.items()}
