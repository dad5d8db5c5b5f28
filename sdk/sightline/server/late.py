"""A runtime that is loaded when it is first used, so that a server answers before its model is there."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    EmbedResult,
    FeatureRequest,
    FeatureResult,
    Job,
    PixelResult,
    Runtime,
    RuntimeInfo,
    TextRequest,
    TextResult,
)


class Late:
    """A runtime like any other; `load` is called once, by whoever needs it first."""

    def __init__(self, load: Callable[[], Runtime]) -> None:
        self._load, self._lock = load, threading.Lock()
        self._runtime: Runtime | None = None

    @property
    def loaded(self) -> bool:
        """Whether the model is there."""
        return self._runtime is not None

    def _there(self) -> Runtime:
        with self._lock:
            if self._runtime is None:
                self._runtime = self._load()
            return self._runtime

    @property
    def info(self) -> RuntimeInfo:
        """What the model is and can do; loads it."""
        return self._there().info

    def generate_text(self, request: TextRequest) -> Job[TextResult]:
        """Answer in text, or score choices."""
        return self._there().generate_text(request)

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Make the CLIP features of pictures."""
        return self._there().generate_features(request)

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Paint features as pixels."""
        return self._there().decode_features(request)

    def embed_images(self, request: EmbedRequest) -> Job[EmbedResult]:
        """Give the CLIP features of pictures."""
        return self._there().embed_images(request)

    def close(self) -> None:
        """Stop the runtime if it was ever loaded."""
        with self._lock:
            if self._runtime is not None:
                self._runtime.close()
