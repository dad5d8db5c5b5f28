"""The whole surface of a runtime: four stages, their requests, events and results.

Understanding is `generate_text`. Generation is `generate_features` (backbone,
latent queries, flow matching) followed by `decode_features` (diffusion decoder).
Editing is generation with the source picture among the inputs. `embed_images`
gives the CLIP features of pictures. These stages are the model's anatomy, so
they are also the units of batching, caching, streaming and cancelling.

Every call returns a `Job` at once: an ordered stream of events that ends with
exactly one terminal outcome. A caller that does not care for events calls
`job.result()`. No torch here: pixels and features travel as numpy arrays.
"""

import queue
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from sightline_runtime.errors import CancelledError, SightlineError

Pixels = npt.NDArray[np.uint8]
"""One picture: (height, width, 3) uint8, sRGB."""

Features = npt.NDArray[np.float32]
"""CLIP features of one picture: (tokens, width) float32."""

Stage = Literal["text", "plan", "features", "decode", "embed"]


@dataclass(frozen=True)
class ImageSlot:
    """A place in a message where picture `index` of the request's images stands."""

    index: int


@dataclass(frozen=True)
class Message:
    """One turn of a dialogue: text and pictures in order."""

    role: Literal["system", "user", "assistant"]
    content: tuple[str | ImageSlot, ...]

    @property
    def text(self) -> str:
        """The turn's text without its pictures."""
        return " ".join(part for part in self.content if isinstance(part, str))


@dataclass(frozen=True)
class Usage:
    """What a call cost: tokens read and written, denoising steps, seconds."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    image_tokens: int = 0
    diffusion_steps: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.image_tokens + other.image_tokens,
            self.diffusion_steps + other.diffusion_steps,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True)
class TextRequest:
    """Ask for text, or for the probabilities of given choices.

    With `choices` nothing is sampled: each choice is scored as the whole answer.
    `temperature` 0 is greedy; otherwise tokens are sampled with `seed`.
    `deadline` is in seconds from the call, None for no limit. `features` may stand in the
    place of `images`, for models that can "read_features": a drawing is looked at before
    it is painted; slots then name them.

    `pattern` is a regular expression, in the language of `patterns`, that the whole answer
    matches whatever the model would say: only tokens that keep a match possible within
    `max_tokens` are chosen from. InputError, before any compute, for a pattern that cannot
    be read, that the model has no words for, or whose shortest match takes more tokens.
    The answer's `confidence` is then its probability among the answers that match, chosen
    token by token: what the pattern leaves no choice about costs nothing, and over all
    matches it adds up to one, as the probabilities of choices do. How willingly the model
    keeps to the form it does not tell. `finish` is "length" where the last token came
    before the model ended the answer; the answer matches all the same.
    """

    messages: tuple[Message, ...]
    images: tuple[Pixels, ...] = ()
    features: tuple[Features, ...] = ()
    choices: tuple[str, ...] = ()
    pattern: str = ""
    max_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0
    deadline: float | None = None


@dataclass(frozen=True)
class FeatureRequest:
    """Ask for the CLIP features of one picture per seed.

    If the messages hold pictures, the last one is the source to edit.
    `steps` (≥ 1) and `guidance` (≥ 0, classifier-free) default to the model's own.
    `preview_every` k > 0 adds a `Preview` of every picture after each k steps.
    `plans`, one per seed, are drawn instead of what the model would write itself;
    only models that plan take them.
    """

    messages: tuple[Message, ...]
    seeds: tuple[int, ...]
    images: tuple[Pixels, ...] = ()
    steps: int | None = None
    guidance: float | None = None
    preview_every: int = 0
    plans: tuple[str, ...] = ()
    deadline: float | None = None


@dataclass(frozen=True)
class DecodeRequest:
    """Ask for the pixels of each set of features; `size` is (width, height) in pixels."""

    features: tuple[Features, ...]
    seeds: tuple[int, ...]
    size: tuple[int, int] | None = None
    steps: int | None = None
    deadline: float | None = None


@dataclass(frozen=True)
class EmbedRequest:
    """Ask for the features of pictures, as the model draws them: CLIP features, or VAE latents."""

    images: tuple[Pixels, ...]
    deadline: float | None = None


@dataclass(frozen=True)
class TextResult:
    """An answer; `confidence` is its probability, `probabilities` those of the choices.

    `pieces` is what each token that was written added to the text, with its log-probability.
    """

    text: str
    confidence: float
    probabilities: Mapping[str, float] = field(default_factory=dict)
    finish: Literal["stop", "length"] = "stop"
    warnings: tuple[str, ...] = ()
    usage: Usage = Usage()
    pieces: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class FeatureResult:
    """Features, one set per seed; `plans` is what the backbone wrote before drawing.

    `unchanged`, one per seed, is True where the model found nothing to edit: the
    features are then the source picture's own.
    """

    features: tuple[Features, ...]
    plans: tuple[str, ...] = ()
    unchanged: tuple[bool, ...] = ()
    warnings: tuple[str, ...] = ()
    usage: Usage = Usage()


@dataclass(frozen=True)
class PixelResult:
    """Pictures, one per set of features."""

    images: tuple[Pixels, ...]
    usage: Usage = Usage()


@dataclass(frozen=True)
class EmbedResult:
    """CLIP features, one set per picture."""

    features: tuple[Features, ...]
    usage: Usage = Usage()


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a stage are ready."""

    stage: Stage
    done: int
    total: int


@dataclass(frozen=True)
class TextDelta:
    """The next piece of text."""

    text: str


@dataclass(frozen=True)
class Preview:
    """What picture `index` looks like so far; small, never stored."""

    index: int
    pixels: Pixels


Event = Progress | TextDelta | Preview


@dataclass(frozen=True)
class RuntimeInfo:
    """What a runtime is and what it can do.

    `fingerprint` changes whenever the same request could give another result:
    it digests the weights, the configuration and the numerics. `default_steps` are those of
    features, `default_decode_steps` those of pixels. `placement` says where
    the parts of a large model were put, and in how many bits.
    """

    fingerprint: str
    model: str
    family: str
    device: str
    dtype: str
    capabilities: frozenset[str]
    image_size: tuple[int, int]
    feature_shape: tuple[int, int]
    max_prompt_tokens: int
    max_images: int
    default_steps: int
    default_guidance: float
    default_decode_steps: int
    placement: str = ""


_BREAK = 0.25
"""Seconds that a job is waited for at a time."""

R = TypeVar("R", TextResult, FeatureResult, PixelResult, EmbedResult)


class Job(Generic[R]):
    """Work under way: iterate it for events, ask it for its result, cancel it.

    A runtime calls `emit`, then exactly one of `finish` and `fail`; later calls
    are ignored, so a job has one terminal outcome whatever happens around it.
    Iterating ends at the outcome and raises the error if it is one.
    """

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._cancel = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._result: R | None = None
        self._error: SightlineError | None = None
        self._afterwards: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether someone asked for the work to stop; runtimes look between steps."""
        return self._cancel.is_set()

    @property
    def ended(self) -> bool:
        """Whether the outcome is there."""
        return self._ended.is_set()

    def cancel(self) -> None:
        """Ask for the work to stop; harmless when repeated or after the end."""
        self._cancel.set()

    def check(self) -> None:
        """Raise `CancelledError` if the work should stop."""
        if self._cancel.is_set():
            raise CancelledError("the call was cancelled")

    def emit(self, event: Event) -> None:
        """Add an event to the stream."""
        if not self._ended.is_set():
            self._events.put(event)

    def finish(self, result: R) -> None:
        """End with a result, unless the job already ended."""
        self._end(result, None)

    def fail(self, error: SightlineError) -> None:
        """End with an error, unless the job already ended."""
        self._end(None, error)

    def _end(self, result: R | None, error: SightlineError | None) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            self._result, self._error = result, error
            self._ended.set()
            afterwards, self._afterwards = self._afterwards, []
        self._events.put(None)
        for work in afterwards:
            work()

    def afterwards(self, work: Callable[[], None]) -> None:
        """Do something short once the outcome is there, in the thread that brings it; at once if it is."""
        with self._lock:
            if not self._ended.is_set():
                self._afterwards.append(work)
                return
        work()

    def __iter__(self) -> Iterator[Event]:
        while (event := self._next()) is not None:
            yield event
        self._events.put(None)  # a second reader ends too
        if self._error is not None:
            raise self._error

    def _next(self) -> Event | None:
        """Wait for the next event.

        The wait has breaks in the main thread: a Ctrl-C that comes just as Python falls asleep
        does not wake it. Other threads get none, and many of them would wake for nothing.
        """
        patience = _BREAK if threading.current_thread() is threading.main_thread() else None
        while True:
            try:
                return self._events.get(timeout=patience)
            except queue.Empty:
                continue

    def result(self, timeout: float | None = None) -> R:
        """Wait for the result, at most `timeout` seconds; raise the job's error."""
        if not self._ended.wait(timeout):
            raise TimeoutError(f"no result within {timeout} s")
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise CancelledError("the job ended without a result")
        return self._result


@runtime_checkable
class Runtime(Protocol):
    """A place where the model runs: this process, another machine, or a test double."""

    @property
    def info(self) -> RuntimeInfo:
        """What this runtime is and can do."""

    def generate_text(self, request: TextRequest) -> Job[TextResult]:
        """Answer in text, or score choices."""

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Make the CLIP features of pictures."""

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Paint features as pixels."""

    def embed_images(self, request: EmbedRequest) -> Job[EmbedResult]:
        """Give the CLIP features of pictures."""

    def close(self) -> None:
        """Stop the runtime and free what it holds; harmless when repeated."""
