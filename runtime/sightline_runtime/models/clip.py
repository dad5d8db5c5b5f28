"""The CLIP image encoder: pixels → feature tokens, and the text side for training.

The block is EVA-CLIP's post-norm block: x + LN(attn(x)), x + LN(mlp(x)); tensor
names are the released ones. Two settings are the embedded model's own: patches
that overlap (stride < patch) so that one token covers one cell of its world, and
`windowed` blocks whose attention sees one token only, so that a token describes
its own cell. Output tokens are the generation target of the DiT.

Letters: b pictures, n tokens, w tower width, d feature width.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class ClipConfig:
    """Sizes of an image tower; the defaults are EVA-CLIP-E/14-plus as BLIP3-o uses it.

    `features` is the width of a projection after the tower, 0 for none;
    `pool` averages pool×pool tokens; `normalised` divides tokens by their root
    mean square.
    """

    image_size: int = 448
    patch: int = 14
    stride: int = 14
    width: int = 1792
    layers: int = 64
    heads: int = 16
    ffn_width: int = 15360
    pool: int = 4
    features: int = 0
    class_token: bool = True
    position_table: bool = True
    windowed: bool = False
    normalised: bool = False
    eps: float = 1e-6
    activation: str = "gelu"
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)

    @property
    def patches(self) -> int:
        """Patches along one side."""
        return (self.image_size - self.patch) // self.stride + 1

    @property
    def grid(self) -> int:
        """Output tokens along one side."""
        return self.patches // self.pool

    @property
    def output_width(self) -> int:
        """Width of an output token."""
        return self.features or self.width


def squared_relu(x: Tensor) -> Tensor:
    """ReLU²: as good as GELU here and far cheaper on a CPU."""
    return F.relu(x).square()


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "squared_relu": squared_relu,
    "silu": F.silu,
}


class _PatchEmbed(nn.Module):
    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.width, config.patch, config.stride)


class TowerAttention(nn.Module):
    """Attention with one fused projection; windowed to one token it is a linear map."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.heads, self.windowed = config.heads, config.windowed
        self.qkv = nn.Linear(config.width, config.width if config.windowed else 3 * config.width)
        self.proj = nn.Linear(config.width, config.width)

    def forward(self, x: Float[Tensor, "b n w"]) -> Float[Tensor, "b n w"]:
        """Attend between all tokens, or (windowed) from each token to itself."""
        if self.windowed:
            alone: Tensor = self.proj(self.qkv(x))
            return alone
        q, k, v = self.qkv(x).view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        mixed: Tensor = self.proj(out)
        return mixed


class _Mlp(nn.Module):
    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.width, config.ffn_width)
        self.fc2 = nn.Linear(config.ffn_width, config.width)
        self.act = ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.act(self.fc1(x)))
        return out


class TowerBlock(nn.Module):
    """Post-norm block: x + LN(attn(x)), then x + LN(mlp(x))."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.attn, self.mlp = TowerAttention(config), _Mlp(config)
        self.norm1 = nn.LayerNorm(config.width, eps=config.eps)
        self.norm2 = nn.LayerNorm(config.width, eps=config.eps)

    def forward(self, x: Float[Tensor, "b n w"]) -> Float[Tensor, "b n w"]:
        """Apply the block."""
        x = x + self.norm1(self.attn(x))
        out: Tensor = x + self.norm2(self.mlp(x))
        return out


class ClipTower(nn.Module):
    """Pixels in 0 … 1 → feature tokens (b, n, d)."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = _PatchEmbed(config)
        self.blocks = nn.ModuleList(TowerBlock(config) for _ in range(config.layers))
        if config.class_token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        if config.position_table:
            count = config.patches**2 + config.class_token
            self.pos_embed = nn.Parameter(torch.zeros(1, count, config.width))
        if config.features:
            self.head = nn.Linear(config.width, config.features)
        self.register_buffer("mean", torch.tensor(config.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(config.std)[:, None, None], persistent=False)

    def forward(self, pixels: Float[Tensor, "b three side side"]) -> Float[Tensor, "b n d"]:
        """Encode pictures of the tower's size."""
        seen = ((pixels - self.mean) / self.std).to(self.patch_embed.proj.weight.dtype)
        x = self.patch_embed.proj(seen).flatten(2).transpose(1, 2)
        if self.config.class_token:
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1)
        if self.config.position_table:
            x = x + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self._output(x[:, 1:] if self.config.class_token else x)

    def _output(self, x: Tensor) -> Tensor:
        config = self.config
        if config.pool > 1:
            square = x.transpose(1, 2).reshape(len(x), -1, config.patches, config.patches)
            x = F.avg_pool2d(square, config.pool).flatten(2).transpose(1, 2)
        if config.features:
            x = self.head(x)
        return F.rms_norm(x, (x.shape[-1],)) if config.normalised else x
