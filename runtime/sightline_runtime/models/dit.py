"""The flow-matching diffusion transformer over CLIP features (Lumina-Next variant).

The layer of the released BLIP3-o checkpoints, config-driven; tensor names are
the released ones. Self-attention over the feature tokens and cross-attention to
the condition run side by side from the same normalised input and share one
output projection; tanh gates from the timestep and the pooled condition scale
both residual branches.

What does not change from step to step (projected condition, its keys and values,
the modulation of every timestep) is computed once by `prepare` and `modulate`.

Letters: b rows, n feature tokens, m condition tokens, c feature channels,
d model width, z condition width, h heads, k head width, t time width, s steps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Complex, Float
from torch import Tensor, nn

from sightline_runtime.models import flow


@dataclass(frozen=True)
class DiTConfig:
    """Sizes of a DiT; the defaults are those of the released 8B model.

    `source_channels` > 0 gives every feature token the features of a source
    picture beside its own (zeros where there is none): how pictures are edited.

    `predicts` "velocity" is the released form. With "features" the network's output
    is its guess of the clean features, from which the velocity follows; with a source
    picture one more channel is a gate that mixes the source's token in, so that what
    an edit leaves alone is copied exactly. Target, path and sampling are the same.
    """

    channels: int = 1792
    source_channels: int = 0
    grid: int = 8
    width: int = 1792
    layers: int = 24
    heads: int = 28
    kv_heads: int = 28
    ffn_width: int = 4864
    condition_width: int = 3584
    eps: float = 1e-5
    predicts: Literal["velocity", "features"] = "velocity"

    @property
    def gated(self) -> bool:
        """Whether the output holds a gate beside the channels."""
        return self.predicts == "features" and self.source_channels > 0

    @property
    def time_width(self) -> int:
        """Width of the timestep embedding."""
        return min(self.width, 1024)


@dataclass(frozen=True)
class Condition:
    """A prepared condition: pooled embedding (b, t) and per layer keys and values (b, h, m, k).

    A condition of b prompts serves b·r rows of latents, r neighbouring rows a prompt.
    """

    pooled: Tensor
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    mask: Tensor | None = None


class RMSNorm(nn.Module):
    """Divide by the root mean square over the last axis, then scale."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows d"]:
        """Normalise the last axis."""
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def rotary_angles(head_width: int, grid: int, theta: float = 1e4) -> Complex[Tensor, "n k2"]:
    """Unit complex numbers (grid², head_width/2): height and width angles interleaved."""
    quarter = head_width // 4
    frequencies = theta ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    angles = torch.outer(torch.arange(grid, dtype=torch.float64), frequencies)
    rows = angles[:, None, :].expand(grid, grid, quarter)
    columns = angles[None, :, :].expand(grid, grid, quarter)
    both = torch.stack([rows, columns], -1).reshape(grid * grid, 2 * quarter)
    return torch.polar(torch.ones_like(both), both).to(torch.complex64)


def rotate(x: Float[Tensor, "b h n k"], angles: Complex[Tensor, "n k2"]) -> Float[Tensor, "b h n k"]:
    """Turn pairs of neighbouring channels by the angles of their position."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * angles).flatten(-2).to(x.dtype)


def sinusoid(timestep: Float[Tensor, " s"], width: int = 256) -> Float[Tensor, "s w"]:
    """Embed timesteps by cosines, then sines, of falling frequency (base 10,000)."""
    half = width // 2
    frequencies = torch.exp(
        -math.log(10000) * torch.arange(half, dtype=torch.float32, device=timestep.device) / half
    )
    angles = timestep.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], -1)


class Attention(nn.Module):
    """Query, key and value projections with normalisation over all heads together."""

    def __init__(self, config: DiTConfig, *, output: bool) -> None:
        super().__init__()
        head = config.width // config.heads
        self.heads, self.kv_heads, self.head = config.heads, config.kv_heads, head
        kv_width = config.kv_heads * head
        self.to_q = nn.Linear(config.width, config.width, bias=False)
        self.to_k = nn.Linear(config.width, kv_width, bias=False)
        self.to_v = nn.Linear(config.width, kv_width, bias=False)
        self.norm_q = nn.LayerNorm(config.width, eps=1e-5)
        self.norm_k = nn.LayerNorm(kv_width, eps=1e-5)
        if output:
            self.to_out = nn.ModuleList([nn.Linear(config.width, config.width, bias=False)])

    def queries(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n k"]:
        """Project and normalise queries."""
        return self._split(self.norm_q(self.to_q(x)), self.heads)

    def keys_values(self, x: Float[Tensor, "b n d"]) -> tuple[Tensor, Tensor]:
        """Project keys (normalised) and values, both (b, kv heads, n, k)."""
        return self._split(self.norm_k(self.to_k(x)), self.kv_heads), self._split(self.to_v(x), self.kv_heads)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Float[Tensor, "b n h k"]:
        """Attend and bring heads last but one; r rows of queries may share one row of keys."""
        grouped = self.heads != self.kv_heads
        bias = None if mask is None else mask[:, None, None, :]
        shared, tokens = q.shape[0] // k.shape[0], q.shape[2]
        if shared > 1:
            q = q.view(-1, shared, *q.shape[1:]).transpose(1, 2).flatten(2, 3)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, enable_gqa=grouped).transpose(1, 2)
        return out.reshape(-1, tokens, *out.shape[2:]) if shared > 1 else out

    def _split(self, x: Tensor, heads: int) -> Tensor:
        return x.view(*x.shape[:-1], heads, self.head).transpose(1, 2)


class FeedForward(nn.Module):
    """SwiGLU: W2(SiLU(W1 x) · W3 x)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width, inner, bias=False)
        self.linear_2 = nn.Linear(inner, width, bias=False)
        self.linear_3 = nn.Linear(width, inner, bias=False)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Apply the gated feed-forward."""
        out: Tensor = self.linear_2(F.silu(self.linear_1(x)) * self.linear_3(x))
        return out


class Modulation(nn.Module):
    """Scales and gates of one layer from the time embedding, and the layer's first norm."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(config.time_width, 4 * config.width)
        self.norm = RMSNorm(config.width, config.eps)


class DiTLayer(nn.Module):
    """One block: self-attention beside cross-attention, then a gated feed-forward."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(config.heads))
        self.attn1 = Attention(config, output=False)
        self.attn2 = Attention(config, output=True)
        self.feed_forward = FeedForward(config.width, config.ffn_width)
        self.norm1 = Modulation(config)
        self.ffn_norm1 = RMSNorm(config.width, config.eps)
        self.norm2 = RMSNorm(config.width, config.eps)
        self.ffn_norm2 = RMSNorm(config.width, config.eps)
        self.norm1_context = RMSNorm(config.width, config.eps)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        modulation: Float[Tensor, "b four_d"],
        condition: tuple[Tensor, Tensor, Tensor | None],
        angles: Complex[Tensor, "n k2"],
    ) -> Float[Tensor, "b n d"]:
        """Apply the layer; `condition` is its keys, values and mask."""
        scale_a, gate_a, scale_m, gate_m = modulation.unsqueeze(1).chunk(4, -1)
        h = self.norm1.norm(x) * (1 + scale_a)
        k, v = self.attn1.keys_values(h)
        own = self.attn1.attend(rotate(self.attn1.queries(h), angles), rotate(k, angles), v)
        cross = self.attn2.attend(rotate(self.attn2.queries(h), angles), *condition)
        mixed = (own + cross * self.gate.tanh()[:, None]).flatten(2)
        x = x + gate_a.tanh() * self.norm2(self.attn2.to_out[0](mixed))
        inner = self.feed_forward(self.ffn_norm1(x) * (1 + scale_m))
        out: Tensor = x + gate_m.tanh() * self.ffn_norm2(inner)
        return out


class _Projection(nn.Module):
    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(inputs, width)
        self.linear_2 = nn.Linear(width, outputs)


class _Patches(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, width)


class _TimeCaption(nn.Module):
    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.timestep_embedder = _Projection(256, config.time_width, config.time_width)
        self.caption_embedder = nn.Sequential(
            nn.LayerNorm(config.width), nn.Linear(config.width, config.time_width)
        )


class DiT(nn.Module):
    """Predicts the velocity of feature tokens (b, n, c) at a timestep, given a condition."""

    angles: Tensor

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embedder = _Patches(config.channels + config.source_channels, config.width)
        self.caption_projection = _Projection(config.condition_width, config.width, config.width)
        self.time_caption_embed = _TimeCaption(config)
        self.layers = cast(Sequence[DiTLayer], nn.ModuleList(DiTLayer(config) for _ in range(config.layers)))
        self.norm_out = _Projection(config.time_width, config.width, config.channels + config.gated)
        angles = rotary_angles(config.width // config.heads, config.grid)
        self.register_buffer("angles", angles, persistent=False)

    def prepare(
        self, condition: Float[Tensor, "b m z"], mask: Bool[Tensor, "b m"] | None = None
    ) -> Condition:
        """Project a condition once for all steps; masked-out tokens are never attended."""
        projection = self.caption_projection
        caption = projection.linear_2(F.gelu(projection.linear_1(condition), approximate="tanh"))
        if mask is None:
            mean = caption.mean(1)
        else:
            weight = mask.unsqueeze(-1).to(caption.dtype)
            mean = (caption * weight).sum(1) / weight.sum(1).clamp(min=1)
        pooled = self.time_caption_embed.caption_embedder(mean)
        pairs = [layer.attn2.keys_values(layer.norm1_context(caption)) for layer in self.layers]
        return Condition(pooled, tuple(k for k, _ in pairs), tuple(v for _, v in pairs), mask)

    def embed_time(self, timestep: Float[Tensor, " s"]) -> Float[Tensor, "s t"]:
        """Embed timesteps in 0 … 1000."""
        embedder = self.time_caption_embed.timestep_embedder
        frequencies = sinusoid(timestep).to(embedder.linear_1.weight.dtype)
        out: Tensor = embedder.linear_2(F.silu(embedder.linear_1(frequencies)))
        return out

    def forward(
        self,
        latents: Float[Tensor, "b n c"],
        timestep: Float[Tensor, " b"],
        condition: Condition,
        source: Float[Tensor, "b n s"] | None = None,
    ) -> Float[Tensor, "b n c"]:
        """The velocity at (latents, timestep); `source` are the features of a picture to edit."""
        out: Tensor = self.norm_out.linear_2(self.states(latents, timestep, condition, source))
        if self.config.predicts == "velocity":
            return out
        return flow.velocity(latents, self._clean(out, source), timestep / flow.TIMESTEPS)

    def _clean(self, out: Float[Tensor, "b n o"], source: Tensor | None) -> Float[Tensor, "b n c"]:
        """The clean features: the source's where the gate is open, the network's own elsewhere."""
        own = out[..., : self.config.channels]
        if not self.config.gated or source is None:
            return own
        gate = out[..., self.config.channels :].sigmoid()
        return gate * source + (1 - gate) * own

    def states(
        self,
        latents: Float[Tensor, "b n c"],
        timestep: Float[Tensor, " b"],
        condition: Condition,
        source: Float[Tensor, "b n s"] | None = None,
    ) -> Float[Tensor, "b n d"]:
        """The normalised and scaled states that the output projection reads."""
        if self.config.source_channels:
            if source is None:
                source = latents.new_zeros(*latents.shape[:2], self.config.source_channels)
            latents = torch.cat([latents, source], -1)
        x = self.patch_embedder.proj(latents)
        pooled = condition.pooled.repeat_interleave(len(x) // len(condition.pooled), 0)
        embedding = F.silu(self.embed_time(timestep) + pooled)
        for layer, k, v in zip(self.layers, condition.keys, condition.values, strict=True):
            x = layer(x, layer.norm1.linear(embedding), (k, v, condition.mask), self.angles)
        x = F.layer_norm(x, (x.shape[-1],), eps=1e-6)
        scaled: Tensor = x * (1 + self.norm_out.linear_1(embedding).unsqueeze(1))
        return scaled
