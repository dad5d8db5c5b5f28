"""The family of this project's own small models: one row at a time, plans before drawings.

It answers the last line alone; after a system message "tools" it reads the whole dialogue,
without its pictures, and writes the tool call that the last line asks for (`models/transcript.py`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from sightline_runtime.engine import checks, encoding, stages, writing
from sightline_runtime.engine.grammar import Grammars, Vocabulary
from sightline_runtime.engine.served import Check, Work
from sightline_runtime.errors import InputError
from sightline_runtime.models import weights
from sightline_runtime.models import words as w
from sightline_runtime.models.transcript import transcript
from sightline_runtime.models.words import NO_CHANGE
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    EmbedResult,
    FeatureRequest,
    FeatureResult,
    Features,
    Job,
    Message,
    PixelResult,
    Pixels,
    Preview,
    Progress,
    RuntimeInfo,
    TextRequest,
    TextResult,
    Usage,
)

_PLAN_TEMPERATURE = 0.3
"""Low: what a prompt leaves open (colours, cells) still varies, what it asks for is kept more often.

Measured on prompts of two related things: plans that satisfy them 0.71 at 0.8, 0.77 at 0.5, 0.82 at 0.3.
"""
_PREVIEW_SEED = 0
_TOOLS = Message("system", ("tools",))
"""The message that asks for tool calls."""
_READS = ("read_features",)
_REMEMBERS, _AGAIN = ("dialogue",), "again"
"""Who was taught dialogues has the words that lean on what was said before."""
"""What a model can that draws the features which it looks at."""
_ONE_PASS = "the model draws in one pass: steps and guidance change nothing"
_NOTHING_TO_CHANGE = "the model found nothing in the picture that the instruction would change"


class Embedded:
    """A model folder of `weights`, ready on a device."""

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        self._model, self._words, fingerprint = weights.load(folder, device)
        config = self._model.config
        self._device = device
        self._grammars = Grammars(self._vocabulary)
        side = config.clip.image_size
        self._info = RuntimeInfo(
            fingerprint=fingerprint,
            model=folder.name,
            family=config.family,
            device=device,
            dtype="float32",
            capabilities=frozenset(
                {
                    *("understand", "generate", "edit", "embed", "preview"),
                    *_READS[: config.vae is None],
                    *_REMEMBERS[: self._words.index(_AGAIN) is not None],
                }
            ),
            image_size=(side, side),
            feature_shape=config.feature_shape,
            max_prompt_tokens=config.max_prompt_tokens,
            max_images=1,
            default_steps=config.default_steps,
            default_guidance=config.default_guidance,
            default_decode_steps=1 if config.vae else config.decode_steps,
        )

    @property
    def info(self) -> RuntimeInfo:
        """What the model is and can do."""
        return self._info

    def text(self, request: TextRequest) -> Work[TextResult]:
        """Answer in text, or score choices."""
        checks.text(request, self._info.feature_shape if _READS[0] in self._info.capabilities else None)
        look = self._look(request)
        if _TOOLS in request.messages:
            (ids, unknown), look = self._dialogue(request.messages), None
        else:
            ids, unknown = self._prompt(request.messages, w.ASSISTANT)
        choices = {choice: self._words.encode(choice) for choice in request.choices}
        for choice, encoded in choices.items():
            if not encoded.ids or encoded.unknown:
                raise InputError(f"the model cannot say {choice!r}", hint="use words that it knows")

        def reading() -> stages.Reading:
            return stages.Reading.of(self._model, ids, None if look is None else look())

        seen = 0 if look is None else self._model.config.clip.grid**2
        return writing.work(
            request,
            {choice: encoded.ids for choice, encoded in choices.items()},
            reading,
            writing.Voice(self._words.decode, (w.END,)),
            usage=Usage(len(ids), image_tokens=seen),
            guide=self._grammars.guide(request.pattern, request.max_tokens),
            warnings=_warnings(unknown),
        )

    def features(self, request: FeatureRequest) -> Work[FeatureResult]:
        """Draw features, one set per seed."""
        steps = self._info.default_steps if request.steps is None else request.steps
        guidance = self._info.default_guidance if request.guidance is None else request.guidance
        checks.sampling(steps, guidance, len(request.seeds))
        ids, unknown = self._prompt(request.messages, w.PLAN)
        source = self._picture(request.messages, request.images)
        given = self._given_plans(request)
        denoises = self._model.config.design != "clip_mse"
        warnings = _warnings(unknown)
        if not denoises and (request.steps, request.guidance) != (None, None):
            warnings += (_ONE_PASS,)

        def work(job: Job[FeatureResult], check: Check) -> FeatureResult:
            started = time.monotonic()
            seen, drawable = (None, None) if source is None else self._model.view(self._tensor(source))
            passes = steps if denoises else 1
            call = _Drawing(job, check, request, ids, seen, drawable, passes, guidance)
            rows = [self._row(call, index, given) for index in range(len(request.seeds))]
            unchanged = tuple(row.unchanged for row in rows)
            said = warnings + ((_NOTHING_TO_CHANGE,) if any(unchanged) else ())
            usage = Usage(
                len(ids),
                sum(row.written for row in rows),
                _image_tokens(seen),
                sum(not row.unchanged for row in rows) * passes * denoises,
                _since(started),
            )
            drawn = tuple(row.features[0].cpu().numpy() for row in rows)
            return FeatureResult(drawn, tuple(row.plan for row in rows), unchanged, said, usage)

        return work

    def decode(self, request: DecodeRequest) -> Work[PixelResult]:
        """Paint features, one picture after the other."""
        config = self._model.config
        steps = config.decode_steps if request.steps is None else request.steps
        checks.decode(request, self._info.feature_shape, steps)
        if config.vae is not None:
            steps = 1  # one pass, no denoising

        def work(job: Job[PixelResult], check: Check) -> PixelResult:
            started = time.monotonic()
            images = []
            for index, (features, seed) in enumerate(zip(request.features, request.seeds, strict=True)):

                def tick(done: int, total: int, before: int = index * steps) -> None:
                    check()
                    job.emit(Progress("decode", before + done, steps * len(request.features)))

                tensor = torch.from_numpy(features).to(self._device)[None]
                picture = stages.paint(self._model, tensor, seed=seed, steps=steps, tick=tick)
                images.append(stages.to_pixels(picture, request.size))
            denoised = 0 if config.vae else steps * len(images)
            usage = Usage(diffusion_steps=denoised, seconds=_since(started))
            return PixelResult(tuple(images), usage)

        return work

    def embed(self, request: EmbedRequest) -> Work[EmbedResult]:
        """Give the features of pictures as the model draws them: CLIP features, or VAE latents."""
        for pixels in request.images:
            checks.pixels(pixels)

        def encode(pixels: Pixels) -> Features:
            encoded: Features = self._model.encode(self._tensor(pixels))[0].cpu().numpy()
            return encoded

        return encoding.work(request.images, encode, tokens=self._info.feature_shape[0])

    def _vocabulary(self) -> Vocabulary:
        """The words, each with the blank before it."""
        words = enumerate(self._words.vocabulary())
        spelled = [f" {word}".encode() if index >= len(w.SPECIAL) else b"" for index, word in words]
        return Vocabulary(spelled, (w.END,), lead=" ")

    # --- prompts and pictures ----------------------------------------------------------------

    def _prompt(self, messages: tuple[Message, ...], header: int) -> tuple[list[int], tuple[str, ...]]:
        """Token ids of the last user turn with its role mark and the answer's header."""
        encoded = self._last_line(messages)
        return [w.USER, *_known(encoded), header], encoded.unknown

    def _dialogue(self, messages: tuple[Message, ...]) -> tuple[list[int], tuple[str, ...]]:
        """Token ids of the dialogue up to its last line, as far back as fits, and the header of a call."""
        encoded = self._last_line(messages)
        last = max(place for place, message in enumerate(messages) if message.role == "user")
        said = [
            (message.role, _known(self._words.encode(message.text)))
            for message in messages[: last + 1]
            if message != _TOOLS
        ]
        return transcript(said, self._info.max_prompt_tokens).ids, encoded.unknown

    def _last_line(self, messages: tuple[Message, ...]) -> w.Encoded:
        """The words of the last user turn."""
        turns = [message for message in messages if message.role == "user"]
        if not turns or not turns[-1].text.strip():
            raise InputError("the prompt is empty", hint="say what to look for or what to draw")
        encoded = self._words.encode(turns[-1].text)
        if not encoded.ids:
            raise InputError("the prompt holds no words", hint="say what to look for or what to draw")
        most = self._info.max_prompt_tokens
        if len(encoded.ids) > most:
            raise InputError(
                f"the prompt has {len(encoded.ids)} words, the model reads {most}", hint="make it shorter"
            )
        return encoded

    def _picture(self, messages: tuple[Message, ...], images: tuple[Pixels, ...]) -> Pixels | None:
        """The last picture that the dialogue shows, None without one."""
        shown = checks.shown(messages, images)
        return shown[-1] if shown else None

    def _look(self, request: TextRequest) -> Callable[[], Tensor] | None:
        """How the CLIP features (1, n, d) of the last picture come about, None without a picture."""
        if not request.features:
            picture = self._picture(request.messages, request.images)
            return None if picture is None else lambda: self._model.clip(self._tensor(picture))
        shown = [request.features[index] for index in checks.slots(request.messages, len(request.features))]
        return (lambda: torch.from_numpy(shown[-1]).to(self._device)[None]) if shown else None

    def _tensor(self, pixels: Pixels) -> Tensor:
        return stages.to_tensor(pixels, self._info.image_size[0], self._device)

    # --- planning and drawing ----------------------------------------------------------------

    def _given_plans(self, request: FeatureRequest) -> list[list[int]]:
        """The plans that the caller brings, as tokens."""
        if not request.plans:
            return []
        encoded = [self._words.encode(plan) for plan in request.plans]
        unknown = [word for plan in encoded for word in plan.unknown]
        if not self._model.config.plans or unknown or len(encoded) != len(request.seeds):
            raise InputError(
                f"{len(encoded)} plans for {len(request.seeds)} seeds, with unknown words {unknown}",
                hint="give one plan per seed, in the words that the model itself plans with",
            )
        return [plan.ids for plan in encoded]

    def _plan(self, ids: list[int], features: Tensor | None, seed: int, check: Check) -> list[int]:
        """What the backbone writes before drawing; empty if it does not plan or finds no end."""
        if not self._model.config.plans:
            return []
        written, _, ended = writing.write(
            stages.Reading.of(self._model, ids, features),
            (w.END,),
            limit=self._model.config.max_plan_tokens,
            choose=writing.choice(_PLAN_TEMPERATURE, seed),
            tick=lambda _: check(),
        )
        return written if ended else []

    def _drawable(self, ids: list[int], plan: list[int], features: Tensor | None) -> list[int]:
        """The prompt of the DiT: the plan alone, or the instruction and its plan."""
        if not plan:
            return [*ids[:-1], w.DRAW]
        return [w.USER, *plan, w.DRAW] if features is None else [*ids, *plan, w.DRAW]

    def _row(self, call: "_Drawing", index: int, given: list[list[int]]) -> "_Row":
        """Plan and draw one picture; a plan of nothing leaves the source as it is."""
        seed = call.request.seeds[index]
        plan = given[index] if given else self._plan(call.ids, call.seen, seed, call.check)
        written, said = 0 if given else len(plan), self._words.decode(plan)
        if call.source is not None and said == NO_CHANGE:
            return _Row(call.source, said, True, written)
        features = stages.draw(
            self._model,
            self._model.condition([self._drawable(call.ids, plan, call.seen)], call.seen),
            call.source,
            seed=seed,
            steps=call.steps,
            guidance=call.guidance,
            tick=partial(self._drawn, call, index),
        )
        return _Row(features, said, False, written)

    def _drawn(self, call: "_Drawing", index: int, done: int, estimate: Tensor) -> None:
        call.check()
        request, steps = call.request, call.steps
        call.job.emit(Progress("features", index * steps + done, steps * len(request.seeds)))
        if request.preview_every and done % request.preview_every == 0 and done < steps:
            features = self._model.restore(estimate)
            picture = stages.paint(self._model, features, seed=_PREVIEW_SEED, steps=1, tick=lambda *_: None)
            call.job.emit(Preview(index, stages.to_pixels(picture)))


@dataclass(frozen=True)
class _Drawing:
    """A request to draw, checked: prompt tokens, sampling, and the picture to edit.

    `seen` are its CLIP features, which the backbone sees, `source` those that are drawn.
    """

    job: Job[FeatureResult]
    check: Check
    request: FeatureRequest
    ids: list[int]
    seen: Tensor | None
    source: Tensor | None
    steps: int
    guidance: float


@dataclass(frozen=True)
class _Row:
    """One drawn picture: features (1, n, d), plan, whether it is the source, tokens written."""

    features: Tensor
    plan: str
    unchanged: bool
    written: int


def _known(encoded: w.Encoded) -> list[int]:
    """The words that the model knows; all of them if it knows none."""
    return [index for index in encoded.ids if index != w.UNK] or encoded.ids


def _image_tokens(seen: Tensor | None) -> int:
    return 0 if seen is None else seen.shape[1]


def _since(started: float) -> float:
    return time.monotonic() - started


def _warnings(unknown: tuple[str, ...]) -> tuple[str, ...]:
    if not unknown:
        return ()
    return (f"the model does not know these words and ignores them: {', '.join(unknown)}",)
