"""A runtime that passes every call on: what changes one stage inherits the others."""

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


class Passing:
    """A runtime like the one it is given."""

    def __init__(self, inner: Runtime) -> None:
        self._inner = inner

    @property
    def info(self) -> RuntimeInfo:
        """What the inner runtime is and can do."""
        return self._inner.info

    def generate_text(self, request: TextRequest) -> Job[TextResult]:
        """Answer in text, or score choices."""
        return self._inner.generate_text(request)

    def generate_features(self, request: FeatureRequest) -> Job[FeatureResult]:
        """Make the CLIP features of pictures."""
        return self._inner.generate_features(request)

    def decode_features(self, request: DecodeRequest) -> Job[PixelResult]:
        """Paint features as pixels."""
        return self._inner.decode_features(request)

    def embed_images(self, request: EmbedRequest) -> Job[EmbedResult]:
        """Give the CLIP features of pictures."""
        return self._inner.embed_images(request)

    def close(self) -> None:
        """Close the inner runtime."""
        self._inner.close()
