"""Where the parts of a large model go, and in how many bits, so that they fit a device.

The first way that fits is picked: everything on the device as released; then the
EVA tower, which only embedding runs, waiting in the host's memory and moved in group
by group; then the diffusion decoder too, which costs time but changes nothing; then the
backbone's layers in 8 or 4 bits, which changes results a little; last everything moved
in by groups. What was picked is said.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from sightline_runtime.errors import InputError, ModelError

Bits = Literal[16, 8, 4]
PARTS = ("layers", "backbone", "dit", "tower", "decoder")
"""`layers` are the backbone's decoder layers, which fewer bits can hold; `backbone` is the rest of it."""

BYTES = {16: 2.0, 8: 1.02, 4: 0.57}
"""Bytes of a weight with its scales."""
_GROUP = 11 * 10**8
"""Bytes of the largest group that is moved in: the word embeddings of the 8B. One is there at a time."""
LESS = 'load it with memory="…GB", less than is free, or quantize="int8" or "int4"; or free some'
"""What to do when a device ran full."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Wish:
    """What a caller asks for: device, number type ("auto" or a name), bits, bytes that may be used."""

    device: str = "cpu"
    dtype: str = "auto"
    bits: Bits | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Placement:
    """What was picked: number type, bits of the backbone's layers, parts moved in by groups."""

    device: str
    dtype: torch.dtype
    bits: Bits
    moved: frozenset[str]
    needs: int
    room: int | None

    def __str__(self) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        layers = f"backbone layers in {self.bits} bits, the rest " if self.bits != 16 else ""
        moved = f", {' and '.join(sorted(self.moved))} moved in by groups" if self.moved else ""
        of = "" if self.room is None else f" of {_gb(self.room)}"
        return f"{layers}{kind} on {self.device}{moved}; about {_gb(self.needs)}{of}"


def parse_memory(text: str | int | None) -> int | None:
    """ "16GB", "16 GiB" or a number of bytes → bytes; raises InputError for anything else."""
    if text is None or (isinstance(text, int) and text > 0):
        return text
    units = {"GB": 10**9, "GIB": 2**30, "MB": 10**6, "MIB": 2**20}
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([GM]i?B)\s*", str(text), re.IGNORECASE)
    if match is None or float(match[1]) == 0:
        raise InputError(f"memory is {text!r}", hint='say it as "16GB", or as a number of bytes')
    return int(float(match[1]) * units[match[2].upper()])


def free(device: str) -> int | None:
    """Bytes that are free on a device; None where nobody can tell."""
    kind = torch.device(device).type
    if kind == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if kind == "cpu":
        import psutil

        return int(psutil.virtual_memory().available)
    return None


def pick(wish: Wish, parameters: Mapping[str, int], *, working: int) -> Placement:
    """Pick a placement for parts of so many parameters and `working` bytes of activations.

    Raises InputError for a number type that there is not, ModelError if nothing fits.
    """
    if wish.dtype != "auto" and wish.dtype not in _DTYPES:
        raise InputError(f"dtype is {wish.dtype!r}", hint=f"use auto or one of {', '.join(_DTYPES)}")
    room = free(wish.device) if wish.memory is None else wish.memory
    tried = list(_candidates(wish, parameters, working, room))
    for placement in tried:
        if room is None or placement.needs <= room:
            return placement
    least = min(tried, key=lambda placement: placement.needs)
    raise ModelError(
        f"the model does not fit {_gb(room or 0)} on {wish.device}: the least it can do with is "
        f"{_gb(least.needs)} ({least})",
        hint=_hint(wish),
    )


def _hint(wish: Wish) -> str:
    if wish.memory is not None:
        return "give it more memory, or use a smaller model"
    if wish.bits is None and wish.dtype == "auto":
        return "free some memory, use a device with more, or a smaller model"
    return "leave dtype and quantize to be picked, free some memory, or use a smaller model"


def _candidates(
    wish: Wish, parameters: Mapping[str, int], working: int, room: int | None
) -> Iterator[Placement]:
    """Ways to place the parts, the most faithful and fastest first."""
    cpu = torch.device(wish.device).type == "cpu"
    if wish.dtype != "auto":
        dtypes = [_DTYPES[wish.dtype]]
    else:
        dtypes = [torch.float32, torch.bfloat16] if cpu and wish.bits is None else [torch.bfloat16]
    widths: list[Bits] = [16, 8, 4] if wish.bits is None else [wish.bits]
    away: list[frozenset[str]] = [frozenset()]
    if not cpu:
        away += [frozenset({"tower"}), frozenset({"decoder", "tower"})]  # no picture needs the tower
    ways = [(widths[0], moved, dtype) for dtype in dtypes for moved in away]
    ways += [(bits, moved, dtypes[-1]) for bits in widths[1:] for moved in away]
    if not cpu and widths[0] == 16:
        ways.append((16, frozenset({"decoder", "tower", "layers", "backbone"}), dtypes[-1]))
    for bits, moved, dtype in ways:
        there = frozenset(part for part in moved if parameters.get(part))
        needs = int(_needed(parameters, bits, there, dtype) + working)
        yield Placement(wish.device, dtype, bits, there, needs, room)


def _needed(parameters: Mapping[str, int], bits: Bits, moved: frozenset[str], dtype: torch.dtype) -> float:
    total = float(_GROUP) if moved else 0.0
    for part, count in parameters.items():
        if part not in moved:
            total += count * (BYTES[bits] if part == "layers" and bits != 16 else float(dtype.itemsize))
    return total


def brief(error: BaseException) -> str:
    """The first line of an error."""
    return str(error).strip().partition("\n")[0]


def _gb(number: int) -> str:
    return f"{number / 10**9:.1f} GB"
