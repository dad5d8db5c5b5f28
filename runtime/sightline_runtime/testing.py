"""Runtimes for tests: no weights, no torch, milliseconds.

`FakeRuntime` draws scenes of simple shapes whose pixels follow from the request
and answers truthfully from pixels, so that logic above a runtime can be asserted
on pictures. `ScriptedRuntime` plays back what a test wrote down and fails the
test if a line is left over. `FaultyRuntime` wraps a runtime and fails on purpose.

    with sl.Session(runtime=FakeRuntime()) as s:
        star = s.generate("a red star")
        assert s.understand(star, "what color is the star ?").text == "red"
"""

import hashlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from sightline_runtime.automaton import Automaton
from sightline_runtime.errors import EngineError, InputError, SightlineError
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    EmbedResult,
    FeatureRequest,
    FeatureResult,
    ImageSlot,
    Job,
    Message,
    PixelResult,
    Pixels,
    Preview,
    Progress,
    R,
    Runtime,
    RuntimeInfo,
    TextDelta,
    TextRequest,
    TextResult,
    Usage,
)
from sightline_runtime.world import judge, reader
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import COLORS, SceneSampler

_SIDE = 64
_INFO = RuntimeInfo(
    fingerprint=hashlib.sha256(b"sightline fake runtime 1").hexdigest(),
    model="fake",
    family="fake",
    device="cpu",
    dtype="uint8",
    capabilities=frozenset({"understand", "generate", "edit", "embed", "preview", "read_features"}),
    image_size=(_SIDE, _SIDE),
    feature_shape=(_SIDE, 3 * _SIDE),
    max_prompt_tokens=192,
    max_images=1,
    default_steps=4,
    default_guidance=2.0,
    default_decode_steps=2,
)


def _small(pixels: Pixels) -> Pixels:
    if pixels.shape[:2] == (_SIDE, _SIDE):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX))


def _last_turn(messages: Sequence[Message], images: Sequence[Pixels]) -> tuple[str, Pixels | None]:
    users = [message for message in messages if message.role == "user"]
    if not users or not users[-1].text.strip():
        raise InputError("the prompt is empty", hint="say what to look for or what to draw")
    if len(users[-1].text.split()) > _INFO.max_prompt_tokens:
        raise InputError("the prompt is longer than the model reads", hint="make it shorter")
    slots = [part for message in messages for part in message.content if isinstance(part, ImageSlot)]
    if slots and not 0 <= slots[-1].index < len(images):
        raise InputError(
            f"picture {slots[-1].index} of {len(images)} is named", hint="send the picture along"
        )
    return users[-1].text, _small(images[slots[-1].index]) if slots else None


def _fitted(request: TextRequest, known: str | None) -> str:
    """What is known, or the shortest match of the pattern if it is no match; words count as tokens."""
    if not request.pattern:
        return known or "unknown"
    if request.choices:
        raise InputError("both choices and a pattern are given", hint="give one of them")
    automaton = Automaton(request.pattern)
    if known is not None and automaton.matches(known):
        return known
    shortest = automaton.shortest_match()
    if len(shortest.split()) > request.max_tokens:
        raise InputError(
            f"the shortest match of the pattern is {shortest[:60]!r}, max_tokens is {request.max_tokens}",
            hint="raise max_tokens or shorten the pattern",
        )
    return shortest


def _looked_at(request: TextRequest) -> tuple[Pixels, ...]:
    """The pictures of a request; features are the picture itself as numbers."""
    for features in request.features:
        if features.shape != _INFO.feature_shape or not np.isfinite(features).all() or request.images:
            raise InputError(
                f"features of shape {features.shape} are not mine", hint=f"{_INFO.feature_shape}"
            )
    drawn = (f.reshape(_SIDE, _SIDE, 3).round().clip(0, 255).astype(np.uint8) for f in request.features)
    return (*request.images, *drawn)


def _run(work: Callable[[Job[R]], R], *, slow: bool = False) -> Job[R]:
    """Do the work at once, or in a thread of its own where a delay is simulated."""
    job: Job[R] = Job()

    def run() -> None:
        try:
            job.finish(work(job))
        except SightlineError as error:
            job.fail(error)

    if slow:
        threading.Thread(target=run, name="sightline-fake", daemon=True).start()
    else:
        run()
    return job


class FakeRuntime:
    """Draws what the world's language asks for, by rules; the same request gives the same pixels.

    `calls` lists the names of the stages that ran, to assert what was computed.
    """

    def __init__(self, *, delay: float = 0.0) -> None:
        self.calls: list[str] = []
        self.delay = delay

    @property
    def info(self) -> RuntimeInfo:
        """What this runtime is and can do."""
        return _INFO

    def close(self) -> None:
        """Do nothing: there is nothing to free."""

    def generate_text(self, request: TextRequest) -> Job[TextResult]:
        """Answer truthfully about the last picture; where a pattern forbids that, with its shortest match."""
        self.calls.append("generate_text")
        text, picture = _last_turn(request.messages, _looked_at(request))
        known = reader.answer(judge.read(picture), text) if picture is not None else None
        words = text.split()
        usage = Usage(len(words), 1, 64 if picture is not None else 0, 0, self.delay)
        said = _fitted(request, known)

        def work(job: Job[TextResult]) -> TextResult:
            time.sleep(self.delay)
            if request.choices:
                right = known if known in request.choices else request.choices[0]
                rest = len(request.choices) - 1
                shares = {c: (0.9 if rest else 1.0) if c == right else 0.1 / rest for c in request.choices}
                return TextResult(right, shares[right], shares, usage=usage)
            job.emit(TextDelta(said))
            share = 0.9 if said == known else 0.1
            return TextResult(said, share, usage=usage, pieces=((said, math.log(share)),))

        return _run(work, slow=self.delay > 0)

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Draw (or edit) a scene per seed; the features are the picture itself as numbers."""
        self.calls.append("generate_features")
        text, source = _last_turn(request.messages, request.images)
        steps = _INFO.default_steps if request.steps is None else request.steps
        guidance = _INFO.default_guidance if request.guidance is None else request.guidance
        if not 1 <= steps <= 1000 or not request.seeds:
            raise InputError(
                f"{steps} steps for {len(request.seeds)} pictures", hint="use at least one of each"
            )
        if not (math.isfinite(guidance) and guidance >= 0):
            raise InputError(f"guidance is {guidance}", hint="use a number of 0 or more")

        def work(job: Job[FeatureResult]) -> FeatureResult:
            drawn, unchanged = [], []
            for index, seed in enumerate(request.seeds):
                picture = self._draw(text, source, seed)
                unchanged.append(picture is source)
                for done in range(1, steps + 1):
                    job.check()
                    time.sleep(self.delay / steps)
                    job.emit(Progress("features", index * steps + done, steps * len(request.seeds)))
                    if request.preview_every and done % request.preview_every == 0 and done < steps:
                        job.emit(Preview(index, picture))
                drawn.append(picture.reshape(_INFO.feature_shape).astype(np.float32))
            usage = Usage(len(text.split()), 0, 0, steps * len(drawn), self.delay)
            return FeatureResult(tuple(drawn), tuple("" for _ in drawn), tuple(unchanged), usage=usage)

        return _run(work, slow=self.delay > 0)

    def _draw(self, text: str, source: Pixels | None, seed: int) -> Pixels:
        if source is not None:
            before = reader.scene_in(judge.read(source))
            after = reader.edited(before, text, seed)
            return source if after == before else paint(after)
        scene = reader.scene_of(text, seed % 2**63)
        if scene is None:
            words = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
            scene = SceneSampler((seed + words) % 2**63, held_out=False).scene(1, 1)
        return paint(scene)

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Turn the numbers back into the picture, by nearest pixel for other sizes; one step is coarse."""
        self.calls.append("decode_features")
        for features in request.features:
            if features.shape != _INFO.feature_shape:
                raise InputError(
                    f"features of shape {features.shape} are not mine", hint=f"{_INFO.feature_shape}"
                )
        if len(request.seeds) != len(request.features):
            raise InputError("features and seeds differ in number", hint="give one seed each")
        steps = _INFO.default_decode_steps if request.steps is None else request.steps
        if steps < 1:
            raise InputError(f"{steps} steps of decoding", hint="use at least one")

        def work(job: Job[PixelResult]) -> PixelResult:
            images = []
            for done, features in enumerate(request.features, 1):
                job.check()
                picture = features.reshape(_SIDE, _SIDE, 3).round().clip(0, 255).astype(np.uint8)
                if steps < _INFO.default_decode_steps:
                    picture = picture[::2, ::2].repeat(2, 0).repeat(2, 1)
                if request.size and request.size != (_SIDE, _SIDE):
                    picture = np.asarray(
                        Image.fromarray(picture).resize(request.size, Image.Resampling.NEAREST)
                    )
                images.append(picture)
                job.emit(Progress("decode", done, len(request.features)))
            return PixelResult(tuple(images), Usage(diffusion_steps=steps * len(images)))

        return _run(work)

    def embed_images(self, request: EmbedRequest) -> Job[EmbedResult]:
        """The pictures themselves as numbers."""
        self.calls.append("embed_images")
        features = [
            _small(pixels).reshape(_INFO.feature_shape).astype(np.float32) for pixels in request.images
        ]
        return _run(lambda job: EmbedResult(tuple(features), Usage(image_tokens=_SIDE * len(features))))


@dataclass(frozen=True)
class Answer:
    """A scripted answer: what `generate_text` says next, if the question contains `to`."""

    text: str
    confidence: float = 1.0
    to: str = ""


@dataclass(frozen=True)
class Drawn:
    """A scripted picture: what is drawn next, if the prompt contains `to`."""

    pixels: Pixels
    to: str = ""


class ScriptedRuntime(FakeRuntime):
    """Plays back answers and pictures in order; `finish()` fails if any is left."""

    def __init__(self, *script: Answer | Drawn) -> None:
        super().__init__()
        self._script = list(script)

    def finish(self) -> None:
        """Raise AssertionError if a line of the script was never used."""
        if self._script:
            raise AssertionError(f"{len(self._script)} scripted lines were not used: {self._script}")

    def _take(self, kind: type, text: str) -> Answer | Drawn:
        if not self._script or not isinstance(self._script[0], kind) or self._script[0].to not in text:
            raise EngineError(f"the script does not go on with {text!r}", hint=f"next is {self._script[:1]}")
        return self._script.pop(0)

    def generate_text(self, request: TextRequest) -> Job[TextResult]:
        """Say the next scripted answer; EngineError if it does not match the pattern that is asked for."""
        self.calls.append("generate_text")
        text, _ = _last_turn(request.messages, request.images)
        _fitted(request, None)

        def work(job: Job[TextResult]) -> TextResult:
            line = self._take(Answer, text)
            if not isinstance(line, Answer):
                raise EngineError("the script holds a picture here")
            if request.pattern and not Automaton(request.pattern).matches(line.text):
                raise EngineError(
                    f"the scripted answer {line.text!r} does not match the pattern {request.pattern[:200]!r}",
                    hint="script what a model that keeps to the pattern could say",
                )
            shares = {c: line.confidence if c == line.text else 0.0 for c in request.choices}
            job.emit(TextDelta(line.text))
            return TextResult(line.text, line.confidence, shares)

        return _run(work)

    def _draw(self, text: str, source: Pixels | None, seed: int) -> Pixels:
        line = self._take(Drawn, text)
        if not isinstance(line, Drawn):
            raise EngineError("the script holds an answer here")
        return _small(line.pixels)


class FaultyRuntime:
    """Passes calls to a runtime, but fails the stages named in `faults` as often as they say."""

    def __init__(self, inner: Runtime, faults: dict[str, int], error: SightlineError | None = None) -> None:
        self._inner, self._faults = inner, dict(faults)
        self._error = error or EngineError("a fault was injected", hint="this is a test")

    @property
    def info(self) -> RuntimeInfo:
        """What the inner runtime is."""
        return self._inner.info

    def close(self) -> None:
        """Close the inner runtime."""
        self._inner.close()

    def _fails(self, stage: str) -> bool:
        left = self._faults.get(stage, 0)
        self._faults[stage] = left - 1
        return left > 0

    def _failed(self) -> Job[R]:
        job: Job[R] = Job()
        job.fail(self._error)
        return job

    def generate_text(self, request: TextRequest) -> Job[TextResult]:
        """Fail or pass on."""
        return self._failed() if self._fails("generate_text") else self._inner.generate_text(request)

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Fail or pass on."""
        return self._failed() if self._fails("generate_features") else self._inner.generate_features(request)

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Fail or pass on."""
        return self._failed() if self._fails("decode_features") else self._inner.decode_features(request)

    def embed_images(self, request: EmbedRequest) -> Job[EmbedResult]:
        """Fail or pass on."""
        return self._failed() if self._fails("embed_images") else self._inner.embed_images(request)


def colored(color: str, side: int = _SIDE) -> Pixels:
    """A picture of one palette colour, for scripts."""
    picture: Pixels = np.full((side, side, 3), COLORS[color], np.uint8)
    return picture


def with_fingerprint(info: RuntimeInfo, fingerprint: str) -> RuntimeInfo:
    """The same information under another fingerprint, as new weights would have."""
    return replace(info, fingerprint=fingerprint)
