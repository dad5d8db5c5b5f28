"""The DiT's mathematics in plain loops, written to be read, never to be fast.

One layer after the other as the released model defines it (section of the
reference in brackets): no caching, no shared rows, no fused calls.
"""

import math

import torch
from torch.nn import functional as F


def rms(x, weight, eps=1e-5):
    """x / sqrt(mean(x²) + eps) · weight."""
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight


def rotate(x, grid):
    """Turn each pair of channels (2i, 2i+1): even pairs by the row's angle, odd ones by the column's."""
    out = torch.empty_like(x)
    width = x.shape[-1]
    for token in range(grid * grid):
        row, column = divmod(token, grid)
        for pair in range(width // 2):
            frequency = 1e4 ** (-(pair // 2) / (width // 4))
            angle = (row if pair % 2 == 0 else column) * frequency
            a, b = x[..., token, 2 * pair], x[..., token, 2 * pair + 1]
            out[..., token, 2 * pair] = a * math.cos(angle) - b * math.sin(angle)
            out[..., token, 2 * pair + 1] = a * math.sin(angle) + b * math.cos(angle)
    return out


def attention(q, k, v):
    """softmax(q·k / sqrt(width)) · v, heads one by one; keys may be shared by groups of heads."""
    heads, shared = q.shape[0], q.shape[0] // k.shape[0]
    out = []
    for head in range(heads):
        scores = q[head] @ k[head // shared].T / math.sqrt(q.shape[-1])
        out.append(scores.softmax(-1) @ v[head // shared])
    return torch.stack(out)


def heads_of(x, count):
    """(n, d) → (heads, n, width)."""
    return x.reshape(len(x), count, -1).transpose(0, 1)


def velocity(state, config, latents, timestep, condition):
    """The velocity of one row: latents (n, c), condition (m, z)."""

    def linear(name, x):
        bias = state.get(f"{name}.bias")
        return F.linear(x, state[f"{name}.weight"], bias)

    def norm(name, x):
        return F.layer_norm(x, (x.shape[-1],), state[f"{name}.weight"], state[f"{name}.bias"], 1e-5)

    frequencies = torch.exp(-math.log(10000) * torch.arange(128) / 128)
    wave = torch.cat([(timestep * frequencies).cos(), (timestep * frequencies).sin()])
    caption = linear(
        "caption_projection.linear_2",
        F.gelu(linear("caption_projection.linear_1", condition), approximate="tanh"),
    )
    e = linear(
        "time_caption_embed.timestep_embedder.linear_2",
        F.silu(linear("time_caption_embed.timestep_embedder.linear_1", wave)),
    )
    e = e + linear(
        "time_caption_embed.caption_embedder.1",
        norm("time_caption_embed.caption_embedder.0", caption.mean(0)),
    )
    x = linear("patch_embedder.proj", latents)
    for index in range(config.layers):
        p = f"layers.{index}"
        scale_a, gate_a, scale_m, gate_m = linear(f"{p}.norm1.linear", F.silu(e)).chunk(4)
        h = rms(x, state[f"{p}.norm1.norm.weight"]) * (1 + scale_a)
        c = rms(caption, state[f"{p}.norm1_context.weight"])
        results = []
        for name, keys_from in (("attn1", h), ("attn2", c)):
            q = rotate(
                heads_of(norm(f"{p}.{name}.norm_q", linear(f"{p}.{name}.to_q", h)), config.heads), config.grid
            )
            k = heads_of(norm(f"{p}.{name}.norm_k", linear(f"{p}.{name}.to_k", keys_from)), config.kv_heads)
            v = heads_of(linear(f"{p}.{name}.to_v", keys_from), config.kv_heads)
            results.append(attention(q, rotate(k, config.grid) if name == "attn1" else k, v))
        mixed = results[0] + results[1] * state[f"{p}.gate"].tanh()[:, None, None]
        out = linear(f"{p}.attn2.to_out.0", mixed.transpose(0, 1).reshape(len(x), -1))
        x = x + gate_a.tanh() * rms(out, state[f"{p}.norm2.weight"])
        u = rms(x, state[f"{p}.ffn_norm1.weight"]) * (1 + scale_m)
        inner = F.silu(linear(f"{p}.feed_forward.linear_1", u)) * linear(f"{p}.feed_forward.linear_3", u)
        x = x + gate_m.tanh() * rms(
            linear(f"{p}.feed_forward.linear_2", inner), state[f"{p}.ffn_norm2.weight"]
        )
    x = F.layer_norm(x, (x.shape[-1],), eps=1e-6) * (1 + linear("norm_out.linear_1", F.silu(e)))
    return linear("norm_out.linear_2", x)
