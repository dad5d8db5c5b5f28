"""The DiT as diffusers' own Lumina-Next blocks make it, wired as the released model wires them.

Section 3 of the paper and diffusers' `LuminaNextDiTBlock`, with what the released model changes:
the condition is projected first (`PixArtAlphaTextProjection`), its tokens have the model's width from
there on, and there is no pad token. Names of modules are the released tensor names.
"""

from functools import cache

import torch
from diffusers.models.attention import LuminaFeedForward
from diffusers.models.attention_processor import Attention, LuminaAttnProcessor2_0
from diffusers.models.embeddings import (
    LuminaCombinedTimestepCaptionEmbedding,
    LuminaPatchEmbed,
    PixArtAlphaTextProjection,
    get_2d_rotary_pos_embed_lumina,
)
from diffusers.models.normalization import LuminaLayerNormContinuous, LuminaRMSNormZero
from torch import nn


@cache
def rotary_table(head_width):
    """The angles of 384×384 places, which the patch embedder cuts to the grid."""
    return get_2d_rotary_pos_embed_lumina(head_width, 384, 384)


def feed_forward_width(width):
    """2/3 of four times the width, up to a multiple of 256.

    The diffusers of the released model took the 2/3 inside `LuminaFeedForward`. Today's leaves it to the
    caller: the class with four times the width, as of old, would be half as wide again.
    """
    return LuminaFeedForward(width, inner_dim=int(2 * (4 * width) / 3)).linear_1.out_features


def attention(width, heads, kv_heads):
    """Projections without bias, layer norm over all heads together on queries and keys."""
    return Attention(
        query_dim=width,
        cross_attention_dim=width,
        heads=heads,
        kv_heads=kv_heads,
        dim_head=width // heads,
        qk_norm="layer_norm_across_heads",
        eps=1e-5,
        bias=False,
        out_bias=False,
        processor=LuminaAttnProcessor2_0(),
    )


class Layer(nn.Module):
    """Self- and cross-attention side by side, one output projection, a gated feed-forward."""

    def __init__(self, config):
        super().__init__()
        width = config.width
        self.gate = nn.Parameter(torch.zeros(config.heads))
        self.attn1 = attention(width, config.heads, config.kv_heads)
        self.attn1.to_out = nn.Identity()
        self.attn2 = attention(width, config.heads, config.kv_heads)
        self.feed_forward = LuminaFeedForward(width, config.ffn_width, multiple_of=1)
        self.norm1 = LuminaRMSNormZero(width, norm_eps=1e-5, norm_elementwise_affine=True)
        self.ffn_norm1 = nn.RMSNorm(width, eps=1e-5)
        self.norm2 = nn.RMSNorm(width, eps=1e-5)
        self.ffn_norm2 = nn.RMSNorm(width, eps=1e-5)
        self.norm1_context = nn.RMSNorm(width, eps=1e-5)

    def forward(self, x, mask, angles, caption, caption_mask, e):
        """One layer; attention gives (b, n, heads, head width)."""
        h, gate_a, scale_m, gate_m = self.norm1(x, e)
        own = self.attn1(
            h, encoder_hidden_states=h, attention_mask=mask, query_rotary_emb=angles, key_rotary_emb=angles
        )
        cross = self.attn2(
            h,
            encoder_hidden_states=self.norm1_context(caption),
            attention_mask=caption_mask,
            query_rotary_emb=angles,
            key_rotary_emb=None,
        )
        mixed = own + cross * self.gate.tanh()[:, None]
        x = x + gate_a[:, None].tanh() * self.norm2(self.attn2.to_out[0](mixed.flatten(2)))
        u = self.ffn_norm1(x) * (1 + scale_m[:, None])
        return x + gate_m[:, None].tanh() * self.ffn_norm2(self.feed_forward(u))


class DiT(nn.Module):
    """Latents (b, c, g, g), timesteps (b,), conditions (b, m, z) → velocities (b, c, g, g).

    `config` is the runtime's DiTConfig, read for its sizes.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        width, time_width = config.width, min(config.width, 1024)
        self.patch_embedder = LuminaPatchEmbed(
            patch_size=1, in_channels=config.channels + config.source_channels, embed_dim=width
        )
        self.caption_projection = PixArtAlphaTextProjection(config.condition_width, width)
        self.time_caption_embed = LuminaCombinedTimestepCaptionEmbedding(time_width, width)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm_out = LuminaLayerNormContinuous(
            width, time_width, elementwise_affine=False, eps=1e-6, out_dim=config.channels + config.gated
        )
        self.table = rotary_table(width // config.heads)

    def forward(self, latents, timestep, condition, condition_mask=None):
        """The released model masks no condition token; the embedded one pads its prompts."""
        x, e = self.states(latents, timestep, condition, condition_mask)
        return self.norm_out(x, e).transpose(1, 2).unflatten(2, latents.shape[2:])

    def states(self, latents, timestep, condition, condition_mask=None):
        """What the last layer leaves (b, n, d), and the embedding of time and condition (b, t)."""
        caption = self.caption_projection(condition)
        if condition_mask is None:
            condition_mask = torch.ones(caption.shape[:2], dtype=torch.bool)
        x, mask, _, angles = self.patch_embedder(latents, self.table)
        e = self.time_caption_embed(timestep, caption, condition_mask)
        for layer in self.layers:
            x = layer(x, mask, angles, caption, condition_mask, e)
        return x, e
