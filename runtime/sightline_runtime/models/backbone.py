"""The autoregressive backbone: a Qwen-family decoder from a config.

RMSNorm before attention and feed-forward, rotary positions, grouped keys and
values, SwiGLU. `qkv_bias` is Qwen2's, `qk_norm` Qwen3's. Tensor names are
those of the released checkpoints. Prefill and decode are one function: `forward`
extends a cache of keys and values by the tokens it is given.

Letters: b rows, l new tokens, p tokens in all, d width, h heads, k head width.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline_runtime.models.dit import RMSNorm


@dataclass(frozen=True)
class BackboneConfig:
    """Sizes of a decoder; the defaults are those of Qwen2.5-VL-7B's text model."""

    vocabulary: int = 152064
    width: int = 3584
    layers: int = 28
    heads: int = 28
    kv_heads: int = 4
    ffn_width: int = 18944
    rope_theta: float = 1e6
    eps: float = 1e-6
    qkv_bias: bool = True
    qk_norm: bool = False
    tied: bool = False


@dataclass
class Cache:
    """Keys and values of every layer so far: (b, kv heads, p, k) each."""

    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)

    @property
    def length(self) -> int:
        """How many tokens it holds."""
        return self.keys[0].shape[2] if self.keys else 0

    def fork(self, rows: Tensor | None = None) -> "Cache":
        """A view that can grow by itself; `rows` picks or repeats rows."""
        if rows is None:
            return Cache(list(self.keys), list(self.values))
        return Cache([k[rows] for k in self.keys], [v[rows] for v in self.values])

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add a layer's new keys and values, give back all of them."""
        if layer == len(self.keys):
            self.keys.append(k)
            self.values.append(v)
        else:
            self.keys[layer] = torch.cat([self.keys[layer], k], 2)
            self.values[layer] = torch.cat([self.values[layer], v], 2)
        return self.keys[layer], self.values[layer]


def rope(positions: Int[Tensor, "b l"], width: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines (b, 1, l, width) of rotary positions, halves side by side."""
    frequencies = theta ** (-torch.arange(0, width, 2, dtype=torch.float32, device=positions.device) / width)
    angles = positions[:, None, :, None].float() * frequencies
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def apply_rope(x: Float[Tensor, "b h l k"], cos: Tensor, sin: Tensor) -> Float[Tensor, "b h l k"]:
    """Turn the two halves of each head by the angles."""
    a, b = x.chunk(2, -1)
    return (x * cos + torch.cat([-b, a], -1) * sin).to(x.dtype)


class SelfAttention(nn.Module):
    """Attention with rotary positions and a cache."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        head = config.width // config.heads
        self.heads, self.kv_heads, self.head = config.heads, config.kv_heads, head
        self.q_proj = nn.Linear(config.width, config.width, bias=config.qkv_bias)
        self.k_proj = nn.Linear(config.width, config.kv_heads * head, bias=config.qkv_bias)
        self.v_proj = nn.Linear(config.width, config.kv_heads * head, bias=config.qkv_bias)
        self.o_proj = nn.Linear(config.width, config.width, bias=False)
        self.q_norm = RMSNorm(head, config.eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(head, config.eps) if config.qk_norm else nn.Identity()

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, cache: Cache, layer: int
    ) -> Float[Tensor, "b l d"]:
        """Attend from the new tokens to all tokens the mask allows."""
        q, k, v = (
            project(x).view(*x.shape[:2], -1, self.head).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = apply_rope(self.q_norm(q), *angles), apply_rope(self.k_norm(k), *angles)
        k, v = cache.extend(layer, k, v)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=self.heads != self.kv_heads)
        projected: Tensor = self.o_proj(out.transpose(1, 2).flatten(2))
        return projected


class SwiGLU(nn.Module):
    """down(SiLU(gate x) · up x)."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.ffn_width, bias=False)
        self.up_proj = nn.Linear(config.width, config.ffn_width, bias=False)
        self.down_proj = nn.Linear(config.ffn_width, config.width, bias=False)

    def forward(self, x: Float[Tensor, "b l d"]) -> Float[Tensor, "b l d"]:
        """Apply the gated feed-forward."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class DecoderLayer(nn.Module):
    """One pre-norm block of attention and feed-forward."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config)
        self.mlp = SwiGLU(config)
        self.input_layernorm = RMSNorm(config.width, config.eps)
        self.post_attention_layernorm = RMSNorm(config.width, config.eps)

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, cache: Cache, layer: int
    ) -> Float[Tensor, "b l d"]:
        """Apply the block to the new tokens."""
        x = x + self.self_attn(self.input_layernorm(x), angles, mask, cache, layer)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


@dataclass(frozen=True)
class Hidden:
    """What a pass leaves: the final-norm states and one middle layer's, both (b, l, d)."""

    last: Tensor
    middle: Tensor


class Backbone(nn.Module):
    """Embeddings in, hidden states out; `logits` reads words off hidden states."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.eps)
        if not config.tied:
            self.lm_head = nn.Linear(config.width, config.vocabulary, bias=False)

    def forward(
        self,
        embeddings: Float[Tensor, "b l d"],
        cache: Cache,
        positions: Int[Tensor, "b l"] | None = None,
        mask: Bool[Tensor, "b one l p"] | None = None,
    ) -> Hidden:
        """Run new tokens on top of the cache.

        Without `positions` they continue the cache; without `mask` every token
        sees the cache and the new tokens before it.
        """
        rows, new, _ = embeddings.shape
        past = cache.length
        if positions is None:
            positions = torch.arange(past, past + new, device=embeddings.device).expand(rows, new)
        if mask is None and new > 1:
            everything = torch.ones(new, past + new, dtype=torch.bool, device=embeddings.device)
            mask = everything.tril(past).expand(rows, 1, new, past + new)
        angles = rope(positions, self.config.width // self.config.heads, self.config.rope_theta)
        x = middle = embeddings
        for index, layer in enumerate(self.layers):
            x = layer(x, angles, mask, cache, index)
            if index == self.config.layers // 2 - 1:
                middle = x
        return Hidden(self.norm(x), middle)

    def logits(self, hidden: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows v"]:
        """Scores of every word, from final-norm states."""
        weight = self.embed_tokens.weight if self.config.tied else self.lm_head.weight
        return F.linear(hidden, weight)
