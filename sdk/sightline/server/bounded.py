"""A runtime that draws only so much at a time, whoever asks: a session's tool, a chatbot, a remote client."""

from __future__ import annotations

from sightline.errors import TooLargeError
from sightline_runtime.passing import Passing
from sightline_runtime.protocol import (
    DecodeRequest,
    Job,
    PixelResult,
    Runtime,
)


class Bounded(Passing):
    """A runtime like the one it is given, but that no call paints more than `most` pixels in all."""

    def __init__(self, runtime: Runtime, most: int) -> None:
        super().__init__(runtime)
        self._most = most

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Paint features as pixels; TooLargeError for more than can be held."""
        width, height = request.size or self.info.image_size
        count = len(request.features)
        if count * width * height > self._most:
            raise TooLargeError(
                f"{count} x {width}x{height} is more than the {self._most:,} pixels that a call may draw",
                hint="ask for smaller or fewer pictures",
            )
        return super().decode_features(request)
