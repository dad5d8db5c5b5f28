"""Latent queries: what the backbone is asked to draw.

Learnable tokens appended to the prompt; the backbone's states at them condition
the DiT. The released model hands the final states over as they are. The embedded
model also hands over the prompt's own states (final and middle layer), carried by
a small bidirectional connector, because a frozen small backbone tells more there.

Letters: b rows, p prompt tokens, q queries, d backbone width, z condition width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline_runtime.models.backbone import BackboneConfig, Cache, DecoderLayer, Hidden, rope


@dataclass(frozen=True)
class QueryConfig:
    """`count` queries of the backbone's width; `connector_layers` > 0 adds the connector."""

    count: int = 64
    connector_layers: int = 0
    connector_width: int = 0
    connector_heads: int = 4


class Connector(nn.Module):
    """Projects prompt and query states and lets them look at each other."""

    def __init__(self, config: QueryConfig, backbone_width: int) -> None:
        super().__init__()
        width = config.connector_width
        self.project = nn.Linear(2 * backbone_width, width)
        block = BackboneConfig(
            vocabulary=0,
            width=width,
            heads=config.connector_heads,
            kv_heads=config.connector_heads,
            ffn_width=2 * width,
            rope_theta=1e4,
            qkv_bias=False,
            qk_norm=True,
        )
        self.head_width = width // config.connector_heads
        self.layers = nn.ModuleList(DecoderLayer(block) for _ in range(config.connector_layers))
        self.norm = nn.RMSNorm(width)

    def forward(
        self, states: Float[Tensor, "b m two_d"], mask: Bool[Tensor, "b m"], places: Int[Tensor, "b m"]
    ) -> Float[Tensor, "b m z"]:
        """Mix the states of prompt and queries; masked-out tokens are not seen.

        `places` are those that the tokens have without padding.
        """
        x = self.project(states)
        angles = rope(places, self.head_width, 1e4)
        for layer in self.layers:
            x = layer(x, angles, mask[:, None, None, :], Cache(), 0)
        out: Tensor = self.norm(x)
        return out


class LatentQueries(nn.Module):
    """The query tokens and the way from backbone states to the DiT's condition."""

    def __init__(self, config: QueryConfig, backbone_width: int) -> None:
        super().__init__()
        self.config = config
        self.latent_queries = nn.Parameter(torch.randn(1, config.count, backbone_width) * 0.02)
        self.connector = Connector(config, backbone_width) if config.connector_layers else None

    def tokens(self, rows: int) -> Float[Tensor, "b q d"]:
        """The query embeddings, once per row."""
        return self.latent_queries.expand(rows, -1, -1)

    def condition(
        self, prompt: Hidden, queries: Hidden, mask: Bool[Tensor, "b p"], places: Int[Tensor, "b q"]
    ) -> tuple[Float[Tensor, "b m z"], Bool[Tensor, "b m"]]:
        """The DiT's condition tokens and which of them count; `places` are those of the queries."""
        if self.connector is None:
            last = queries.last
            return last, torch.ones(last.shape[:2], dtype=torch.bool, device=last.device)
        # the middle layer's states are a residual stream: bring them to the scale of normed ones
        both = [torch.cat([h.last, F.rms_norm(h.middle, h.middle.shape[-1:])], -1) for h in (prompt, queries)]
        states = torch.cat(both, 1)
        whole = torch.cat([mask, mask.new_ones(len(mask), self.config.count)], 1)
        words = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
        return self.connector(states, whole, torch.cat([words, places], 1)), whole
