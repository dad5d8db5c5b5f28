"""The losses of the four stages, each a function of the model and one batch.

CLIP: image–text contrast of whole pictures and of single cells, with a pixel
term that keeps the features decodable. Understanding: cross-entropy on answers.
Drawing: flow matching on standardised features, backbone frozen. Decoder: mean
squared error of the predicted clean picture.

Letters: b rows, n tokens a picture (9), d feature width.
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
    """How much one step of each stage holds."""

    pictures: int = 256
    contrast: int = 64
    question_rows: int = 32
    questions: int = 6
    text_rows: int = 12
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
    """Stage 1: contrast of cells every step, of pictures every fourth, and pixels."""
    device = tower.scale.device
    generator = torch.Generator().manual_seed(int(world.rng.integers(2**31)))
    scenes = data.crowded(world, sizes.pictures)
    pixels = data.pictures(scenes, -0.5 if world.maybe(0.15) else 0.0).to(device)
    features = model.clip(pixels)
    clean = 2 * pixels - 1
    painted = _pixel_error(_decoded(model, _blurred(features, 0.4, generator), clean, generator), clean)
    phrases = ["nothing", *(f"a {' '.join(region)}" for region in REGIONS)]
    texts = tower.encode([words.ids(phrase) for phrase in phrases])
    scale = tower.scale.exp()
    cells = F.normalize(tower.region(features), dim=-1) @ texts.T * scale
    region = F.cross_entropy(cells.flatten(0, 1), _region_labels(scenes).flatten().to(device))
    grounds = torch.tensor([list(BACKGROUNDS).index(scene.background) for scene in scenes], device=device)
    ground = F.cross_entropy(tower.ground(features).flatten(0, 1), grounds.repeat_interleave(9))
    loss = 4 * painted + 0.25 * region + 0.1 * ground
    report = {"pixels": painted.item(), "region": region.item(), "ground": ground.item()}
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
    """Stage 2: answers, descriptions, plans and tool calls, by cross-entropy."""
    scenes = [world.scene() for _ in range(sizes.question_rows)]
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
    planned = _answer_loss(model, tower, plans, None)
    called = _answer_loss(model, tower, calls, None)
    loss = seen.answers + 0.3 * seen.named + 0.4 * planned.answers + 0.2 * called.answers
    return loss, {
        "answers": seen.answers.item(),
        "named": seen.named.item(),
        "plans": planned.answers.item(),
        "calls": called.answers.item(),
        "right": seen.right.item(),
        "calls_right": called.right.item(),
    }


def drawing_loss(
    model: UnifiedModel, words: Words, world: SceneSampler, sizes: Sizes
) -> tuple[Tensor, dict[str, float]]:
    """Stage 3: flow matching for drawing and editing; one prompt serves several draws."""
    generator = torch.Generator().manual_seed(int(world.rng.integers(2**31)))
    drawn = [data.drawing(world, words, sizes.draws) for _ in range(sizes.prompts)]
    changed = [data.editing(world, words, sizes.edit_draws) for _ in range(sizes.edits)]
    shift = -0.5 if world.maybe(0.15) else 0.0
    painted = _flow_loss(model, drawn, generator, 0.0)
    edited = _flow_loss(model, changed, generator, shift)
    return painted + edited, {"drawn": painted.item(), "edited": edited.item()}


_EASY = 0.3
"""Noise level under which a network that predicts features is not pressed harder.

There v = (x − features)/σ makes a small error of the features a large one of the velocity,
and a few rows of low noise would decide the whole step.
"""


def _flow_loss(
    model: UnifiedModel, drawings: list[data.Drawing], generator: torch.Generator, shift: float
) -> Tensor:
    device = model.feature_mean.device
    draws = len(drawings[0].scenes)
    with torch.no_grad():
        scenes = [scene for drawing in drawings for scene in drawing.scenes]
        target = model.standardise(model.clip(data.pictures(scenes, shift).to(device)))
        sources = [drawing.source for drawing in drawings if drawing.source is not None]
        features = model.clip(data.pictures(sources, shift).to(device)) if sources else None
    tokens, mask = model.condition([drawing.ids for drawing in drawings], features)
    keep = (torch.rand(len(drawings), generator=generator) >= 0.1).to(device)
    condition = model.dit.prepare(tokens * keep[:, None, None], mask)
    rows = torch.arange(len(drawings), device=device).repeat_interleave(draws)
    sigma = torch.sigmoid(0.4 + 1.2 * torch.randn(len(rows), generator=generator)).to(device)
    noise = torch.randn(target.shape, generator=generator).to(device)
    noisy, velocity = flow.noised(target, noise, sigma)
    source = None if features is None else model.standardise(features)[rows]
    predicted = model.dit(noisy, sigma * flow.TIMESTEPS, condition, source)
    error: Tensor = (predicted - velocity).square().mean((1, 2))
    if model.config.dit.predicts == "features":
        error *= (sigma / _EASY).clamp(max=1).square()
    return error.mean()


def decoder_loss(model: UnifiedModel, world: SceneSampler, sizes: Sizes) -> tuple[Tensor, dict[str, float]]:
    """Stage 4: the pixel decoder alone, on features as noisy as sampled ones are."""
    generator = torch.Generator().manual_seed(int(world.rng.integers(2**31)))
    pixels = data.pictures(data.crowded(world, sizes.pictures)).to(model.feature_mean.device)
    with torch.no_grad():
        features = _blurred(model.clip(pixels), 0.3, generator)
    clean = 2 * pixels - 1
    loss = _pixel_error(_decoded(model, features, clean, generator), clean)
    return loss, {"pixels": loss.item()}
