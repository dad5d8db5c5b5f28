"""The stages of the model, one row at a time: read, draw, paint.

Each function runs the model for one answer or one picture and calls `tick`
between tokens or denoising steps, where the engine cancels, checks deadlines and
reports. One row at a time makes a result independent of its neighbours, bit by bit.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sightline_runtime.engine import noise
from sightline_runtime.models import flow, sampling
from sightline_runtime.models.backbone import Cache
from sightline_runtime.models.unified import UnifiedModel
from sightline_runtime.protocol import Pixels

Tick = Callable[[int, int], None]
"""Called with (done, total) units of a stage."""


def to_tensor(pixels: Pixels, side: int, device: str) -> Tensor:
    """A picture of any size → (1, 3, side, side) in 0 … 1, resampled if it must be."""
    if pixels.shape[:2] != (side, side):
        small = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
        pixels = np.asarray(small)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float().div(255).unsqueeze(0).to(device)


def to_pixels(picture: Tensor, size: tuple[int, int] | None = None) -> Pixels:
    """(1, 3, h, w) in −1 … 1 → uint8 pixels, resampled to `size` (width, height) if given."""
    values = ((picture[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    if size is None or size == (values.shape[1], values.shape[0]):
        return values
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC))


class Reading:
    """A prompt read by the backbone, as `writing` goes on with it."""

    def __init__(self, model: UnifiedModel, scores: Tensor, cache: Cache) -> None:
        self._model, self.scores, self._cache = model, scores, cache

    @classmethod
    def of(cls, model: UnifiedModel, ids: Sequence[int], features: Tensor | None) -> Self:
        """Read a prompt and the picture it shows."""
        cache = Cache()
        tokens = torch.tensor([list(ids)], device=model.feature_mean.device)
        hidden = model.backbone(model.embed(tokens, features), cache).last[:, -1]
        return cls(model, model.backbone.logits(hidden)[0].log_softmax(-1), cache)

    def advance(self, token: int) -> None:
        """Read one more token."""
        ids = torch.tensor([[token]], device=self._model.feature_mean.device)
        hidden = self._model.backbone(self._model.embed(ids), self._cache).last
        self.scores = self._model.backbone.logits(hidden[0, -1]).log_softmax(-1)

    def fork(self) -> Self:
        """A copy that reads on by itself."""
        return type(self)(self._model, self.scores, self._cache.fork())


def draw(
    model: UnifiedModel,
    asked: tuple[Tensor, Tensor],
    source: Tensor | None,
    *,
    seed: int,
    steps: int,
    guidance: float,
    tick: Callable[[int, Tensor], None],
) -> Tensor:
    """Make the features (1, n, d) of one picture for a condition and its mask.

    `source` are the features to edit. They are denoised; the clip_mse design gives them at once,
    whatever seed, steps and guidance. `tick` gets the number of steps done and the latents they point at.
    """
    latent_source = None if source is None else model.standardise(source)
    if model.config.design == "clip_mse":
        estimate = model.regress(asked[0], latent_source)
        tick(1, estimate)
    else:
        estimate = flow.last(_denoised(model, asked, latent_source, seed, steps, guidance), tick)
    return model.restore(estimate)


def _denoised(
    model: UnifiedModel,
    asked: tuple[Tensor, Tensor],
    source: Tensor | None,
    seed: int,
    steps: int,
    guidance: float,
) -> Iterator[Tensor]:
    """The latents (1, n, d) that each step of a sampling run points at."""
    shape = (1, *model.config.feature_shape)
    return sampling.sample(
        model.dit,
        asked[0],
        torch.from_numpy(noise.normal(seed, "features", shape)).to(asked[0]),
        schedule=flow.schedule(steps, integer=model.config.integer_timesteps),
        guidance=guidance,
        mask=asked[1],
        source=source,
    )


def paint(model: UnifiedModel, features: Tensor, *, seed: int, steps: int, tick: Tick) -> Tensor:
    """Decode features (1, n, d) to a picture (1, 3, side, side) in −1 … 1.

    A VAE decodes in one pass, whatever seed and steps.
    """
    if model.config.vae is not None:
        picture = model.vae.decode(features).clamp(-1, 1)
        tick(1, 1)
        return picture
    side = model.decoder.config.image_size
    start = torch.from_numpy(noise.normal(seed, "pixels", (1, 3, side, side))).to(features)
    levels = flow.sigmas(steps)

    def velocity(picture: Tensor, index: int) -> Tensor:
        sigma = torch.full((1,), levels[index], device=features.device)
        return (picture - model.decoder.clean(picture, sigma, features)) / levels[index]

    return flow.last(flow.euler(velocity, start, levels), lambda done, _: tick(done, steps)).clamp(-1, 1)
