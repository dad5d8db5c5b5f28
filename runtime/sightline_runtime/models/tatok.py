"""TA-Tok, the picture tokenizer of BLIP3o-NEXT: pixels → features → ids of a codebook, and back.

A SigLIP2 tower read at its second-to-last layer, Linear and Tanh, then a
quantiser: a bottleneck projection and the nearest code. The codebook is a frozen
table behind one learned projection ("SimVQ"), so moving the projection moves all
codes together. Tensor names are the released ones.

Letters: b pictures, n tokens, f tower width, c code width, k codes, o output width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import SiglipVisionModel

Features = Float[Tensor, "b n f"]
Ids = Int[Tensor, "b n"]
Codes = Float[Tensor, "k c"]


@dataclass(frozen=True)
class QuantiserConfig:
    """Sizes of a quantiser; the defaults are TA-Tok's.

    A bottleneck of 0 or less is as wide as the input. A temperature of 0 or less
    is learned and stored with the weights; it counts only where ids are sampled.
    """

    input_dim: int = 1152
    bottleneck_dim: int = 1536
    output_dim: int = 1536
    codebook_size: int = 65536
    l2_normalized: bool = True
    stochastic: bool = True
    stochastic_temperature: float = 0.03

    @property
    def code_dim(self) -> int:
        """Width of a code."""
        return self.bottleneck_dim if self.bottleneck_dim > 0 else self.input_dim

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "QuantiserConfig":
        """From JSON data; names that are not fields are another part's."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})


class _Codebook(nn.Module):
    """The frozen table and its learned projection."""

    def __init__(self, config: QuantiserConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.codebook_size, config.code_dim)
        self.embedding_proj = nn.Linear(config.code_dim, config.code_dim)
        if config.stochastic and config.stochastic_temperature <= 0:
            self.stochastic_temperature_inv = nn.Parameter(torch.tensor(10.0))


class TokenQuantiser(nn.Module):
    """Features → ids of the nearest codes, ids → features.

    The projected codebook is asked for once (`codes`) and handed to both ways:
    at 65,536 codes computing it costs more than any picture.
    """

    def __init__(self, config: QuantiserConfig) -> None:
        super().__init__()
        self.config = config
        self.in_linear = nn.Linear(config.input_dim, config.code_dim)
        self.out_linear = nn.Linear(config.code_dim, config.output_dim)
        self.regularizer = _Codebook(config)

    def codes(self) -> Float[Tensor, "k c"]:
        """The projected codebook, on the unit sphere if the quantiser measures angles; float32."""
        proj = self.regularizer.embedding_proj
        table = F.linear(self.regularizer.embedding.weight.float(), proj.weight.float(), proj.bias.float())
        return F.normalize(table, dim=-1) if self.config.l2_normalized else table

    def encode(
        self, features: Features, codes: Codes, gumbel: Float[Tensor, "b n k"] | None = None
    ) -> Int[Tensor, "b n"]:
        """Ids of the nearest codes; with Gumbel noise, ids sampled at the quantiser's temperature.

        The reference samples in training and takes the arg max in evaluation.
        """
        z = self.in_linear(features).float()
        if self.config.l2_normalized:
            z = F.normalize(z, dim=-1)
        # on the sphere the nearest code has the largest cosine; |z|² is the same for all codes
        nearness = z @ codes.T if self.config.l2_normalized else 2 * z @ codes.T - codes.square().sum(-1)
        ids: Tensor = (nearness if gumbel is None else nearness * self._sharpness() + gumbel).argmax(-1)
        return ids

    def decode(self, ids: Ids, codes: Codes) -> Float[Tensor, "b n o"]:
        """Features of ids."""
        out: Tensor = self.out_linear(codes[ids].to(self.out_linear.weight.dtype))
        return out

    def _sharpness(self) -> Tensor | float:
        learned: Tensor | None = getattr(self.regularizer, "stochastic_temperature_inv", None)
        return 1 / self.config.stochastic_temperature if learned is None else learned


@dataclass(frozen=True)
class TaTokConfig:
    """A tokenizer: its SigLIP tower and its quantiser; the defaults are SigLIP2-so400m/14 at 384.

    `layers` counts those of the released tower; the last one is never computed.
    """

    image_size: int = 384
    patch: int = 14
    width: int = 1152
    ffn_width: int = 4304
    layers: int = 27
    heads: int = 16
    quantiser: QuantiserConfig = field(default_factory=QuantiserConfig)

    @property
    def tokens(self) -> int:
        """Tokens of one picture."""
        return (self.image_size // self.patch) ** 2

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "TaTokConfig":
        """From JSON data; unknown names raise TypeError."""
        quantiser = QuantiserConfig.from_json(data.get("quantiser", {}))
        return cls(**{**data, "quantiser": quantiser})


def _tower(config: TaTokConfig) -> "SiglipVisionModel":
    with torch.device("cpu"):  # an import must not happen on the meta device
        from transformers import SiglipVisionConfig, SiglipVisionModel

    tower = SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=config.width,
            intermediate_size=config.ffn_width,
            num_hidden_layers=config.layers - 1,
            num_attention_heads=config.heads,
            image_size=config.image_size,
            patch_size=config.patch,
            vision_use_head=False,
        )
    )
    tower.register_module("post_layernorm", nn.Identity())  # it follows the last layer, which is not read
    return tower


class TaTok(nn.Module):
    """Pixels in 0 … 1 → feature tokens, and a quantiser of them."""

    UNREAD = ("decoder.", "decode_task_layer.", "scale_layer.", "encoder.head.", "encoder.post_layernorm.")
    """Released tensors that ids do not depend on: the decoder of features and the end of the tower."""

    def __init__(self, config: TaTokConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = _tower(config)
        self.encode_task_layer = nn.Sequential(nn.Linear(config.width, config.width), nn.Tanh())
        self.bottleneck = TokenQuantiser(config.quantiser)

    def forward(self, pixels: Float[Tensor, "b three side side"]) -> Float[Tensor, "b n f"]:
        """Features of pictures of the tower's size, ready for the quantiser."""
        hidden = self.encoder(pixels * 2 - 1).last_hidden_state
        out: Tensor = self.encode_task_layer(hidden)
        return out

    def reads(self, name: str) -> bool:
        """Whether a released tensor of this name is one of ours."""
        last = f"encoder.encoder.layers.{self.config.layers - 1}."
        return not name.startswith((*self.UNREAD, last))
