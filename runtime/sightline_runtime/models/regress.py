"""Regression of CLIP features from the queries' states: the paper's CLIP + MSE design.

One pass instead of a sampling run: every query answers for one feature token, so
the same prompt gives the same features whatever the seed. The paper's head is
one linear map; here it has a hidden layer, because it also weighs a source picture.

Letters: b rows, n feature tokens, z condition width, s source channels, d feature width.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline_runtime.models.clip import squared_relu


@dataclass(frozen=True)
class RegressorConfig:
    """Sizes of the head.

    `source_channels` > 0 gives every token the features of a source picture beside its
    query's state (zeros where there is none), and the output a gate that mixes them in,
    so that what an edit leaves alone is copied exactly: as in the DiT that predicts features.
    """

    features: int = 1792
    source_channels: int = 0
    condition_width: int = 3584
    width: int = 3584


class Regressor(nn.Module):
    """Predicts standardised feature tokens (b, n, d) from the states of n queries."""

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        self.linear_1 = nn.Linear(config.condition_width + config.source_channels, config.width)
        self.linear_2 = nn.Linear(config.width, config.features + bool(config.source_channels))

    def forward(
        self, asked: Float[Tensor, "b n z"], source: Float[Tensor, "b n s"] | None = None
    ) -> Float[Tensor, "b n d"]:
        """The features that the queries ask for; `source` are those of a picture to edit."""
        inputs = asked
        if self.config.source_channels:
            blank = asked.new_zeros(*asked.shape[:2], self.config.source_channels)
            inputs = torch.cat([asked, blank if source is None else source], -1)
        out: Tensor = self.linear_2(squared_relu(self.linear_1(inputs)))
        own = out[..., : self.config.features]
        if not self.config.source_channels or source is None:
            return own
        gate = out[..., self.config.features :].sigmoid()
        return gate * source + (1 - gate) * own
