"""The parts as one model: look, write, ask, draw, paint.

Only wiring: which part's output goes where. Sampling loops live in the engine,
schedules in `flow`, losses in training.

Letters: b rows, l text tokens, n feature tokens, d feature width, w backbone width.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline_runtime.models.backbone import Backbone, BackboneConfig, Cache
from sightline_runtime.models.clip import ClipConfig, ClipTower
from sightline_runtime.models.decoder import DecoderConfig, PixelDecoder
from sightline_runtime.models.dit import DiT, DiTConfig
from sightline_runtime.models.queries import LatentQueries, QueryConfig


@dataclass(frozen=True)
class UnifiedConfig:
    """The configuration of a whole model, as stored in its config.json."""

    family: str
    clip: ClipConfig
    backbone: BackboneConfig
    queries: QueryConfig
    dit: DiTConfig
    decoder: DecoderConfig
    default_steps: int = 16
    default_guidance: float = 2.0
    decode_steps: int = 2
    max_prompt_tokens: int = 192
    max_plan_tokens: int = 80
    plans: bool = True
    integer_timesteps: bool = False
    extra: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "UnifiedConfig":
        """From plain JSON data; unknown or missing names raise TypeError."""
        data = dict(data)
        data["clip"] = ClipConfig(
            **{**data["clip"], "mean": tuple(data["clip"]["mean"]), "std": tuple(data["clip"]["std"])}
        )
        data["backbone"] = BackboneConfig(**data["backbone"])
        data["queries"] = QueryConfig(**data["queries"])
        data["dit"] = DiTConfig(**data["dit"])
        data["decoder"] = DecoderConfig(**data["decoder"])
        return cls(**data)


class Projector(nn.Module):
    """CLIP tokens → backbone tokens, with a learned place for each token."""

    def __init__(self, features: int, tokens: int, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(features, width)
        self.linear_2 = nn.Linear(width, width)
        self.place = nn.Parameter(torch.randn(tokens, width) * 0.02)

    def forward(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b n w"]:
        """Project feature tokens."""
        out: Tensor = self.linear_2(nn.functional.silu(self.linear_1(features))) + self.place
        return out


class UnifiedModel(nn.Module):
    """BLIP3-o: CLIP tower, backbone, latent queries, feature DiT, pixel decoder."""

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, config: UnifiedConfig) -> None:
        super().__init__()
        self.config = config
        tokens, width = config.clip.grid**2, config.clip.output_width
        self.clip = ClipTower(config.clip)
        self.projector = Projector(width, tokens, config.backbone.width)
        self.backbone = Backbone(config.backbone)
        self.queries = LatentQueries(config.queries, config.backbone.width)
        self.dit = DiT(config.dit)
        self.decoder = PixelDecoder(config.decoder)
        self.register_buffer("feature_mean", torch.zeros(width))
        self.register_buffer("feature_std", torch.ones(width))

    def standardise(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Features → the zero-mean, unit-variance latents that the DiT denoises."""
        return (features - self.feature_mean) / self.feature_std

    def restore(self, latents: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Latents → features."""
        return latents * self.feature_std + self.feature_mean

    def embed(
        self, tokens: Int[Tensor, "b l"], features: Float[Tensor, "b n d"] | None = None
    ) -> Float[Tensor, "b p w"]:
        """Embed text; a picture's projected tokens stand after the first word, the role mark."""
        words: Tensor = self.backbone.embed_tokens(tokens)
        if features is None:
            return words
        return torch.cat([words[:, :1], self.projector(features), words[:, 1:]], 1)

    def condition(
        self, prompts: list[list[int]], features: Float[Tensor, "b n d"] | None = None
    ) -> tuple[Float[Tensor, "b m z"], Bool[Tensor, "b m"]]:
        """The DiT's condition for prompts (token ids) and pictures to edit, and its mask.

        Prompts are padded on the right; the latent queries stand at the positions
        that follow their own prompt, as they would alone. The backbone is frozen:
        only the queries and the connector get gradients.
        """
        device = self.feature_mean.device
        longest = max(len(prompt) for prompt in prompts)
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row in prompts], device=device)
        image = 0 if features is None else features.shape[1]
        lengths = torch.tensor([len(row) + image for row in prompts], device=device)
        cache = Cache()
        with torch.no_grad():
            prompt = self.backbone(self.embed(tokens, features), cache)
        place = torch.arange(longest + image, device=device)
        filled = place < lengths[:, None]
        count = self.config.queries.count
        causal = torch.ones(count, count, dtype=torch.bool, device=device).tril()
        mask = torch.cat([filled[:, None].expand(-1, count, -1), causal.expand(len(prompts), -1, -1)], 2)
        positions = lengths[:, None] + torch.arange(count, device=device)
        asked = self.backbone(self.queries.tokens(len(prompts)), cache, positions, mask[:, None])
        # the role mark and the picture come before the words and know nothing of them
        return self.queries.condition(prompt, asked, filled & (place > image))
