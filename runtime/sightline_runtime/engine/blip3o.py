"""The family of the released BLIP3-o 4B and 8B.

Understanding is Qwen2.5-VL's own; drawing is queries, feature sampling and the SDXL
decoder with the conventions of the public inference code, but for one thing: the
features that the decoder is guided away from come from a fixed noise key and are
computed once per model, so a seed gives the same picture whatever ran before.
"""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from sightline_runtime.engine import checks, encoding, noise, placement, stages, writing
from sightline_runtime.engine.fingerprint import fingerprint
from sightline_runtime.engine.grammar import Grammars, Vocabulary
from sightline_runtime.engine.placement import Wish
from sightline_runtime.engine.served import Check, Work
from sightline_runtime.errors import InputError
from sightline_runtime.models import flow, preprocess, prompts, release, sampling
from sightline_runtime.models.blip3o import Blip3o
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    EmbedResult,
    FeatureRequest,
    FeatureResult,
    Features,
    Job,
    PixelResult,
    Pixels,
    Progress,
    RuntimeInfo,
    TextRequest,
    TextResult,
    Usage,
)

if TYPE_CHECKING:
    from transformers.cache_utils import DynamicCache

STEPS, GUIDANCE = 30, 3.0
"""Feature sampling of the public inference code."""
DECODE_STEPS, DECODE_GUIDANCE = 50, 3.0
"""The diffusion decoder's."""
_NEGATIVE_SEED = 0
_MOST_IMAGES = 16
_WORKING = 3 * 10**9
"""Bytes for activations at 1024 pixels, estimated."""
_MOST_LONG = 200
"""Times that a picture may be longer than it is wide, for the tower as for Qwen2.5-VL's."""
_MOST_TOKENS = 32768
"""Longer prompts than the backbone was trained on are refused."""


@dataclass(frozen=True)
class _Prompt:
    """A prompt in tokens (1, l), and the patches of its pictures if there are any."""

    ids: Tensor
    patches: Tensor | None
    grids: Tensor | None
    picture_tokens: int

    @property
    def usage(self) -> Usage:
        return Usage(prompt_tokens=self.ids.shape[1] - self.picture_tokens, image_tokens=self.picture_tokens)


class _Reading:
    """A dialogue read by Qwen2.5-VL."""

    def __init__(self, model: Blip3o, scores: Tensor, cache: "DynamicCache", place: int) -> None:
        self._model, self.scores, self._cache, self._place = model, scores, cache, place

    @classmethod
    def of(cls, model: Blip3o, prompt: _Prompt) -> Self:
        """Read a prompt."""
        from transformers.cache_utils import DynamicCache

        cache = DynamicCache()
        places = model.places(prompt.ids, prompt.grids)
        scores = model.read(model.embed(prompt.ids, prompt.patches, prompt.grids), places, cache)
        return cls(model, scores, cache, int(places.max()) + 1)

    def advance(self, token: int) -> None:
        """Read one more token."""
        ids = torch.tensor([[token]], device=self.scores.device)
        places = torch.full((3, 1, 1), self._place, device=ids.device)
        self.scores = self._model.read(self._model.embed(ids), places, self._cache)
        self._place += 1

    def fork(self) -> Self:
        """A copy that reads on by itself."""
        return type(self)(self._model, self.scores, deepcopy(self._cache), self._place)


class Served:
    """A loaded release."""

    def __init__(self, folder: Path, wish: Wish = Wish()) -> None:  # noqa: B008 - it is frozen
        found = release.find(folder)
        picked = placement.pick(wish, found.parameters, working=_WORKING)
        loaded = release.load(
            found, device=picked.device, dtype=picked.dtype, bits=picked.bits, moved=picked.moved
        )
        self._model, self._decoder, self._tokens = loaded.model, loaded.decoder, loaded.tokens
        self._pictures, self._device, self._dtype = loaded.pictures, picked.device, picked.dtype
        self._blank: Tensor | None = None
        config, side = self._model.config, self._decoder.side
        self._start = self._tokens.id("[IMG]")
        self._ends = (self._tokens.id("<|im_end|>"), self._tokens.id("<|endoftext|>"))
        self._grammars = Grammars(lambda: Vocabulary(self._tokens.spelled(), self._ends))
        abilities = {"understand", "generate", "edit", "json"} | ({"embed"} if self._model.tower else set())
        self._info = RuntimeInfo(
            fingerprint=fingerprint(
                loaded.digest, torch.device(picked.device).type, str(picked.dtype), picked.bits
            ),
            model=folder.name,
            family="blip3o",
            device=picked.device,
            dtype=str(picked.dtype).removeprefix("torch."),
            capabilities=frozenset(abilities),
            image_size=(side, side),
            feature_shape=(config.dit.grid**2, config.dit.channels),
            max_prompt_tokens=min(int(config.qwen.get_text_config().max_position_embeddings), _MOST_TOKENS),
            max_images=_MOST_IMAGES,
            default_steps=STEPS,
            default_guidance=GUIDANCE,
            default_decode_steps=DECODE_STEPS,
            placement=str(picked),
        )

    @property
    def info(self) -> RuntimeInfo:
        """What the model is and can do."""
        return self._info

    def text(self, request: TextRequest) -> Work[TextResult]:
        """Answer as Qwen2.5-VL does, or score choices."""
        checks.text(request)
        prompts.said(request.messages, self._tokens.control)
        shown = checks.shown(request.messages, request.images)
        prompt = self._prompt(prompts.understand(request.messages), shown)
        choices = {choice: self._tokens.ids(choice) for choice in request.choices}
        if not all(choices.values()):
            raise InputError("a choice is empty", hint="give every choice some text")

        guide = self._grammars.guide(request.pattern, request.max_tokens)

        voice = writing.Voice(self._tokens.text, self._ends)
        return writing.work(
            request, choices, lambda: _Reading.of(self._model, prompt), voice, usage=prompt.usage, guide=guide
        )

    def features(self, request: FeatureRequest) -> Work[FeatureResult]:
        """Ask the queries and sample features, one set per seed."""
        steps = STEPS if request.steps is None else request.steps
        guidance = GUIDANCE if request.guidance is None else request.guidance
        checks.sampling(steps, guidance, len(request.seeds))
        if request.plans:
            raise InputError("this model does not plan in words", hint="leave the plans out")
        said = prompts.said(request.messages, self._tokens.control)
        shown = checks.shown(request.messages, request.images)
        text = prompts.edit(said, len(shown)) if shown else prompts.generate(said)
        prompt = self._prompt(text, shown, start=True)

        def work(job: Job[FeatureResult], check: Check) -> FeatureResult:
            started = time.monotonic()
            condition = self._condition(prompt)
            drawn = []
            for index, seed in enumerate(request.seeds):

                def tick(done: int, before: int = index * steps) -> None:
                    check()
                    job.emit(Progress("features", before + done, steps * len(request.seeds)))

                start = noise.normal(seed, "features", (1, *self._info.feature_shape))
                drawn.append(self._sampled(condition, start, steps, guidance, tick))
            usage = prompt.usage + Usage(
                diffusion_steps=steps * len(drawn), seconds=time.monotonic() - started
            )
            return FeatureResult(tuple(f[0].float().cpu().numpy() for f in drawn), usage=usage)

        return work

    def decode(self, request: DecodeRequest) -> Work[PixelResult]:
        """Paint features at the trained size, resampled to another one if it is asked for."""
        steps = DECODE_STEPS if request.steps is None else request.steps
        checks.decode(request, self._info.feature_shape, steps)

        def work(job: Job[PixelResult], check: Check) -> PixelResult:
            started = time.monotonic()
            images = []
            for index, (features, seed) in enumerate(zip(request.features, request.seeds, strict=True)):

                def tick(done: int, before: int = index * steps) -> None:
                    check()
                    job.emit(Progress("decode", before + done, steps * len(request.features)))

                told = torch.from_numpy(np.array(features))[None].to(self._device, self._dtype)
                rows = told, self._negative(check)
                images.append(stages.to_pixels(self._painted(rows, seed, steps, tick), request.size))
            usage = Usage(diffusion_steps=steps * len(images), seconds=time.monotonic() - started)
            return PixelResult(tuple(images), usage)

        return work

    def embed(self, request: EmbedRequest) -> Work[EmbedResult]:
        """Encode pictures with the EVA-CLIP tower, if the release holds it."""
        tower = self._model.tower
        if tower is None:
            raise InputError(
                "this checkpoint holds no EVA-CLIP tower, so it cannot embed pictures",
                hint="use a release with the gen_vision_tower tensors",
            )
        for picture in request.images:
            checks.pixels(picture)
            longer, shorter = max(picture.shape[:2]), min(picture.shape[:2])
            if longer > _MOST_LONG * shorter:  # its shorter side is brought to the tower's: gigabytes
                raise InputError(
                    f"a picture of {picture.shape[1]} × {picture.shape[0]} pixels is too long and thin",
                    hint="crop it to a less extreme shape",
                )

        def encode(picture: Pixels) -> Features:
            seen = preprocess.eva_pixels(picture, tower.config.image_size)
            encoded: Features = tower(seen.to(self._device))[0].float().cpu().numpy()
            return encoded

        return encoding.work(request.images, encode, tokens=self._info.feature_shape[0])

    # --- prompts -----------------------------------------------------------------------------

    def _prompt(self, text: str, shown: list[Pixels], *, start: bool = False) -> _Prompt:
        """Tokens of a prompt, every picture's placeholder widened to its number of tokens."""
        if len(shown) > _MOST_IMAGES:
            raise InputError(
                f"{len(shown)} pictures were sent, the model takes {_MOST_IMAGES}", hint="send fewer"
            )
        patches, grids, counts = self._cut(shown)
        pieces = text.split(prompts.PAD)
        wide = "".join(p + prompts.PAD * n for p, n in zip(pieces, [*counts, 0], strict=True))
        ids = self._tokens.ids(wide) + ([self._start] if start else [])
        if len(ids) > self._info.max_prompt_tokens:
            raise InputError(
                f"the prompt has {len(ids)} tokens, the model reads {self._info.max_prompt_tokens}",
                hint="say less, or show fewer or smaller pictures",
            )
        return _Prompt(torch.tensor([ids], device=self._device), patches, grids, sum(counts))

    def _cut(self, shown: list[Pixels]) -> tuple[Tensor | None, Tensor | None, list[int]]:
        """Pictures as the vision tower takes them: patches, their grids, and the tokens of each."""
        if not shown:
            return None, None, []
        whole = [np.array(picture, order="C") for picture in shown]  # not views that torch cannot read
        try:
            cut = self._pictures(whole, return_tensors="pt", input_data_format="channels_last")
        except ValueError as error:
            raise InputError(
                f"a picture cannot be shown to the model: {error}", hint="crop it to a less extreme shape"
            ) from error
        grids = cut["image_grid_thw"]
        counts = (grids.prod(1) // self._pictures.merge_size**2).tolist()
        return cut["pixel_values"].to(self._device), grids.to(self._device), counts

    # --- drawing and painting ----------------------------------------------------------------

    def _condition(self, prompt: _Prompt) -> Tensor:
        return self._model.condition(self._model.embed(prompt.ids, prompt.patches, prompt.grids))

    def _sampled(
        self, condition: Tensor, start: np.ndarray, steps: int, guidance: float, tick: Callable[[int], None]
    ) -> Tensor:
        """Features (1, n, d); the noise is float32 whatever the model computes in."""
        latents = torch.from_numpy(start).to(condition)
        schedule = flow.schedule(steps, integer=True)
        sampled = sampling.sample(self._model.dit, condition, latents, schedule=schedule, guidance=guidance)
        return flow.last(sampled, lambda done, _: tick(done))

    def _negative(self, check: Check) -> Tensor:
        """The features (1, n, d) of a blank prompt from a fixed key, once per model."""
        if self._blank is not None:
            return self._blank
        ids = [*self._tokens.ids(prompts.BLANK), self._start]
        prompt = _Prompt(torch.tensor([ids], device=self._device), None, None, 0)
        start = noise.normal(_NEGATIVE_SEED, "negative", (1, *self._info.feature_shape))
        condition = self._condition(prompt)
        self._blank = self._sampled(condition, start, STEPS, GUIDANCE, lambda _: check())
        return self._blank

    def _painted(
        self, told: tuple[Tensor, Tensor], seed: int, steps: int, tick: Callable[[int], None]
    ) -> Tensor:
        """A picture (1, 3, side, side) of features, guided away from the negative ones beside them."""
        decoder = self._decoder
        side = decoder.side // decoder.scale
        shape = (1, int(decoder.unet.config.in_channels), side, side)
        latents = torch.from_numpy(noise.normal(seed, "pixels", shape)).to(self._device)
        painted = decoder.latents(*told, latents, steps=steps, guidance=DECODE_GUIDANCE)
        return decoder.pixels(flow.last(painted, lambda done, _: tick(done)))
