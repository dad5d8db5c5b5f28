"""Noise that depends on (seed, stage, index) and on nothing else.

A counter-based generator (Philox) keyed by the three, drawn on the CPU in
float32: the same picture comes out alone, in a batch, on another device, or on
another replica. No global generator is read or moved.
"""

import hashlib

import numpy as np
import numpy.typing as npt


def _generator(seed: int, stage: str, index: int) -> np.random.Generator:
    key = hashlib.sha256(f"{seed}/{stage}/{index}".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def normal(seed: int, stage: str, shape: tuple[int, ...], index: int = 0) -> npt.NDArray[np.float32]:
    """Standard normal noise of a shape."""
    return _generator(seed, stage, index).standard_normal(shape, dtype=np.float32)


def gumbel(seed: int, stage: str, size: int, index: int) -> npt.NDArray[np.float32]:
    """Gumbel noise: added to log-probabilities, its arg max is a sample."""
    uniform = _generator(seed, stage, index).random(size)
    return (-np.log(-np.log(np.clip(uniform, 1e-12, 1 - 1e-12)))).astype(np.float32)
