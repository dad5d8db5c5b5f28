"""What the engine serves: a loaded model of one family, stage by stage.

A family's methods look at a request in the caller's thread, where they raise
`InputError` before any compute, and give back the work. The engine's one worker
thread runs the work, hands it the job to emit events on, and a `check` that
raises when the job was cancelled or its deadline has passed.
"""

from collections.abc import Callable
from typing import Protocol

from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    EmbedResult,
    FeatureRequest,
    FeatureResult,
    Job,
    PixelResult,
    R,
    RuntimeInfo,
    TextRequest,
    TextResult,
)

Check = Callable[[], None]
"""Called between tokens and denoising steps; raises if the work should stop."""

Work = Callable[[Job[R], Check], R]
"""The work of one checked request."""


class Served(Protocol):
    """A loaded model, whatever its family."""

    @property
    def info(self) -> RuntimeInfo:
        """What the model is and can do."""

    def text(self, request: TextRequest) -> Work[TextResult]:
        """Answer in text, or score choices."""

    def features(self, request: FeatureRequest) -> Work[FeatureResult]:
        """Make the features of pictures."""

    def decode(self, request: DecodeRequest) -> Work[PixelResult]:
        """Paint features as pixels."""

    def embed(self, request: EmbedRequest) -> Work[EmbedResult]:
        """Give the CLIP features of pictures."""
