"""BLIP3-o 4B and 8B as released: Qwen2.5-VL, latent queries and the feature DiT.

The backbone with its vision tower is transformers' own class; queries and DiT are
the classes of the embedded model. This file holds the wiring and the one adapter
between the released tensor names and today's. Understanding is Qwen2.5-VL
unchanged; for a picture the queries follow the prompt in one causal pass and their
final states condition the DiT (facts of the public inference code).

Letters: b rows, l prompt tokens, n query or feature tokens, d backbone width,
p vision patches, c numbers of a patch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline_runtime.models import checkpoint
from sightline_runtime.models.clip import ClipConfig, ClipTower
from sightline_runtime.models.dit import DiT, DiTConfig
from sightline_runtime.models.queries import LatentQueries, QueryConfig

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLConfig
    from transformers.cache_utils import DynamicCache

TOWER = "model.gen_vision_tower.vision_tower.model."
"""Where a release keeps the EVA-CLIP tower; some releases leave it out."""

_RENAMED = (
    ("model.dit.model.", "dit."),
    ("model.latent_queries", "queries.latent_queries"),
    (TOWER, "tower."),
    ("model.embed_tokens.", "qwen.model.language_model.embed_tokens."),
    ("model.layers.", "qwen.model.language_model.layers."),
    ("model.norm.", "qwen.model.language_model.norm."),
    ("visual.", "qwen.model.visual."),
    ("lm_head.", "qwen.lm_head."),
)
"""Released prefix and ours, one to one."""


def ours(name: str) -> str:
    """Our name of a released tensor; one that the model has no use for keeps its own, to be told."""
    for released, own in _RENAMED:
        if name.startswith(released):
            return own + name.removeprefix(released)
    return name


def released(name: str) -> str:
    """The released name of one of our tensors; raises KeyError for one without."""
    for old, own in _RENAMED:
        if name.startswith(own):
            return old + name.removeprefix(own)
    raise KeyError(name)


@dataclass(frozen=True)
class Blip3oConfig:
    """A release: its Qwen2.5-VL configuration, the number of queries, DiT and tower sizes."""

    qwen: "Qwen2_5_VLConfig"
    queries: int
    dit: DiTConfig
    tower: ClipConfig | None


def read_config(data: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Blip3oConfig:
    """The configuration of a release from its config.json and its tensors' shapes.

    The released config.json says nothing of the DiT's sizes, so they are read off
    its tensors. Raises ModelError if the two do not describe a model.
    """
    from transformers import Qwen2_5_VLConfig

    with checkpoint.describing("config.json does not describe a BLIP3-o model"):
        fields = {k: v for k, v in data.items() if k not in ("model_type", "architectures", "auto_map")}
        qwen = Qwen2_5_VLConfig(**fields)
        return Blip3oConfig(
            qwen,
            int(data["n_query"]),
            dit_config(shapes, grid=int(data.get("dit_input_size", 8))),
            tower_config(shapes, pool=int(str(data.get("gen_pooling", "early_pool2d_4")).split("_")[-1])),
        )


def dit_config(shapes: Mapping[str, tuple[int, ...]], *, grid: int) -> DiTConfig:
    """The sizes of a released DiT from the shapes of its tensors."""
    at = "model.dit.model."
    layers = [int(m[1]) for name in shapes if (m := re.match(re.escape(at) + r"layers\.(\d+)\.gate$", name))]
    (heads,), (width, channels), (kv_width, _), (ffn_width, _), (_, condition_width) = checkpoint.shapes_of(
        shapes,
        at + "layers.0.gate",
        at + "patch_embedder.proj.weight",
        at + "layers.0.attn1.to_k.weight",
        at + "layers.0.feed_forward.linear_1.weight",
        at + "caption_projection.linear_1.weight",
    )
    return DiTConfig(
        channels=channels,
        grid=grid,
        width=width,
        layers=max(layers) + 1,
        heads=heads,
        kv_heads=kv_width * heads // width,
        ffn_width=ffn_width,
        condition_width=condition_width,
    )


def tower_config(shapes: Mapping[str, tuple[int, ...]], *, pool: int) -> ClipConfig | None:
    """The sizes of a released EVA tower from the shapes of its tensors, None without one."""
    if TOWER + "cls_token" not in shapes:
        return None
    (width, _, patch, _), (_, places, _), (ffn_width, _), _ = checkpoint.shapes_of(
        shapes,
        TOWER + "patch_embed.proj.weight",
        TOWER + "pos_embed",
        TOWER + "blocks.0.mlp.fc1.weight",
        TOWER + "blocks.0.norm1.weight",
    )
    side = int((places - 1) ** 0.5)
    blocks = [int(m[1]) for n in shapes if (m := re.match(re.escape(TOWER) + r"blocks\.(\d+)\.norm1\.w", n))]
    return ClipConfig(
        image_size=side * patch,
        patch=patch,
        stride=patch,
        width=width,
        layers=max(blocks) + 1,
        heads=max(width // 112, 1),  # EVA-CLIP-E's heads are 112 wide
        ffn_width=ffn_width,
        pool=pool,
    )


class Blip3o(nn.Module):
    """The released model without its diffusion decoder."""

    def __init__(self, config: Blip3oConfig) -> None:
        from transformers import Qwen2_5_VLForConditionalGeneration

        super().__init__()
        self.config = config
        self.qwen = Qwen2_5_VLForConditionalGeneration(config.qwen)
        self.queries = LatentQueries(QueryConfig(config.queries), config.dit.condition_width)
        self.dit = DiT(config.dit)
        self.tower = ClipTower(config.tower) if config.tower else None

    @property
    def tied(self) -> frozenset[str]:
        """Parameters that another one stands for."""
        return frozenset({"qwen.lm_head.weight"} if self.config.qwen.tie_word_embeddings else ())

    def embed(
        self,
        ids: Int[Tensor, "b l"],
        patches: Float[Tensor, "p c"] | None = None,
        grids: Int[Tensor, "k three"] | None = None,
    ) -> Float[Tensor, "b l d"]:
        """Embed a prompt; the vision tower's tokens stand where the picture placeholders are."""
        model = self.qwen.model
        words: Tensor = model.language_model.embed_tokens(ids)
        if patches is None:
            return words
        seen = model.visual(patches.to(words.dtype), grid_thw=grids)
        tokens = seen if isinstance(seen, Tensor) else seen.pooler_output
        place = (ids == self.config.qwen.image_token_id)[..., None].expand_as(words)
        return words.masked_scatter(place, tokens.to(words))

    def condition(
        self, prompt: Float[Tensor, "b l d"], mask: Int[Tensor, "b l"] | None = None
    ) -> Float[Tensor, "b n d"]:
        """The final states at the queries: the DiT's condition.

        `prompt` ends with the image-start token. Places are counted over the whole
        row, padding included, alike in all three rotary sections; `mask` is 0 at padding.
        """
        return self.states(prompt, mask)[:, -self.config.queries :]

    def states(
        self, prompt: Float[Tensor, "b l d"], mask: Int[Tensor, "b l"] | None = None
    ) -> Float[Tensor, "b m d"]:
        """The final states of prompt and queries in one causal pass."""
        rows = len(prompt)
        whole = torch.cat([prompt, self.queries.tokens(rows).to(prompt)], 1)
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(rows, self.config.queries)], 1)
        places = torch.arange(whole.shape[1], device=whole.device).expand(3, rows, -1)
        model = self.qwen.model.language_model
        out: Tensor = model(
            inputs_embeds=whole, attention_mask=mask, position_ids=places, use_cache=False
        ).last_hidden_state
        return out

    def read(
        self, embeddings: Float[Tensor, "one l d"], places: Int[Tensor, "three one l"], cache: "DynamicCache"
    ) -> Float[Tensor, " v"]:
        """Read tokens on top of a cache: the log-probabilities of the next one."""
        model = self.qwen.model.language_model
        hidden = model(
            inputs_embeds=embeddings, position_ids=places, past_key_values=cache, use_cache=True
        ).last_hidden_state
        out: Tensor = self.qwen.lm_head(hidden[0, -1]).float().log_softmax(-1)
        return out

    def places(
        self, ids: Int[Tensor, "one l"], grids: Int[Tensor, "k three"] | None
    ) -> Int[Tensor, "three one l"]:
        """Rotary places of a prompt for understanding: pictures count rows and columns."""
        kinds = (ids == self.config.qwen.image_token_id).int()
        places, _ = self.qwen.model.get_rope_index(ids, kinds, image_grid_thw=grids)
        out: Tensor = places
        return out
