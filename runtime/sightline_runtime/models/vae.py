"""The variational autoencoder of the paper's VAE + flow matching design: pixels ↔ latent tokens.

The network is diffusers' AutoencoderKL. Its latents are cut into patches, one token
each, which the DiT denoises in place of CLIP features; decoding is one pass.

Letters: b pictures, side pixels a side, n tokens, c channels of a token.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class VaeConfig:
    """Sizes of the autoencoder.

    `channels` are the widths of its levels, each of half the resolution of the one before;
    `layers` residual blocks a level, normalised in `groups`; a token is `patch`×`patch`
    latents of `latent_channels` each.
    """

    image_size: int = 64
    channels: tuple[int, ...] = (32, 64, 128)
    layers: int = 1
    groups: int = 8
    latent_channels: int = 4
    patch: int = 2

    @property
    def token_size(self) -> int:
        """Pixels along one side of a token."""
        return self.patch << (len(self.channels) - 1)

    @property
    def grid(self) -> int:
        """Tokens along one side."""
        return self.image_size // self.token_size

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.latent_channels * self.patch**2


class VaeCodec(nn.Module):
    """Encodes pictures (b, 3, side, side) in −1 … 1 to latent tokens and decodes them."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        with torch.device("cpu"):  # a model that is built elsewhere must not take the import along
            from diffusers import AutoencoderKL  # seconds: only for those who need it
        self.config = config
        levels = len(config.channels)
        self.kl = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=config.channels,
            layers_per_block=config.layers,
            latent_channels=config.latent_channels,
            norm_num_groups=config.groups,
            sample_size=config.image_size,
        )

    def posterior(
        self, pixels: Float[Tensor, "b three side side"]
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b n c"]]:
        """Mean and log-variance of the tokens of pictures."""
        found = self.kl.encode(pixels).latent_dist
        return self._tokens(found.mean), self._tokens(found.logvar)

    def encode(self, pixels: Float[Tensor, "b three side side"]) -> Float[Tensor, "b n c"]:
        """The likeliest tokens of pictures."""
        return self.posterior(pixels)[0]

    def decode(self, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b three side side"]:
        """The pictures of tokens."""
        square = tokens.transpose(1, 2).reshape(*tokens.shape[::2], self.config.grid, self.config.grid)
        pixels: Tensor = self.kl.decode(F.pixel_shuffle(square, self.config.patch)).sample
        return pixels

    def _tokens(self, latents: Tensor) -> Tensor:
        return F.pixel_unshuffle(latents, self.config.patch).flatten(2).transpose(1, 2)
