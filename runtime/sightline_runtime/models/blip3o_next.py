"""BLIP3o-NEXT as released: a Qwen3 that writes picture tokens, and SANA that paints what it thought of them.

The backbone is transformers' Qwen3 with added tokens: `<im_start>`, `<im_end>`, scales
`<S0>…` and one `<I…>` for each code of TA-Tok. A picture is `<im_start><S0>`, its tokens,
`<im_end>`. The final states from the scale token to the last picture token condition
SANA. This file holds the wiring and the one adapter between released names and ours.

Letters: l tokens of a prompt, n condition tokens, h backbone width, v words, k codes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline_runtime.models import checkpoint
from sightline_runtime.models.sana import Connector
from sightline_runtime.models.tatok import TaTok, TaTokConfig

if TYPE_CHECKING:
    from transformers import Qwen3Config
    from transformers.cache_utils import Cache

TATOK = "model.vision_tower.vision_tower."
"""Where a release keeps its picture tokenizer; some leave it out."""

_RENAMED = (
    ("model.sana_vae.", "vae."),
    ("model.sana.", "sana."),
    ("model.diffusion_connector.", "connector."),
    (TATOK, "tatok."),
    ("model.", "qwen.model."),
    ("lm_head.", "qwen.lm_head."),
)
"""Released prefix and ours, one to one; the backbone's prefix is tried last."""

_DC_AE: Mapping[str, Any] = {
    "latent_channels": 32,
    "encoder_block_types": ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3,
    "decoder_block_types": ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3,
    "downsample_block_type": "Conv",
    "upsample_block_type": "interpolate",
    "scaling_factor": 0.41407,
}
"""DC-AE f32c32 as published for SANA, where it differs from the class's defaults."""


@dataclass(frozen=True)
class Marks:
    """Ids of the tokens that Qwen3 was given for pictures; `codes` picture tokens start at `first_code`."""

    start: int
    end: int
    scale: int
    scales: int
    first_code: int
    codes: int

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Marks":
        """From the fields of a released config.json."""
        scale, code = int(data["scale_start_token_id"]), int(data["image_start_token_id"])
        last_scale, last_code = data.get("scale_end_token_id"), data.get("image_end_token_id")
        return cls(
            int(data["image_start_tag_id"]),
            int(data["image_end_tag_id"]),
            scale,
            int(data["num_scale_tokens"] if last_scale is None else last_scale - scale + 1),
            code,
            int(data["num_image_tokens"] if last_code is None else last_code - code + 1),
        )

    @property
    def ids(self) -> list[int]:
        """All of them."""
        scales = range(self.scale, self.scale + self.scales)
        return [self.start, self.end, *scales, *range(self.first_code, self.first_code + self.codes)]


@dataclass(frozen=True)
class NextConfig:
    """A release: backbone, picture marks, SANA and its autoencoder (diffusers' fields), shift, tokenizer.

    `tokens` is how many a picture has, whether or not the release holds the tokenizer.
    """

    qwen: "Qwen3Config"
    marks: Marks
    sana: Mapping[str, Any]
    vae: Mapping[str, Any]
    shift: float
    tokens: int
    tatok: TaTokConfig | None


def is_next(data: Mapping[str, Any]) -> bool:
    """Whether a config.json is one of this family: its backbone knows marks of pictures."""
    return "image_start_tag_id" in data


def read_config(
    data: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    parts: Mapping[str, Mapping[str, Any]] | None = None,
) -> NextConfig:
    """The configuration of a release from its config.json and its tensors' shapes.

    A release says nothing of SANA, the autoencoder and the tokenizer: they are those it
    was trained with. `parts` are the JSON files of "transformer", "vae" and "scheduler"
    where the folder has them; a field "ta_tok" of config.json may give other tokenizer
    sizes. Raises ModelError if they do not describe a model.
    """
    from transformers import Qwen3Config

    parts = parts or {}
    with checkpoint.describing("config.json does not describe a BLIP3o-NEXT model"):
        fields = {k: v for k, v in data.items() if k not in ("model_type", "architectures", "auto_map")}
        qwen, marks = Qwen3Config(**fields | {"rope_scaling": None}), Marks.from_json(data)
        if not (marks.codes > 0 and min(marks.ids) >= 0 and max(marks.ids) < qwen.vocab_size):
            raise ValueError(f"the marks of pictures are not among the {qwen.vocab_size} words: {marks}")
        return NextConfig(
            qwen,
            marks,
            _known(parts.get("transformer")) or _sana(shapes),
            _known(parts.get("vae")) or _DC_AE,
            # the reference reads the file with the Euler scheduler, which knows `shift` and no other name
            float(parts.get("scheduler", {}).get("shift", 1.0)),
            TaTokConfig.from_json(data.get("ta_tok", {})).tokens,
            _tatok(data.get("ta_tok", {}), shapes),
        )


def _known(part: Mapping[str, Any] | None) -> dict[str, Any]:
    """A part's fields without the library's own notes."""
    return {name: value for name, value in (part or {}).items() if not name.startswith("_")}


def _sana(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """SANA 1.6B; version 1.5 also normalises queries and keys, which its tensors tell."""
    if "model.sana.transformer_blocks.0.attn1.norm_q.weight" in shapes:
        return {"qk_norm": "rms_norm_across_heads"}
    return {"qk_norm": None}


def _tatok(given: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> TaTokConfig | None:
    """The tokenizer's sizes: as given, the quantiser's as its tensors are; None without a tokenizer."""
    at = TATOK + "bottleneck."
    if at + "in_linear.weight" not in shapes:
        return None
    config = TaTokConfig.from_json(given)
    bottleneck, width = shapes[at + "in_linear.weight"]
    temperature = -1.0 if at + "regularizer.stochastic_temperature_inv" in shapes else 0.03
    quantiser = replace(
        config.quantiser,
        input_dim=width,
        bottleneck_dim=bottleneck,
        output_dim=shapes[at + "out_linear.weight"][0],
        codebook_size=shapes[at + "regularizer.embedding.weight"][0],
        stochastic_temperature=temperature,
    )
    return replace(config, quantiser=quantiser)


class Blip3oNext(nn.Module):
    """The released model; without a tokenizer it draws, but neither looks nor edits."""

    def __init__(self, config: NextConfig) -> None:
        with torch.device("cpu"):  # an import must not happen on the meta device
            from diffusers import AutoencoderDC, SanaTransformer2DModel
            from transformers import Qwen3ForCausalLM

        super().__init__()
        self.config = config
        self.qwen = Qwen3ForCausalLM(config.qwen)
        self.sana = SanaTransformer2DModel(**config.sana)
        self.vae = AutoencoderDC(**config.vae)
        self.connector = Connector(config.qwen.hidden_size, self.sana.config.caption_channels)
        self.tatok = TaTok(config.tatok) if config.tatok else None

    # --- names -------------------------------------------------------------------------------

    @property
    def tied(self) -> frozenset[str]:
        """Parameters that another one stands for."""
        return frozenset({"qwen.lm_head.weight"} if self.config.qwen.tie_word_embeddings else ())

    def ours(self, name: str) -> str | None:
        """Our name of a released tensor; None for one that the model has no use for."""
        for released, own in _RENAMED:
            if not name.startswith(released):
                continue
            rest = name.removeprefix(released)
            unread = own == "tatok." and (self.tatok is None or not self.tatok.reads(rest))
            return None if unread else own + rest
        return name

    def settle(self, device: torch.device | str) -> "Blip3oNext":
        """Finish a model that was built on the meta device and filled on a device.

        Tied heads are tied again, and what is computed rather than stored is computed.
        """
        self.qwen.tie_weights()
        self.qwen.model.rotary_emb = type(self.qwen.model.rotary_emb)(self.config.qwen).to(device)
        if self.tatok is not None:
            embeddings = self.tatok.encoder.embeddings
            places = torch.arange(embeddings.num_positions, device=device)[None]
            embeddings.register_buffer("position_ids", places, persistent=False)
        return self.eval()

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in."""
        kind: torch.dtype = self.sana.proj_out.weight.dtype
        return kind

    @property
    def latents(self) -> tuple[int, int, int]:
        """Channels, rows and columns of a picture's latents."""
        config = self.sana.config
        return int(config.in_channels), int(config.sample_size), int(config.sample_size)

    @property
    def side(self) -> int:
        """Pixels a side of a picture."""
        return self.latents[1] * int(self.vae.spatial_compression_ratio)

    # --- wiring ------------------------------------------------------------------------------

    def read(self, ids: Sequence[int], cache: "Cache | None" = None) -> Float[Tensor, "l h"]:
        """Final states of tokens, read on top of a cache if there is one."""
        tokens = torch.tensor([list(ids)], device=self.qwen.lm_head.weight.device)
        out: Tensor = self.qwen.model(
            input_ids=tokens, past_key_values=cache, use_cache=cache is not None
        ).last_hidden_state
        return out[0]

    def word_scores(self, hidden: Float[Tensor, "*l h"]) -> Float[Tensor, "*l v"]:
        """Log-probabilities of the next word; picture tokens are not words."""
        logits = self.qwen.lm_head(hidden).float()
        logits[..., self.config.marks.ids] = -torch.inf
        out: Tensor = logits.log_softmax(-1)
        return out

    def code_logits(self, hidden: Float[Tensor, " h"]) -> Float[Tensor, " k"]:
        """Logits of the next picture token, words left out."""
        marks = self.config.marks
        head = self.qwen.lm_head.weight[marks.first_code : marks.first_code + marks.codes]
        return F.linear(hidden, head).float()

    def condition(self, ids: Sequence[int]) -> Float[Tensor, "n h"]:
        """Final states after the last image-start mark of a prompt that ends with a picture."""
        at = max(place for place, token in enumerate(ids) if token == self.config.marks.start)
        return self.read(ids)[at + 1 :]


def released(name: str) -> str:
    """The released name of one of our tensors; raises KeyError for one without."""
    for old, own in _RENAMED:
        if name.startswith(own):
            return old + name.removeprefix(own)
    raise KeyError(name)
