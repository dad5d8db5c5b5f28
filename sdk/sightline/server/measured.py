"""A runtime whose stages are measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from sightline_runtime.passing import Passing
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    EmbedResult,
    FeatureRequest,
    FeatureResult,
    Job,
    PixelResult,
    R,
    Runtime,
    TextRequest,
    TextResult,
)

Tell = Callable[[str, float], None]
"""Told (stage, seconds) when a stage ends, however it does."""


class Measured(Passing):
    """A runtime like the one it is given; `tell` hears how long each of its stages took."""

    def __init__(self, runtime: Runtime, tell: Tell) -> None:
        super().__init__(runtime)
        self._tell = tell

    def generate_text(self, request: TextRequest) -> Job[TextResult]:
        """Answer in text, or score choices."""
        return self._timed("text", lambda: self._inner.generate_text(request))

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Make the CLIP features of pictures."""
        return self._timed("features", lambda: self._inner.generate_features(request))

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Paint features as pixels."""
        return self._timed("decode", lambda: self._inner.decode_features(request))

    def embed_images(self, request: EmbedRequest) -> Job[EmbedResult]:
        """Give the CLIP features of pictures."""
        return self._timed("embed", lambda: self._inner.embed_images(request))

    def _timed(self, stage: str, start: Callable[[], Job[R]]) -> Job[R]:
        started = time.perf_counter()
        job = start()
        job.afterwards(partial(self._ended, stage, started))
        return job

    def _ended(self, stage: str, started: float) -> None:
        self._tell(stage, time.perf_counter() - started)
