"""Latents by SANA: hidden states → connector → flow matching in latent space → DC-AE → pixels.

The diffusion transformer and the autoencoder are diffusers' own modules. Ours
are the connector and the sampling: the null condition is zeros before the
connector (so its biases act), the network sees float timesteps.

Letters: b pictures, m condition tokens, h backbone width, z condition width,
c latent channels, y × x the latent grid.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline_runtime.models import flow

if TYPE_CHECKING:
    from diffusers import AutoencoderDC, SanaTransformer2DModel

Condition = Float[Tensor, "b m z"]
Latents = Float[Tensor, "b c y x"]


class Connector(nn.Sequential):
    """Hidden states of the backbone → the width of SANA's cross-attention."""

    def __init__(self, hidden: int, width: int) -> None:
        norm = nn.RMSNorm(width, eps=1e-5)
        nn.init.constant_(
            norm.weight, 5.5**0.5
        )  # the reference's start: the spread that SANA's captions have
        super().__init__(nn.Linear(hidden, width), nn.GELU("tanh"), nn.Linear(width, width), norm)

    def rows(self, hidden: Float[Tensor, "b m h"], guidance: float) -> Float[Tensor, "rows m z"]:
        """The condition of each row of the batch: null rows first, none where guidance is 1.

        All tokens of the null condition are equal, so one is projected.
        """
        condition: Tensor = self(hidden)
        if guidance == 1:
            return condition
        null: Tensor = self(torch.zeros_like(hidden[:1, :1]))
        return torch.cat([null.expand_as(condition), condition])


def schedule(steps: int, shift: float, *, start: float = 1.0) -> flow.Schedule:
    """Noise levels and float timesteps of a run; a start below 1 leaves out the levels above it.

    The last step stays wherever the start is.
    """
    levels = flow.sigmas(steps, shift)
    kept = [level for level in levels[:-2] if level <= start] + levels[-2:]
    return flow.Schedule(kept, flow.timesteps(kept, integer=False))


def sample(
    sana: "SanaTransformer2DModel",
    rows: Float[Tensor, "rows m z"],
    latents: Latents,
    schedule: flow.Schedule,
    guidance: float,
) -> Iterator[Tensor]:
    """Carry latents at the first level to clean ones; yields what each step points at.

    `rows` are the condition rows of `Connector.rows`. The last tensor yielded is
    the result (b, c, y, x), float32 whatever the network computes in.
    """
    times = torch.tensor(schedule.times, device=latents.device)

    def velocity(now: Tensor, index: int) -> Tensor:
        doubled = now if guidance == 1 else torch.cat([now, now])
        time = times[index].expand(len(doubled))
        speed: Tensor = sana(doubled.to(rows.dtype), rows, time, return_dict=False)[0]
        if guidance == 1:
            return speed.to(now.dtype)
        null, conditional = speed.to(now.dtype).chunk(2)
        guided: Tensor = flow.guided(null, conditional, guidance)
        return guided

    return flow.euler(velocity, latents, schedule.levels)


def noised(source: Latents, noise: Latents, level: float) -> Float[Tensor, "b c y x"]:
    """The point of the path from noise to a source's latents at a level."""
    return (1 - level) * source + level * noise


def decode(vae: "AutoencoderDC", latents: Latents) -> Float[Tensor, "b three side side"]:
    """Latents → pictures in −1 … 1."""
    scaled = (latents / vae.config.scaling_factor).to(vae.dtype)
    picture: Tensor = vae.decode(scaled, return_dict=False)[0]
    return picture.float().clamp(-1, 1)


def encode(vae: "AutoencoderDC", pictures: Float[Tensor, "b three side side"]) -> Float[Tensor, "b c y x"]:
    """Pictures in −1 … 1 → latents, float32."""
    latents: Tensor = vae.encode(pictures.to(vae.dtype), return_dict=False)[0]
    return latents.float() * float(vae.config.scaling_factor)
