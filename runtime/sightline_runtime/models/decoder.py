"""The embedded model's diffusion decoder: CLIP features → pixels.

The same transformer as the feature DiT, over patches of pixels: it denoises a
picture along the flow-matching path with the CLIP features as condition. It
predicts the clean picture (x-prediction), from which the velocity follows:
v = (x − clean)/σ; a wide pixel patch cannot pass a narrow network as noise.
Features nearly fix the picture, so a few steps are enough.

Letters: b pictures, n patches, c channels of a patch, side pixels a side.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline_runtime.models.clip import squared_relu
from sightline_runtime.models.dit import DiT, DiTConfig
from sightline_runtime.models.flow import TIMESTEPS


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of the pixel decoder; patches overlap where stride < patch.

    `detail_width` is the hidden width of a second, nonlinear way from states to
    pixels: a linear one of this width has too few degrees of freedom for edges. 0 leaves it out.
    """

    image_size: int = 64
    patch: int = 22
    stride: int = 21
    features: int = 48
    width: int = 256
    layers: int = 2
    heads: int = 4
    ffn_width: int = 768
    detail_width: int = 0

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return (self.image_size - self.patch) // self.stride + 1


class PixelDecoder(nn.Module):
    """Denoises pictures (b, 3, side, side) in −1 … 1 given CLIP features (b, n, d)."""

    overlap: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        channels = 3 * config.patch**2
        self.dit = DiT(
            DiTConfig(
                channels=channels,
                source_channels=config.features,
                grid=config.grid,
                width=config.width,
                layers=config.layers,
                heads=config.heads,
                kv_heads=config.heads,
                ffn_width=config.ffn_width,
                condition_width=config.features,
            )
        )
        if config.detail_width:
            self.detail_1 = nn.Linear(config.width, config.detail_width)
            self.detail_2 = nn.Linear(config.detail_width, channels)
        ones = torch.ones(1, 1, config.image_size, config.image_size)
        folded = self._fold(F.unfold(ones, config.patch, stride=config.stride))
        self.register_buffer("overlap", folded, persistent=False)

    def _fold(self, patches: Tensor) -> Tensor:
        side = (self.config.image_size, self.config.image_size)
        return F.fold(patches, side, self.config.patch, stride=self.config.stride)

    def patchify(self, pixels: Float[Tensor, "b three side side"]) -> Float[Tensor, "b n c"]:
        """Cut pictures into overlapping patches."""
        return F.unfold(pixels, self.config.patch, stride=self.config.stride).transpose(1, 2)

    def clean(
        self,
        noisy: Float[Tensor, "b three side side"],
        sigma: Float[Tensor, " b"],
        features: Float[Tensor, "b n d"],
    ) -> Float[Tensor, "b three side side"]:
        """The clean picture that the network sees in a noisy one."""
        condition = self.dit.prepare(features)
        states = self.dit.states(self.patchify(noisy), sigma * TIMESTEPS, condition, features)
        patches = self.dit.norm_out.linear_2(states)
        if self.config.detail_width:
            patches = patches + self.detail_2(squared_relu(self.detail_1(states)))
        return self._fold(patches.transpose(1, 2)) / self.overlap
