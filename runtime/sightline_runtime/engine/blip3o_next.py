"""The family of BLIP3o-NEXT: pictures are written as tokens, then painted by SANA.

Drawing follows the public inference code (its prompt, top-k 1200 and top-p 0.95 at
temperature 1, SANA's 30 steps at guidance 2) but for two things. Tokens are drawn among
the picture tokens alone, so a picture always has its full grid; the reference samples from
all words. And final states are kept while the tokens are written, which spares the
reference's second pass over the whole sequence.

Ours, as the released code neither looks nor edits:
- a shown picture stands in the prompt as `<im_start><S0>`, its TA-Tok tokens, `<im_end>`,
  the form in which training shows pictures that are drawn (the training code for shown
  pictures leaves the marks out; no published recipe trains on any);
- an edit also starts SANA from the source's latents, noised to `EDIT_LEVEL`, not from
  noise alone, so that what the tokens do not say stays where it was;
- the features of a picture are the condition that its own tokens give.
"""

import itertools
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from sightline_runtime.engine import checks, encoding, next_stages, placement, stages, writing
from sightline_runtime.engine.fingerprint import fingerprint
from sightline_runtime.engine.grammar import Grammars, Vocabulary
from sightline_runtime.engine.next_features import Layout, Told
from sightline_runtime.engine.next_prompts import Prompt, Prompts
from sightline_runtime.engine.next_stages import Reading
from sightline_runtime.engine.placement import Wish
from sightline_runtime.engine.served import Check, Work
from sightline_runtime.errors import InputError
from sightline_runtime.models import release_next, sana
from sightline_runtime.models.flow import Schedule
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

STEPS, GUIDANCE = 30, 2.0
_WORKING = 3 * 10**9
"""Bytes for activations at 1024 pixels, estimated."""
EDIT_LEVEL = 0.9
"""Noise level at which an edit starts: a tenth of the source is left, its layout and colours show through."""
RECONSTRUCT = "Please reconstruct the given image."
"""What the training code asks of a shown picture."""


class Served:
    """A loaded release."""

    def __init__(self, folder: Path, wish: Wish = Wish()) -> None:  # noqa: B008 - it is frozen
        found = release_next.find(folder)
        picked = placement.pick(wish, found.parameters, working=_WORKING)
        self._model = release_next.load(
            found, device=picked.device, dtype=picked.dtype, bits=picked.bits, moved=picked.moved
        )
        self._tokens, self._device = found.tokens, picked.device
        config, side = self._model.config, self._model.side
        self._codes = None if self._model.tatok is None else self._model.tatok.bottleneck.codes()
        self._layout = Layout(config.tokens + 1, config.qwen.hidden_size, self._model.latents)
        self._prompts = Prompts(config, self._tokens)
        self._grammars = Grammars(self._vocabulary)
        seeing = {"understand", "edit", "embed"} if self._model.tatok else set()
        self._info = RuntimeInfo(
            fingerprint=fingerprint(
                found.digest, torch.device(picked.device).type, str(picked.dtype), picked.bits
            ),
            model=folder.name,
            family="blip3o-next",
            device=picked.device,
            dtype=str(picked.dtype).removeprefix("torch."),
            capabilities=frozenset({"generate", "json"} | seeing),
            image_size=(side, side),
            feature_shape=self._layout.shape,
            max_prompt_tokens=self._prompts.limit,
            max_images=self._prompts.most_pictures,
            default_steps=STEPS,
            default_guidance=GUIDANCE,
            default_decode_steps=STEPS,
            placement=str(picked),
        )

    @property
    def info(self) -> RuntimeInfo:
        """What the model is and can do."""
        return self._info

    def text(self, request: TextRequest) -> Work[TextResult]:
        """Answer in words, or score choices."""
        checks.text(request)
        shown = self._shown(checks.shown(request.messages, request.images))
        prompt = self._prompts.dialogue(request.messages)
        choices = {choice: self._tokens.ids(choice) for choice in request.choices}
        if not all(choices.values()):
            raise InputError("a choice is empty", hint="give every choice some text")

        guide = self._grammars.guide(request.pattern, request.max_tokens)

        voice = writing.Voice(self._tokens.text, self._prompts.ends)
        return writing.work(
            request, choices, lambda: self._read(prompt, shown), voice, usage=prompt.usage, guide=guide
        )

    def features(self, request: FeatureRequest) -> Work[FeatureResult]:
        """Write the tokens of a picture for each seed; the features are the states that go with them."""
        steps = STEPS if request.steps is None else request.steps
        guidance = GUIDANCE if request.guidance is None else request.guidance
        checks.sampling(steps, guidance, len(request.seeds))
        if request.plans:
            raise InputError("this model does not plan in words", hint="leave the plans out")
        shown = self._shown(checks.shown(request.messages, request.images))[-1:]
        prompt = self._prompts.drawing(request.messages, len(shown))

        def work(job: Job[FeatureResult], check: Check) -> FeatureResult:
            started = time.monotonic()
            read = self._read(prompt, shown)
            source = next_stages.source(self._model, shown[0], self._device) if shown else None
            drawn = []
            for index, seed in enumerate(request.seeds):
                tick = partial(self._tick, job, check, index, len(request.seeds))
                _, states = next_stages.draw(self._model, read.fork(), seed, tick)
                drawn.append(self._layout.pack(Told(_array(states), steps, guidance, source)))
            cost = Usage(completion_tokens=len(drawn) * self._model.config.tokens, seconds=_since(started))
            return FeatureResult(tuple(drawn), usage=prompt.usage + cost)

        return work

    def decode(self, request: DecodeRequest) -> Work[PixelResult]:
        """Denoise latents with SANA and decode them; steps and guidance are those the features carry."""
        checks.decode(request, self._layout.shape, 1 if request.steps is None else request.steps)
        told = [self._layout.unpack(features) for features in request.features]

        def work(job: Job[PixelResult], check: Check) -> PixelResult:
            started = time.monotonic()
            schedules = [self._schedule(one, request.steps) for one in told]
            total = sum(len(schedule.times) for schedule in schedules)
            ended = itertools.count(1)

            def tick() -> None:
                check()
                job.emit(Progress("decode", next(ended), total))

            images = []
            for one, schedule, seed in zip(told, schedules, request.seeds, strict=True):
                latents = next_stages.denoise(self._model, one, schedule, seed, tick)
                images.append(stages.to_pixels(sana.decode(self._model.vae, latents), request.size))
            return PixelResult(tuple(images), Usage(diffusion_steps=total, seconds=_since(started)))

        return work

    def embed(self, request: EmbedRequest) -> Work[EmbedResult]:
        """Give the features that the pictures' own tokens stand for."""
        for picture in request.images:
            checks.pixels(picture)
        self._shown(list(request.images))

        def encode(picture: Pixels) -> Features:
            states = self._model.condition(self._prompts.repeated(self._look(picture), RECONSTRUCT))
            return self._layout.pack(Told(_array(states), STEPS, GUIDANCE))

        return encoding.work(request.images, encode, tokens=self._model.config.tokens)

    def _vocabulary(self) -> Vocabulary:
        """The words of the backbone, without the marks and tokens of pictures."""
        marks = set(self._model.config.marks.ids)
        spelled = self._tokens.spelled()
        return Vocabulary([b"" if i in marks else word for i, word in enumerate(spelled)], self._prompts.ends)

    # --- looking -----------------------------------------------------------------------------

    def _shown(self, pictures: list[Pixels]) -> list[Pixels]:
        """The pictures, refused where the checkpoint cannot see."""
        if pictures and self._model.tatok is None:
            raise InputError(
                "this checkpoint holds no picture tokenizer, so it cannot look at pictures",
                hint="use a release with the vision_tower tensors",
            )
        return pictures

    def _look(self, picture: Pixels) -> list[int]:
        return [] if self._codes is None else next_stages.look(self._model, self._codes, picture)

    def _read(self, prompt: Prompt, shown: list[Pixels]) -> Reading:
        return Reading.of(self._model, prompt.ids([self._look(picture) for picture in shown]))

    # --- drawing and painting ----------------------------------------------------------------

    def _tick(self, job: Job[FeatureResult], check: Check, index: int, pictures: int, done: int) -> None:
        check()
        count = self._model.config.tokens
        job.emit(Progress("features", index * count + done, pictures * count))

    def _schedule(self, told: Told, steps: int | None) -> Schedule:
        start = 1.0 if told.source is None else EDIT_LEVEL
        return sana.schedule(steps or told.steps, self._model.config.shift, start=start)


def _array(states: Tensor) -> Features:
    array: Features = states.float().cpu().numpy()
    return array


def _since(started: float) -> float:
    return time.monotonic() - started
