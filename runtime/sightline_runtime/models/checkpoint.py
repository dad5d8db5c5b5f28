"""Safetensors on disk → a module's parameters, file by file, straight to their device.

A checkpoint is one safetensors file, or several with an index that says which
tensor lies where. Headers are read first: what is missing, not expected or of
another shape is known, and named in full, before any weight is read. Pickled
weights are never opened: opening one can run any code.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from sightline_runtime.errors import ModelError
from sightline_runtime.models.catalogue import HOW_TO_CONVERT, pickles_only

_PIECE = 4096
"""Bytes of a tensor that are digested at a time."""

_AGAIN = "download or copy the folder again; what is whole is kept"


@dataclass(frozen=True)
class Tensors:
    """Where the tensors of a checkpoint lie, and their shapes; no weight is read yet."""

    folder: Path
    files: Mapping[str, Path]
    shapes: Mapping[str, tuple[int, ...]]

    def renamed(self, rename: Callable[[str], str | None]) -> dict[str, str]:
        """Our name → stored name, of the tensors that `rename` gives one."""
        return {new: old for old in self.files if (new := rename(old)) is not None}


def find(folder: Path, stem: str = "model") -> Tensors:
    """Find the tensors of `stem` in a folder: `<stem>.safetensors`, or shards with an index.

    A precision in the name ("<stem>.bf16.safetensors") is read where the plain file is not there.
    Raises ModelError if there is no such file, or a shard is missing or cut short.
    """
    for variant in ("", ".bf16", ".fp16"):
        for index in (f"{stem}.safetensors.index{variant}.json", f"{stem}{variant}.safetensors.index.json"):
            if (folder / index).is_file():
                return _indexed(folder, folder / index)
        if (folder / f"{stem}{variant}.safetensors").is_file():
            return _headers(folder, [folder / f"{stem}{variant}.safetensors"])
    if pickles := pickles_only([path.name for path in _listed(folder)]):
        raise ModelError(f"{folder} holds its weights only in {', '.join(pickles)}", hint=HOW_TO_CONVERT)
    raise ModelError(
        f"{folder} has no weights: neither {stem}.safetensors nor {stem}.safetensors.index.json is there",
        hint="give the folder that the checkpoint was downloaded to",
    )


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _indexed(folder: Path, index: Path) -> Tensors:
    try:
        places = {str(k): str(v) for k, v in json.loads(index.read_text())["weight_map"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index} is not an index of shards: {error!r}", hint=_AGAIN) from error
    shards = sorted(set(places.values()))
    missing = [shard for shard in shards if Path(shard).name != shard or not (folder / shard).is_file()]
    if missing:
        raise ModelError(
            f"{index.name} names {len(shards)} shards, of which {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not in {folder}",
            hint=_AGAIN,
        )
    tensors = _headers(folder, [folder / shard for shard in shards])
    lost = sorted(n for n, shard in places.items() if tensors.files.get(n) != folder / shard)
    if lost:
        raise ModelError(f"the shards do not hold what {index.name} says: {', '.join(lost)}", hint=_AGAIN)
    return tensors


def _headers(folder: Path, paths: list[Path]) -> Tensors:
    files: dict[str, Path] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for path in paths:
        with opened(path) as file:
            for name in file.keys():  # noqa: SIM118
                files[name] = path
                shapes[name] = tuple(file.get_slice(name).get_shape())
    return Tensors(folder, files, shapes)


def opened(path: Path, device: str = "cpu") -> safe_open:
    """Open a safetensors file; raises ModelError if it is cut short or none at all."""
    try:
        return safe_open(path, framework="pt", device=device)
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} ({path.stat().st_size if path.exists() else 0} bytes) is not a whole "
            f"safetensors file: {error}",
            hint=_AGAIN,
        ) from error


def fill(  # noqa: PLR0913 - names, places and number types differ from part to part
    module: nn.Module,
    tensors: Tensors,
    rename: Callable[[str], str | None],
    *,
    stored: Callable[[str], str] | None = None,
    device: Callable[[str], str] = lambda name: "cpu",
    dtype: torch.dtype | None = None,
    tied: frozenset[str] = frozenset(),
    arrived: Callable[[], None] = lambda: None,
) -> None:
    """Put a checkpoint's tensors into a module built on the meta device.

    `rename` gives a stored name ours, or None to leave the tensor out; `stored` gives it
    back, for errors name what is in the files. Floating
    tensors become `dtype` (None: as stored). One shard at a time is read, straight
    to the device of each name; `arrived` is called after each. `tied` names parameters that another
    one stands for. Raises ModelError, before reading a weight, if names or shapes do not fit.
    """
    names = tensors.renamed(rename)
    expected = {n: tuple(t.shape) for n, t in module.state_dict().items() if n not in tied}

    def spelled(new: str) -> str:
        return new if stored is None else names.get(new) or stored(new)

    compare(
        {spelled(new): shape for new, shape in expected.items()},
        {spelled(new): tensors.shapes[old] for new, old in names.items() if new not in tied},
    )
    for path in sorted(set(tensors.files.values())):
        inside = {new: old for new, old in names.items() if tensors.files[old] == path and new in expected}
        for there in sorted({device(new) for new in inside}):
            part = {new: old for new, old in inside.items() if device(new) == there}
            module.load_state_dict(dict(_read(path, part, there, dtype)), strict=False, assign=True)
        arrived()
    module.requires_grad_(False)


def _read(
    path: Path, names: Mapping[str, str], device: str, dtype: torch.dtype | None
) -> Iterator[tuple[str, Tensor]]:
    with opened(path, device) as file:
        for new, old in names.items():
            tensor: Tensor = file.get_tensor(old)
            kind = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
            yield new, tensor.to(kind, copy=device == "cpu")  # a copy: the file may change later


def compare(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ModelError that names, in full, what is missing, not expected, or of another shape."""
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    wrong = [
        f"{n} {list(found[n])} instead of {list(expected[n])}"
        for n in sorted(expected.keys() & found.keys())
        if expected[n] != found[n]
    ]
    told = {"missing": missing, "not expected": extra, "of another shape": wrong}
    if any(told.values()):
        parts = [f"{what}: {', '.join(names)}" for what, names in told.items() if names]
        raise ModelError(
            f"the weights do not fit the configuration. {'. '.join(parts)}",
            hint="config.json and all weight files must come from one model",
        )


@contextmanager
def describing(what: str) -> Iterator[None]:
    """Make one ModelError of whatever the libraries raise over a configuration: a field can hold anything."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{what}: {type(error).__name__}: {' '.join(str(error).split())}",
            hint="use the configuration files that came with the weights",
        ) from error


def shapes_of(shapes: Mapping[str, tuple[int, ...]], *names: str) -> list[tuple[int, ...]]:
    """The shapes of tensors that tell a part's sizes; raises ModelError that names those that are missing."""
    if missing := [name for name in names if name not in shapes]:
        raise ModelError(
            f"the checkpoint lacks tensors that tell its sizes: {', '.join(missing)}",
            hint="give a whole BLIP3-o checkpoint, not its backbone alone",
        )
    return [shapes[name] for name in names]


def sample_digest(paths: Iterable[Path]) -> str:
    """Digest files by name, size and content; of weights the header and pieces of every tensor.

    Tens of gigabytes are told apart in a second, a finetuning of one tensor too. It is no proof
    against someone who changes weights between the pieces.
    """
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.name}/{path.stat().st_size}/".encode())
        with path.open("rb") as file:
            for piece in _pieces(file) if path.suffix == ".safetensors" else (file.read(),):
                digest.update(piece)
    return digest.hexdigest()


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """The header of a safetensors file, then beginning, middle and end of every tensor."""
    length = int.from_bytes(file.read(8), "little")
    header = file.read(length)
    yield header
    told = {name: entry for name, entry in json.loads(header).items() if name != "__metadata__"}
    for first, last in sorted(entry["data_offsets"] for entry in told.values()):
        for at in (first, (first + last - _PIECE) // 2, last - _PIECE):
            file.seek(8 + length + max(at, first))
            yield file.read(min(_PIECE, last - first))
