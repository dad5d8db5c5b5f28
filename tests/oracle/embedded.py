"""The embedded model in plain steps: one prompt, one picture, no cache, nothing shared or prepared.

It is the released anatomy with additions of its own (the heads of `models/dit.py`, `queries.py` and
`decoder.py` say which): a DiT that predicts features and sees a source picture, a connector that hands
over the prompt's states too, and a decoder that is the same transformer over overlapping patches of pixels.
"""

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from tests.oracle import backbone, sampling
from tests.oracle.dit import DiT
from torch import nn

from sightline_runtime.models.backbone import BackboneConfig


def velocity(dit, latents, timestep, condition, source=None, mask=None):
    """The velocity at (b, c, g, g) of a DiT that may see a source picture, and may predict features."""
    blank = latents.new_zeros(len(latents), dit.config.source_channels, *latents.shape[2:])
    seen = blank if source is None else source
    out = dit(torch.cat([latents, seen], 1), timestep, condition, mask)
    if dit.config.predicts == "velocity":
        return out
    clean = out[:, : dit.config.channels]
    if source is not None and dit.config.gated:
        gate = out[:, dit.config.channels :].sigmoid()
        clean = gate * source + (1 - gate) * clean
    sigma = (timestep / 1000).clamp(min=0.02)[:, None, None, None]
    return (latents - clean) / sigma


class Embedded:
    """The same weights as a UnifiedModel, in the library's blocks."""

    def __init__(self, model):
        self.config, self.state = model.config, model.state_dict()
        self.backbone = backbone.text_model(model.config.backbone).eval()
        self.dit, self.painter = DiT(model.config.dit).eval(), DiT(model.decoder.dit.config).eval()
        self.backbone.load_state_dict(self.part("backbone", but="lm_head.weight"))
        self.dit.load_state_dict(self.part("dit"))
        self.painter.load_state_dict(self.part("decoder.dit"))

    def part(self, name, but=None):
        """The tensors under a name."""
        found = {
            key.removeprefix(name + "."): t for key, t in self.state.items() if key.startswith(name + ".")
        }
        return {key: t for key, t in found.items() if key != but}

    def linear(self, name, x):
        """One named linear map."""
        return F.linear(x, self.state[name + ".weight"], self.state[name + ".bias"])

    def see(self, picture):
        """A picture (3, s, s) in 0 … 1 → features (n, d): a windowed token sees its own cell only."""
        clip, tokens = self.config.clip, []
        mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (clip.mean, clip.std))
        for place in range(clip.patches**2):
            y, x = (clip.stride * step for step in divmod(place, clip.patches))
            cell = (picture[:, y : y + clip.patch, x : x + clip.patch] - mean) / std
            tokens.append(self.token(cell))
        return torch.stack(tokens)

    def token(self, cell):
        """The feature token (d,) of one cell: post-norm blocks whose attention is a linear map."""
        clip = self.config.clip
        conv = self.state["clip.patch_embed.proj.weight"].flatten(1)
        x = conv @ cell.flatten() + self.state["clip.patch_embed.proj.bias"]
        for at in (f"clip.blocks.{index}" for index in range(clip.layers)):
            x = x + self.norm(f"{at}.norm1", self.linear(f"{at}.attn.proj", self.linear(f"{at}.attn.qkv", x)))
            hidden = F.relu(self.linear(f"{at}.mlp.fc1", x)) ** 2
            x = x + self.norm(f"{at}.norm2", self.linear(f"{at}.mlp.fc2", hidden))
        x = self.linear("clip.head", x)
        return x / x.square().mean().sqrt()

    def norm(self, name, x):
        """One named layer norm."""
        return F.layer_norm(x, x.shape, self.state[name + ".weight"], self.state[name + ".bias"], 1e-6)

    def row(self, ids, features=None):
        """A prompt's embeddings (p, w); a picture's tokens stand after the first word, the role mark."""
        words = self.state["backbone.embed_tokens.weight"][ids]
        if features is None:
            return words
        hidden = F.silu(self.linear("projector.linear_1", features))
        picture = self.linear("projector.linear_2", hidden) + self.state["projector.place"]
        return torch.cat([words[:1], picture, words[1:]])

    def scores(self, ids, features=None):
        """Log-probabilities (p, v) of the word that follows each place, from one pass."""
        last, _ = backbone.states(self.backbone, self.row(ids, features)[None])
        return backbone.logits(self.backbone, last[0], self.state.get("backbone.lm_head.weight")).log_softmax(
            1
        )

    def connector(self, states):
        """Bidirectional Qwen3 layers over the states (m, two widths) of words and queries."""
        x = self.linear("queries.connector.project", states)
        width, heads = x.shape[1], self.config.queries.connector_heads
        layers = self.config.queries.connector_layers
        mixer = backbone.text_model(
            BackboneConfig(1, width, layers, heads, heads, 2 * width, 1e4, qkv_bias=False, qk_norm=True)
        ).eval()
        mixer.norm = nn.RMSNorm(width)
        mixer.layers.load_state_dict(self.part("queries.connector.layers"))
        mixer.norm.load_state_dict(self.part("queries.connector.norm"))
        everybody = {"full_attention": x.new_zeros(1, 1, len(x), len(x))}
        return mixer(inputs_embeds=x[None], attention_mask=everybody).last_hidden_state[0]

    def condition(self, ids, features=None):
        """What a prompt tells the DiT (m, z): the queries' states, or the connector's of words and queries.

        The role mark and the picture come before the words and know nothing of them: they tell nothing.
        """
        queries = self.state["queries.latent_queries"][0]
        row = torch.cat([self.row(ids, features), queries])
        last, middle = (states[0] for states in backbone.states(self.backbone, row[None]))
        if not self.config.queries.connector_layers:
            return last[-len(queries) :]
        told = torch.cat([last, F.rms_norm(middle, middle.shape[1:])], 1)
        return self.connector(told[-len(queries) - len(ids) + 1 :])

    def draw(self, ids, source, start, *, steps, guidance):
        """Features (n, d) for a prompt, from noise (n, d); `source` are the features to edit."""
        mean, std = self.state["feature_mean"], self.state["feature_std"]
        seen = None if source is None else self.square((source - mean) / std).repeat(2, 1, 1, 1)
        latents = sampling.sample(
            lambda x, t, z: velocity(self.dit, x, t, z, seen),
            self.condition(ids, source)[None],
            self.square(start),
            steps=steps,
            guidance=guidance,
            integer=self.config.integer_timesteps,
        )
        return latents[0].flatten(1).T * std + mean

    def square(self, tokens):
        """(n, d) → (1, d, g, g)."""
        return tokens.T.unflatten(1, (self.config.dit.grid, -1))[None]

    def clean(self, picture, sigma, features):
        """The clean picture that the decoder sees in a noisy one (3, s, s): the mean of its patches."""
        size, stride, grid = (getattr(self.config.decoder, name) for name in ("patch", "stride", "grid"))
        places = [(row * stride, column * stride) for row in range(grid) for column in range(grid)]
        cut = torch.stack([picture[:, y : y + size, x : x + size].flatten() for y, x in places])
        states, e = self.painter.states(
            torch.cat([self.square(cut), self.square(features)], 1),
            torch.tensor([1000 * sigma]),
            features[None],
        )
        out = self.painter.norm_out
        scaled = (out.norm(states) * (1 + out.linear_1(F.silu(e)))[:, None])[0]
        patches = out.linear_2(scaled)
        if self.config.decoder.detail_width:
            hidden = F.relu(self.linear("decoder.detail_1", scaled)) ** 2
            patches = patches + self.linear("decoder.detail_2", hidden)
        total, count = torch.zeros_like(picture), torch.zeros_like(picture)
        for (y, x), patch in zip(places, patches, strict=True):
            total[:, y : y + size, x : x + size] += patch.view(3, size, size)
            count[:, y : y + size, x : x + size] += 1
        return total / count

    def paint(self, features, start, *, steps):
        """Features (n, d) → a picture (3, s, s) in −1 … 1, from noise."""
        picture = start
        for now, after in pairwise([*np.linspace(1, 1 / steps, steps).tolist(), 0.0]):
            speed = (picture - self.clean(picture, now, features)) / now
            picture = picture + (after - now) * speed
        return picture.clamp(-1, 1)
