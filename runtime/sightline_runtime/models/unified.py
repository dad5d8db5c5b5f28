"""The parts as one model: look, write, ask, draw, paint.

Only wiring: which part's output goes where. Sampling loops live in the engine,
schedules in `flow`, losses in training.

The paper (arXiv 2505.09568, section 3) compares three designs of drawing; a model is
of one of them and has its parts only. All look with the CLIP tower and ask with the queries.

    clip_flow   the DiT denoises CLIP features, the diffusion decoder paints them (the adopted one)
    clip_mse    a regressor gives the CLIP features at once, the diffusion decoder paints them
    vae_flow    the DiT denoises VAE latents, the VAE decodes them

What is drawn, CLIP features or VAE latents, is called features everywhere else.

Letters: b rows, l text tokens, n feature tokens, d feature width, w backbone width.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline_runtime.models.backbone import Backbone, BackboneConfig, Cache
from sightline_runtime.models.clip import ClipConfig, ClipTower
from sightline_runtime.models.decoder import DecoderConfig, PixelDecoder
from sightline_runtime.models.dit import DiT, DiTConfig
from sightline_runtime.models.queries import LatentQueries, QueryConfig
from sightline_runtime.models.regress import Regressor, RegressorConfig
from sightline_runtime.models.vae import VaeCodec, VaeConfig

Design = Literal["clip_flow", "clip_mse", "vae_flow"]
"""How a model draws; see the head of this file."""

DESIGN_PARTS: dict[Design, tuple[str, str]] = {
    "clip_flow": ("dit", "decoder"),
    "clip_mse": ("regressor", "decoder"),
    "vae_flow": ("dit", "vae"),
}
"""The parts that draw and paint in each design; all others are in every model."""


@dataclass(frozen=True)
class UnifiedConfig:
    """The configuration of a whole model, as stored in its config.json."""

    family: str
    clip: ClipConfig
    backbone: BackboneConfig
    queries: QueryConfig
    dit: DiTConfig | None = None
    decoder: DecoderConfig | None = None
    design: Design = "clip_flow"
    regressor: RegressorConfig | None = None
    vae: VaeConfig | None = None
    default_steps: int = 16
    default_guidance: float = 2.0
    decode_steps: int = 2
    max_prompt_tokens: int = 192
    max_plan_tokens: int = 80
    plans: bool = True
    integer_timesteps: bool = False
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, object]:
        """The configurations of the parts that the model has, by name."""
        found = {name: getattr(self, name) for name in _PARTS}
        return {name: part for name, part in found.items() if part is not None}

    @property
    def feature_shape(self) -> tuple[int, int]:
        """Tokens of a picture and width of a token, as they are drawn."""
        if self.vae is not None:
            return self.vae.grid**2, self.vae.width
        return self.clip.grid**2, self.clip.output_width

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data, without absent parts; no design is named where it is the adopted one.

        So a folder written before there were designs keeps its configuration and its fingerprint.
        """
        named = {name: value for name, value in asdict(self).items() if value is not None}
        if self.design == "clip_flow":
            del named["design"]
        return named

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "UnifiedConfig":
        """From plain JSON data; unknown or missing names raise TypeError."""
        parts = {name: kind(**_tupled(data[name])) for name, kind in _PARTS.items() if name in data}
        return cls(**data | parts)


_PARTS: dict[str, type] = {
    "clip": ClipConfig,
    "backbone": BackboneConfig,
    "queries": QueryConfig,
    "dit": DiTConfig,
    "regressor": RegressorConfig,
    "decoder": DecoderConfig,
    "vae": VaeConfig,
}


def _tupled(part: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where a configuration has tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in dict(part).items()}


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
    """BLIP3-o: CLIP tower, backbone, latent queries, and the parts of its design."""

    dit: DiT
    regressor: Regressor
    decoder: PixelDecoder
    vae: VaeCodec
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
        if config.dit is not None:
            self.dit = DiT(config.dit)
        if config.regressor is not None:
            self.regressor = Regressor(config.regressor)
        if config.decoder is not None:
            self.decoder = PixelDecoder(config.decoder)
        if config.vae is not None:
            self.vae = VaeCodec(config.vae)
        self.register_buffer("feature_mean", torch.zeros(config.feature_shape[1]))
        self.register_buffer("feature_std", torch.ones(config.feature_shape[1]))

    def encode(self, pixels: Float[Tensor, "b three side side"]) -> Float[Tensor, "b n d"]:
        """The features of pictures in 0 … 1 as they are drawn: the CLIP tower's, or VAE latents."""
        out: Tensor = self.clip(pixels) if self.config.vae is None else self.vae.encode(2 * pixels - 1)
        return out

    def view(self, pixels: Float[Tensor, "b three side side"]) -> tuple[Tensor, Tensor]:
        """Pictures to edit, in 0 … 1: as the backbone sees them (CLIP) and as they are drawn."""
        seen = self.clip(pixels)
        return seen, seen if self.config.vae is None else self.encode(pixels)

    def standardise(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Features → the zero-mean, unit-variance latents that are drawn."""
        return (features - self.feature_mean) / self.feature_std

    def restore(self, latents: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Latents → features."""
        return latents * self.feature_std + self.feature_mean

    def regress(
        self, condition: Float[Tensor, "b m z"], source: Float[Tensor, "b n d"] | None = None
    ) -> Float[Tensor, "b n d"]:
        """The latents that the condition's queries, its last tokens, ask for; `source` are latents too."""
        out: Tensor = self.regressor(condition[:, -self.config.queries.count :], source)
        return out

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
        """The condition of drawing for prompts (token ids) and CLIP features to edit, and its mask.

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
        return self.queries.condition(prompt, asked, filled & (place > image), positions)
