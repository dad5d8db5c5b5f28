"""The stages of BLIP3o-NEXT, one picture at a time: look, read, draw, denoise.

Each function runs the model and calls `tick` between tokens or denoising steps, where the
engine cancels, checks deadlines and reports. All noise is that of (seed, stage, place).
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from sightline_runtime.engine import noise, stages
from sightline_runtime.engine.next_features import Told
from sightline_runtime.models import flow, nucleus, sana
from sightline_runtime.models.blip3o_next import Blip3oNext
from sightline_runtime.models.flow import Schedule
from sightline_runtime.protocol import Features, Pixels

if TYPE_CHECKING:
    from transformers.cache_utils import DynamicCache

TOP_K, TOP_P = 1200, 0.95
"""How the public inference code samples picture tokens; temperature 1."""


class Reading:
    """A prompt that the backbone has read, with its last final state (h,)."""

    def __init__(self, model: Blip3oNext, hidden: Tensor, cache: "DynamicCache") -> None:
        self._model, self.hidden, self._cache = model, hidden, cache

    @classmethod
    def of(cls, model: Blip3oNext, ids: Sequence[int]) -> Self:
        """Read a prompt."""
        from transformers.cache_utils import DynamicCache

        cache = DynamicCache(config=model.config.qwen)
        return cls(model, model.read(ids, cache)[-1], cache)

    @property
    def scores(self) -> Tensor:
        """Log-probabilities (v,) of the next word."""
        return self._model.word_scores(self.hidden)

    @property
    def code_logits(self) -> Tensor:
        """Logits (k,) of the next picture token."""
        return self._model.code_logits(self.hidden)

    def advance(self, token: int) -> None:
        """Read one more token."""
        self.hidden = self._model.read([token], self._cache)[-1]

    def fork(self) -> Self:
        """A copy that reads on by itself."""
        return type(self)(self._model, self.hidden, deepcopy(self._cache))


def look(model: Blip3oNext, codes: Tensor, picture: Pixels) -> list[int]:
    """The tokens of a picture, as ids of the backbone's words; `codes` is the tokenizer's codebook."""
    if model.tatok is None:
        raise ValueError("the model has no picture tokenizer")
    pixels = stages.to_tensor(picture, model.tatok.config.image_size, str(codes.device))
    tokens = model.tatok.bottleneck.encode(model.tatok(pixels.to(model.dtype)), codes)[0]
    ids: list[int] = (tokens + model.config.marks.first_code).tolist()
    return ids


def source(model: Blip3oNext, picture: Pixels, device: str) -> Features:
    """The latents (c, y, x) of a picture to edit."""
    pixels = stages.to_tensor(picture, model.side, device) * 2 - 1
    latents: Features = sana.encode(model.vae, pixels)[0].cpu().numpy()
    return latents


def draw(
    model: Blip3oNext, reading: Reading, seed: int, tick: Callable[[int], None]
) -> tuple[list[int], Tensor]:
    """Write a picture's tokens after its scale token: their ids, and the condition (n, h).

    The condition is the states of the scale token and of every picture token, kept while
    they are read; a second pass over the whole sequence would give the same.
    """
    marks, ids, states = model.config.marks, list[int](), [reading.hidden]
    for place in range(model.config.tokens):
        drawn = torch.from_numpy(noise.gumbel(seed, "tokens", marks.codes, place)).to(reading.hidden.device)
        ids.append(marks.first_code + nucleus.sample(reading.code_logits, drawn, top_k=TOP_K, top_p=TOP_P))
        reading.advance(ids[-1])
        states.append(reading.hidden)
        tick(place + 1)
    return ids, torch.stack(states)


def denoise(model: Blip3oNext, told: Told, schedule: Schedule, seed: int, tick: Callable[[], None]) -> Tensor:
    """Latents (1, c, y, x) for a condition: from noise, or from a source noised to the first level."""
    device = model.sana.proj_out.weight.device
    states = torch.from_numpy(told.condition.copy())[None].to(device, model.dtype)
    latents = torch.from_numpy(noise.normal(seed, "latents", (1, *model.latents))).to(device)
    if told.source is not None:
        source = torch.from_numpy(told.source.copy())[None].to(device)
        latents = sana.noised(source, latents, schedule.levels[0])
    rows = model.connector.rows(states, told.guidance)
    return flow.last(sana.sample(model.sana, rows, latents, schedule, told.guidance), lambda *_: tick())
