"""What BLIP3o-NEXT hands from its backbone to SANA, as one array of features.

Rows are as wide as the backbone's states: first the condition tokens (scale token and
picture tokens), then one row of settings that the diffusion part needs (steps, guidance,
whether a source follows), then the source picture's latents, zeros where nothing is edited.
So decoding needs nothing but the features and a seed, wherever it runs.
"""

import math
from dataclasses import dataclass

import numpy as np

from sightline_runtime.errors import InputError
from sightline_runtime.protocol import Features


@dataclass(frozen=True)
class Told:
    """What SANA is told: condition (n, h), steps, guidance, and latents (c, y, x) to start an edit from."""

    condition: Features
    steps: int
    guidance: float
    source: Features | None = None


@dataclass(frozen=True)
class Layout:
    """The rows of a model: condition tokens, backbone width, and the shape of latents."""

    tokens: int
    width: int
    latents: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and width of the features of one picture."""
        return self.tokens + 1 + math.ceil(math.prod(self.latents) / self.width), self.width

    def pack(self, told: Told) -> Features:
        """Lay out what SANA is told."""
        features = np.zeros(self.shape, np.float32)
        features[: self.tokens] = told.condition
        features[self.tokens, :3] = told.steps, told.guidance, told.source is not None
        if told.source is not None:
            features[self.tokens + 1 :].flat[: told.source.size] = told.source.ravel()
        return features

    def unpack(self, features: Features) -> Told:
        """Read it back; raises InputError for features that no model of this family made."""
        steps, guidance, edited = features[self.tokens, :3].tolist()
        if not (1 <= steps <= 1000 and steps == int(steps) and 0 <= guidance < math.inf):
            raise InputError(
                f"the features ask for {steps} steps at guidance {guidance}",
                hint="decode features with the model that made them, as they are",
            )
        latents = features[self.tokens + 1 :].ravel()[: math.prod(self.latents)].reshape(self.latents)
        return Told(features[: self.tokens], int(steps), guidance, latents if edited else None)
