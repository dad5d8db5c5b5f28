"""The losses of the stages, each a function of the model and one batch.

CLIP: image–text contrast of whole pictures and of single cells, with a pixel
term that keeps the features decodable where they are decoded. Understanding:
cross-entropy on answers. VAE: reconstruction and divergence. Drawing, backbone
frozen: flow matching or regression on standardised features. Decoder: mean
squared error of the predicted clean picture.

Letters: b rows, n feature tokens a picture, d feature width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline_runtime.models import flow
from sightline_runtime.models import words as w
from sightline_runtime.models.backbone import Backbone, BackboneConfig, Cache
from sightline_runtime.models.unified import UnifiedModel
from sightline_runtime.models.words import Words
from sightline_runtime.training import data
from sightline_runtime.world import language
from sightline_runtime.world.scenes import (
    BACKGROUNDS,
    COLORS,
    HELD_OUT_PAIRS,
    SHAPES,
    SIZES,
    Scene,
    SceneSampler,
)


@dataclass(frozen=True)
class Sizes:
    """How much one step of each stage holds; `codes` are the pictures of the VAE's."""

    pictures: int = 256
    codes: int = 64
    contrast: int = 64
    question_rows: int = 32
    questions: int = 6
    text_rows: int = 12
    dialogues: int = 10
    prompts: int = 44
    draws: int = 4
    edits: int = 40
    edit_draws: int = 2


class TextTower(nn.Module):
    """CLIP's text side and the heads that only training needs.

    `cells` reads off the backbone's middle layer where the thing stands that a word names:
    without it, questions about two things at once stay at chance for very long.
    """

    def __init__(self, vocabulary: int, features: int, backbone: int, width: int = 128) -> None:
        super().__init__()
        self.cells = nn.Linear(backbone, 9)
        self.words = Backbone(
            BackboneConfig(
                vocabulary, width, 1, 4, 4, 2 * width, 1e4, qkv_bias=False, qk_norm=True, tied=True
            )
        )
        self.region = nn.Linear(features, width)
        self.ground = nn.Linear(features, len(BACKGROUNDS))
        self.pool = nn.Sequential(nn.Linear(9 * features, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        self.scale = nn.Parameter(torch.tensor(2.5))

    def encode(self, ids: list[list[int]]) -> Tensor:
        """Texts → unit vectors (b, width), read at the last token."""
        longest = max(len(row) for row in ids)
        padded = torch.tensor([row + [w.PAD] * (longest - len(row)) for row in ids], device=self.scale.device)
        hidden = self.words(self.words.embed_tokens(padded), Cache()).last
        last = torch.tensor([len(row) - 1 for row in ids], device=padded.device)
        return F.normalize(hidden[torch.arange(len(ids), device=padded.device), last], dim=-1)


REGIONS = [
    (size, color, shape)
    for size in SIZES
    for color in COLORS
    for shape in SHAPES
    if (shape, color) not in HELD_OUT_PAIRS
]
_REGION_INDEX = {region: index + 1 for index, region in enumerate(REGIONS)}


def _region_labels(scenes: list[Scene]) -> Tensor:
    labels = torch.zeros(len(scenes), 9, dtype=torch.long)
    for row, scene in enumerate(scenes):
        for thing in scene.things:
            labels[row, thing.cell] = _REGION_INDEX[thing.size, thing.color, thing.shape]
    return labels


def _pixel_error(predicted: Tensor, clean: Tensor) -> Tensor:
    """Mean squared error, five times as heavy where the picture differs from its corner."""
    away = (clean - clean[:, :, :1, :1]).abs().amax(1, keepdim=True) > 0.05
    return ((predicted - clean).square() * (1 + 4 * away)).mean()


def _decoded(model: UnifiedModel, features: Tensor, clean: Tensor, generator: torch.Generator) -> Tensor:
    """Denoise from mostly full noise: the features, not the noisy picture, must tell."""
    draw = torch.rand(len(clean), generator=generator)
    sigma = torch.where(draw < 0.6, torch.ones(()), 0.3 + 0.7 * (draw - 0.6) / 0.4).to(clean.device)
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    level = sigma[:, None, None, None]
    return model.decoder.clean((1 - level) * clean + level * noise, sigma, features)


def _blurred(features: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Features with noise of a random strength per picture, up to `most` of their own spread."""
    strength = (torch.rand(len(features), 1, 1, generator=generator) * most).to(features.device)
    return features + strength * torch.randn(features.shape, generator=generator).to(features.device)


def clip_loss(
    model: UnifiedModel, tower: TextTower, words: Words, world: SceneSampler, step: int, sizes: Sizes
) -> tuple[Tensor, dict[str, float]]:
    """The CLIP tower: contrast of cells every step, of pictures every fourth, and pixels if it is drawn."""
    device = tower.scale.device
    generator = torch.Generator().manual_seed(int(world.rng.integers(2**31)))
    scenes = data.crowded(world, sizes.pictures)
    pixels = data.pictures(scenes, -0.5 if world.maybe(0.15) else 0.0).to(device)
    features = model.clip(pixels)
    phrases = ["nothing", *(f"a {' '.join(region)}" for region in REGIONS)]
    texts = tower.encode([words.ids(phrase) for phrase in phrases])
    scale = tower.scale.exp()
    cells = F.normalize(tower.region(features), dim=-1) @ texts.T * scale
    region = F.cross_entropy(cells.flatten(0, 1), _region_labels(scenes).flatten().to(device))
    grounds = torch.tensor([list(BACKGROUNDS).index(scene.background) for scene in scenes], device=device)
    ground = F.cross_entropy(tower.ground(features).flatten(0, 1), grounds.repeat_interleave(9))
    loss = 0.25 * region + 0.1 * ground
    report = {"region": region.item(), "ground": ground.item()}
    if model.config.decoder is not None:
        clean = 2 * pixels - 1
        painted = _pixel_error(_decoded(model, _blurred(features, 0.4, generator), clean, generator), clean)
        loss = loss + 4 * painted
        report["pixels"] = painted.item()
    if step % 4 == 0:
        contrast = _contrast(model, tower, words, world, sizes.contrast)
        loss = loss + 0.1 * contrast
        report["contrast"] = contrast.item()
    return loss, report


def _contrast(model: UnifiedModel, tower: TextTower, words: Words, world: SceneSampler, count: int) -> Tensor:
    """Pictures against captions; every scene comes with one of its own edits as hard negative."""
    scenes: list[Scene] = []
    while len(scenes) < count:
        change = language.edit(world, world.choice(language.EDIT_KINDS))
        scenes += [change.source, change.target]
    features = model.clip(data.pictures(scenes).to(tower.scale.device))
    images = F.normalize(tower.pool(features.flatten(1)), dim=-1)
    texts = tower.encode([words.ids(language.plan(scene)) for scene in scenes])
    logits = images @ texts.T * tower.scale.exp()
    target = torch.arange(len(scenes), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


@dataclass(frozen=True)
class _Read:
    """Losses of one pass over token rows; `named` is 0 where no token names a thing."""

    answers: Tensor
    right: Tensor
    named: Tensor


def _answer_loss(model: UnifiedModel, tower: TextTower, rows: data.Rows, features: Tensor | None) -> _Read:
    device = model.feature_mean.device
    ids = rows.ids.to(device)
    if features is not None:
        ids = torch.cat([ids[:, :1], ids[:, 1 + features.shape[1] :]], 1)
    embeddings = model.embed(ids, features)
    hidden = model.backbone(embeddings, Cache(), rows.position.to(device), data.visible(rows).to(device))
    learn = rows.learn[:, 1:].to(device)
    logits = model.backbone.logits(hidden.last[:, :-1][learn])
    target = rows.ids[:, 1:].to(device)[learn]
    names = (rows.cell >= 0).to(device)
    where = tower.cells(F.rms_norm(hidden.middle, hidden.middle.shape[-1:])[names])
    named = F.cross_entropy(where, rows.cell.to(device)[names]) if len(where) else logits.new_zeros(())
    return _Read(F.cross_entropy(logits, target), (logits.argmax(-1) == target).float().mean(), named)


def understanding_loss(
    model: UnifiedModel, tower: TextTower, words: Words, world: SceneSampler, sizes: Sizes
) -> tuple[Tensor, dict[str, float]]:
    """The backbone: answers, descriptions, plans, tool calls and dialogues, by cross-entropy."""
    scenes = [data.pictured(world) for _ in range(sizes.question_rows)]
    pixels = data.pictures(scenes, -0.5 if world.maybe(0.15) else 0.0).to(model.feature_mean.device)
    with torch.no_grad():
        features = model.clip(pixels)
    segments = [data.picture_segments(world, words, scene, sizes.questions) for scene in scenes]
    seen = _answer_loss(model, tower, data.pack([w.USER], 9, segments), features)
    half = sizes.text_rows * 2 // 3
    plans = data.pack([w.USER], 0, [data.prompt_segments(world, words, 4) for _ in range(half)])
    calls = data.pack(
        [w.TOOLS], 0, [data.call_segments(world, words, 5) for _ in range(sizes.text_rows - half)]
    )
    most = model.config.max_prompt_tokens
    talks = [[data.dialogue_segment(world, words, most)] for _ in range(sizes.dialogues)]
    planned = _answer_loss(model, tower, plans, None)
    called = _answer_loss(model, tower, calls, None)
    talked = _answer_loss(model, tower, data.pack([w.TOOLS], 0, talks), None)
    loss = seen.answers + 0.3 * seen.named + 0.4 * planned.answers + 0.2 * called.answers
    loss = loss + 0.4 * talked.answers
    return loss, {
        "answers": seen.answers.item(),
        "named": seen.named.item(),
        "plans": planned.answers.item(),
        "calls": called.answers.item(),
        "dialogues": talked.answers.item(),
        "right": seen.right.item(),
        "calls_right": called.right.item(),
        "dialogues_right": talked.right.item(),
    }


_DIVERGENCE = 1e-3
"""Weight of the VAE's divergence from a standard normal: latents of one scale, hardly blurred."""


def vae_loss(model: UnifiedModel, world: SceneSampler, sizes: Sizes) -> tuple[Tensor, dict[str, float]]:
    """The VAE: pictures decoded from sampled latents, and how far those are from a standard normal."""
    generator = torch.Generator().manual_seed(int(world.rng.integers(2**31)))
    clean = 2 * data.pictures(data.crowded(world, sizes.codes)).to(model.feature_mean.device) - 1
    mean, log_variance = model.vae.posterior(clean)
    noise = torch.randn(mean.shape, generator=generator).to(mean.device)
    painted = _pixel_error(model.vae.decode(mean + (log_variance / 2).exp() * noise), clean)
    divergence = (mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2
    return painted + _DIVERGENCE * divergence, {"pixels": painted.item(), "divergence": divergence.item()}


def drawing_loss(
    model: UnifiedModel, words: Words, world: SceneSampler, sizes: Sizes
) -> tuple[Tensor, dict[str, float]]:
    """Drawing and editing, by flow matching or regression; one prompt serves several draws."""
    generator = torch.Generator().manual_seed(int(world.rng.integers(2**31)))
    drawn = [data.drawing(world, words, sizes.draws) for _ in range(sizes.prompts)]
    changed = [data.editing(world, words, sizes.edit_draws) for _ in range(sizes.edits)]
    shift = -0.5 if world.maybe(0.15) else 0.0
    painted = _drawn_loss(model, _asked(model, drawn, 0.0), generator)
    edited = _drawn_loss(model, _asked(model, changed, shift), generator)
    return painted + edited, {"drawn": painted.item(), "edited": edited.item()}


@dataclass(frozen=True)
class _Asked:
    """A batch of p prompts with b draws: conditions (p, m, z) and their mask, source and target latents.

    `rows` is each draw's place among the prompts; sources are (p, n, d), targets (b, n, d).
    """

    tokens: Tensor
    mask: Tensor
    source: Tensor | None
    target: Tensor
    rows: Tensor


def _asked(model: UnifiedModel, drawings: list[data.Drawing], shift: float) -> _Asked:
    device = model.feature_mean.device
    seen, source = None, None
    with torch.no_grad():
        scenes = [scene for drawing in drawings for scene in drawing.scenes]
        target = model.standardise(model.encode(data.pictures(scenes, shift).to(device)))
        sources = [drawing.source for drawing in drawings if drawing.source is not None]
        if sources:
            seen, features = model.view(data.pictures(sources, shift).to(device))
            source = model.standardise(features)
    tokens, mask = model.condition([drawing.ids for drawing in drawings], seen)
    rows = torch.arange(len(drawings), device=device).repeat_interleave(len(drawings[0].scenes))
    return _Asked(tokens, mask, source, target, rows)


def _drawn_loss(model: UnifiedModel, asked: _Asked, generator: torch.Generator) -> Tensor:
    if model.config.design == "clip_mse":
        predicted = model.regress(asked.tokens, asked.source)[asked.rows]
        return (predicted - asked.target).square().mean()
    return _flow_loss(model, asked, generator)


_EASY = 0.3
"""Noise level under which a network that predicts features is not pressed harder.

There v = (x − features)/σ makes a small error of the features a large one of the velocity,
and a few rows of low noise would decide the whole step.
"""


def _flow_loss(model: UnifiedModel, asked: _Asked, generator: torch.Generator) -> Tensor:
    target, device = asked.target, asked.target.device
    keep = (torch.rand(len(asked.tokens), generator=generator) >= 0.1).to(device)
    condition = model.dit.prepare(asked.tokens * keep[:, None, None], asked.mask)
    sigma = torch.sigmoid(0.4 + 1.2 * torch.randn(len(target), generator=generator)).to(device)
    noise = torch.randn(target.shape, generator=generator).to(device)
    noisy, velocity = flow.noised(target, noise, sigma)
    source = None if asked.source is None else asked.source[asked.rows]
    predicted = model.dit(noisy, sigma * flow.TIMESTEPS, condition, source)
    error: Tensor = (predicted - velocity).square().mean((1, 2))
    if model.dit.config.predicts == "features":
        error *= (sigma / _EASY).clamp(max=1).square()
    return error.mean()


def decoder_loss(model: UnifiedModel, world: SceneSampler, sizes: Sizes) -> tuple[Tensor, dict[str, float]]:
    """The pixel decoder alone, on features as noisy as sampled ones are."""
    generator = torch.Generator().manual_seed(int(world.rng.integers(2**31)))
    pixels = data.pictures(data.crowded(world, sizes.pictures)).to(model.feature_mean.device)
    with torch.no_grad():
        features = _blurred(model.clip(pixels), 0.3, generator)
    clean = 2 * pixels - 1
    loss = _pixel_error(_decoded(model, features, clean, generator), clean)
    return loss, {"pixels": loss.item()}
