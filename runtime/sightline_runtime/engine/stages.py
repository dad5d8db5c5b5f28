"""The stages of the model, one row at a time: read, write, plan, draw, paint.

Each function runs the model for one answer or one picture and calls `tick`
between tokens or denoising steps, where the engine cancels, checks deadlines and
reports. One row at a time makes a result independent of its neighbours, bit by bit.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sightline_runtime.engine import noise
from sightline_runtime.models import flow
from sightline_runtime.models import words as w
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


def prefill(model: UnifiedModel, ids: Sequence[int], features: Tensor | None) -> tuple[Tensor, Cache]:
    """Read a prompt: log-probabilities (v,) of the next word, and the cache."""
    cache = Cache()
    tokens = torch.tensor([list(ids)], device=model.feature_mean.device)
    hidden = model.backbone(model.embed(tokens, features), cache).last[:, -1]
    return model.backbone.logits(hidden)[0].log_softmax(-1), cache


def advance(model: UnifiedModel, token: int, cache: Cache) -> Tensor:
    """Read one more token: log-probabilities (v,) of the next."""
    hidden = model.backbone(
        model.embed(torch.tensor([[token]], device=model.feature_mean.device)), cache
    ).last
    return model.backbone.logits(hidden[0, -1]).log_softmax(-1)


def write(
    model: UnifiedModel,
    ids: Sequence[int],
    features: Tensor | None,
    *,
    limit: int,
    temperature: float,
    seed: int,
    tick: Callable[[int], None],
) -> tuple[list[int], float, bool]:
    """Write until the end mark: tokens, their total log-probability, and whether it ended.

    Temperature 0 takes the likeliest word; otherwise words are sampled with
    noise of (seed, "text", place). `tick` gets each token.
    """
    scores, cache = prefill(model, ids, features)
    written: list[int] = []
    total = 0.0
    for place in range(limit):
        choice = scores
        if temperature > 0:
            choice = scores / temperature + torch.from_numpy(
                noise.gumbel(seed, "text", len(scores), place)
            ).to(scores)
        token = int(choice.argmax())
        total += float(scores[token])
        if token == w.END:
            return written, total, True
        written.append(token)
        tick(token)
        scores = advance(model, token, cache)
    return written, total, False


def score(model: UnifiedModel, answer: Sequence[int], start: tuple[Tensor, Cache]) -> float:
    """The log-probability of a whole answer, end mark included, after a prompt read by `prefill`."""
    scores, cache = start[0], start[1].fork()
    total = 0.0
    for token in answer:
        total += float(scores[token])
        scores = advance(model, token, cache)
    return total + float(scores[w.END])


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
        for done, estimate in enumerate(_denoised(model, asked, latent_source, seed, steps, guidance), 1):
            tick(done, estimate)
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
    tokens, mask = asked
    rows = 1 if guidance == 1 else 2
    if rows == 2:
        tokens, mask = torch.cat([torch.zeros_like(tokens), tokens]), mask.expand(2, -1)
    condition = model.dit.prepare(tokens, mask)
    sources = None if source is None else source.expand(rows, -1, -1)
    levels = flow.sigmas(steps)
    times = torch.tensor(flow.timesteps(levels, integer=model.config.integer_timesteps), device=tokens.device)

    def velocity(latents: Tensor, index: int) -> Tensor:
        both = model.dit(latents.expand(rows, -1, -1), times[index].expand(rows), condition, sources)
        return both if rows == 1 else flow.guided(both[:1], both[1:], guidance)

    shape = (1, *model.config.feature_shape)
    return flow.euler(velocity, torch.from_numpy(noise.normal(seed, "features", shape)).to(tokens), levels)


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

    clean = start
    for done, clean in enumerate(flow.euler(velocity, start, levels), 1):  # noqa: B007 - the last one stays
        tick(done, steps)
    return clean.clamp(-1, 1)
