"""A runtime that draws only so much at a time, whoever asks: a session's tool, a chatbot, a remote client."""

from __future__ import annotations

from sightline.errors import TooLargeError
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


class Bounded:
    """A runtime like the one it is given, but that no call paints more than `most` pixels in all."""

    def __init__(self, runtime: Runtime, most: int) -> None:
        self._runtime, self._most = runtime, most

    @property
    def info(self) -> RuntimeInfo:
        """What the runtime is and can do."""
        return self._runtime.info

    def generate_text(self, request: TextRequest) -> Job[TextResult]:
        """Answer in text, or score choices."""
        return self._runtime.generate_text(request)

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Make the CLIP features of pictures."""
        return self._runtime.generate_features(request)

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Paint features as pixels; TooLargeError for more than can be held."""
        width, height = request.size or self.info.image_size
        count = len(request.features)
        if count * width * height > self._most:
            raise TooLargeError(
                f"{count} x {width}x{height} is more than the {self._most:,} pixels that a call may draw",
                hint="ask for smaller or fewer pictures",
            )
        return self._runtime.decode_features(request)

    def embed_images(self, request: EmbedRequest) -> Job[EmbedResult]:
        """Give the CLIP features of pictures."""
        return self._runtime.embed_images(request)

    def close(self) -> None:
        """Close the runtime."""
        self._runtime.close()
