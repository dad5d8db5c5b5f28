"""Flow matching: between noise and CLIP features along straight paths.

Conventions of the released model (paper section 3; public training code): σ runs
from 1 (noise) to 0 (features); x_σ = (1 − σ)·features + σ·noise; the network
learns the velocity noise − features; the timestep it sees is 1000·σ.

Letters: b pictures in the batch, n tokens, d feature width.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

TIMESTEPS = 1000
"""Timesteps of the training schedule; the network sees numbers in 0 … 1000."""

_LEAST = 0.02
"""Below this level the velocity is taken as at it: a small error is not to be divided by nothing."""

Latents = Float[Tensor, "b n d"]
Velocity = Callable[[Tensor, int], Tensor]
"""From latents (b, n, d) and the index of the step to the velocity (b, n, d)."""


def shifted(sigma: Tensor, shift: float) -> Tensor:
    """Levels moved towards noise: s·σ/(1 + (s − 1)·σ); 1 leaves them as they are."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def sigmas(steps: int, shift: float = 1.0) -> list[float]:
    """The noise levels of a sampling run: linspace(1, 1/steps, steps), shifted, then 0."""
    grid = torch.linspace(1.0, 1.0 / steps, steps, dtype=torch.float64)
    return [*shifted(grid.to(torch.float32), shift).tolist(), 0.0]


def training_level(
    u: Float[Tensor, " b"], shift: float = 1.0
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Timesteps and levels of a training draw u in [0, 1): index ⌊1000·u⌋ of 1000 … 1.

    Training shows the network the float timestep of its index; only sampling truncates.
    """
    index = (u * TIMESTEPS).long().clamp(max=TIMESTEPS - 1)
    level = shifted((TIMESTEPS - index).to(torch.float32) / TIMESTEPS, shift)
    return level * TIMESTEPS, level


def timesteps(levels: Sequence[float], *, integer: bool) -> list[float]:
    """The timestep shown to the network at each level but the last.

    The reference casts the scheduler's float32 timestep to an integer, which
    floors values like 899.99994; `integer` keeps that for parity.
    """
    floats = (torch.tensor(levels[:-1], dtype=torch.float32) * TIMESTEPS).tolist()
    return [float(int(value)) for value in floats] if integer else floats


@dataclass(frozen=True)
class Schedule:
    """The noise levels of a sampling run, and the timestep that the network is shown at each gap."""

    levels: Sequence[float]
    times: Sequence[float]


def schedule(steps: int, *, shift: float = 1.0, integer: bool = False) -> Schedule:
    """The levels and timesteps of a run of so many steps."""
    levels = sigmas(steps, shift)
    return Schedule(levels, timesteps(levels, integer=integer))


def noised(
    features: Latents, noise: Latents, sigma: Float[Tensor, " b"]
) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b n d"]]:
    """The point x_σ on the path and the velocity to learn there."""
    level = sigma[:, None, None].to(features.dtype)
    return (1 - level) * features + level * noise, noise - features


def velocity(
    latents: Latents, clean: Float[Tensor, "b n d"], sigma: Float[Tensor, " b"]
) -> Float[Tensor, "b n d"]:
    """The velocity that a guess of the clean features implies: (x_σ − features)/σ."""
    return (latents - clean) / sigma.clamp(min=_LEAST)[:, None, None].to(latents.dtype)


def guided(
    null: Float[Tensor, "*shape"], conditional: Float[Tensor, "*shape"], guidance: float
) -> Float[Tensor, "*shape"]:
    """Classifier-free guidance: v0 + g·(v − v0)."""
    return null + guidance * (conditional - null)


def last(run: Iterator[Tensor], tick: Callable[[int, Tensor], None]) -> Float[Tensor, "*shape"]:
    """Follow a sampling run of one step or more to its result; `tick` gets (step, estimate)."""
    estimate = next(run)
    tick(1, estimate)
    for done, estimate in enumerate(run, 2):
        tick(done, estimate)
    return estimate


def euler(velocity: Velocity, noise: Float[Tensor, "*shape"], levels: Sequence[float]) -> Iterator[Tensor]:
    """Carry noise at levels[0] to features at levels[-1], one network call a gap.

    Yields after every step the features that the path points at, x − σ·v, so a
    caller can stop, report progress or show previews; the last are the result.
    """
    latents = noise
    for index, (now, after) in enumerate(pairwise(levels)):
        speed = velocity(latents, index)
        yield latents - now * speed
        latents = latents + (after - now) * speed
