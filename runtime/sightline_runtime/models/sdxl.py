"""The released diffusion decoder: CLIP features → pixels by an SDXL-shaped UNet and its VAE.

EMU2's conventions: the feature tokens are the cross-attention context, their mean is
the pooled embedding, and the time ids say (height, width, 0, 0, height, width). The
UNet predicts noise; Euler steps over SDXL's noise schedule; guidance against the
features of a blank prompt. UNet, VAE and scheduler are diffusers' own.

Letters: b pictures, k 1 or b, n feature tokens, d feature width, c latent channels, h, w latent sides.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline_runtime.models.flow import guided

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel


@dataclass(frozen=True)
class Painted:
    """What the UNet is told: context (r, n, d), pooled embedding (r, d) and time ids (r, 6).

    Rows are the pictures, then (unless guidance is 1) their negatives.
    """

    context: Tensor
    added: dict[str, Tensor]


def condition(
    features: Float[Tensor, "b n d"], negative: Float[Tensor, "k n d"] | None, size: tuple[int, int]
) -> Painted:
    """Tell the UNet features and a size (width, height) in pixels; without `negative` it is not guided."""
    width, height = size
    context = features
    if negative is not None:
        context = torch.cat([features, negative.expand(len(features), -1, -1)])
    ids = torch.tensor([height, width, 0, 0, height, width], device=features.device, dtype=features.dtype)
    return Painted(context, {"text_embeds": context.mean(1), "time_ids": ids.expand(len(context), -1)})


def denoise(
    unet: "UNet2DConditionModel",
    scheduler: "EulerDiscreteScheduler",
    condition: Painted,
    noise: Float[Tensor, "b c h w"],
    *,
    steps: int,
    guidance: float,
) -> Iterator[Tensor]:
    """Carry noise to latents; yields the latents after every step, the last are the result.

    `scheduler` is this call's own: it counts steps.
    """
    rows, context = len(noise), condition.context
    scheduler.set_timesteps(steps, device=noise.device)
    latents = noise * scheduler.init_noise_sigma
    for time in scheduler.timesteps:
        both = scheduler.scale_model_input(latents.repeat(len(context) // rows, 1, 1, 1), time)
        out = unet(
            both.to(context.dtype), time, encoder_hidden_states=context, added_cond_kwargs=condition.added
        ).sample
        predicted = out if len(context) == rows else guided(out[rows:], out[:rows], guidance)
        latents = scheduler.step(predicted.to(latents.dtype), time, latents).prev_sample
        yield latents


class SdxlDecoder(nn.Module):
    """UNet and VAE of a release, and the schedule they were trained on."""

    def __init__(
        self, unet: "UNet2DConditionModel", vae: "AutoencoderKL", scheduler: "EulerDiscreteScheduler"
    ) -> None:
        super().__init__()
        self.unet, self.vae, self.scheduler = unet, vae, scheduler

    @property
    def scale(self) -> int:
        """Pixels to a latent."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def side(self) -> int:
        """Pixels a side of a picture at the size that the UNet was trained on."""
        return int(self.unet.config.sample_size) * self.scale

    def rehearse(self) -> None:
        """Use every setting that weights do not show, without weights; raises what the libraries raise."""
        if self.side < 1 or not self.vae.config.scaling_factor > 0:
            raise ValueError(f"{self.side} pixels a side, latents scaled by {self.vae.config.scaling_factor}")
        scheduler = type(self.scheduler).from_config(self.scheduler.config)
        scheduler.set_timesteps(2)
        point = torch.zeros(1)
        for time in scheduler.timesteps:
            scheduler.step(scheduler.scale_model_input(point, time), time, point)

    def latents(
        self,
        features: Float[Tensor, "b n d"],
        negative: Float[Tensor, "k n d"] | None,
        noise: Float[Tensor, "b c h w"],
        *,
        steps: int,
        guidance: float,
    ) -> Iterator[Tensor]:
        """Denoise latents at the trained size, one step at a time."""
        scheduler = type(self.scheduler).from_config(self.scheduler.config)
        told = condition(features, negative, (self.side, self.side))
        return denoise(self.unet, scheduler, told, noise, steps=steps, guidance=guidance)

    def pixels(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b three high wide"]:
        """Decode latents to pictures in −1 … 1."""
        config = self.vae.config
        scaled = latents / config.scaling_factor + (config.shift_factor or 0.0)
        out: Tensor = self.vae.decode(scaled.to(self.vae.dtype)).sample
        return out.float().clamp(-1, 1)
