"""What is wrong with a request, whatever the family of the model: found before any compute."""

import math

import numpy as np

from sightline_runtime.errors import InputError
from sightline_runtime.protocol import DecodeRequest, Features, ImageSlot, Message, Pixels, TextRequest


def text(request: TextRequest, reads: tuple[int, int] | None = None) -> None:
    """Refuse limits, temperatures and forms that no answer can have.

    `reads` is the shape of the features that the model can look at, None if it can at none.
    """
    if request.features and (request.images or reads is None):
        raise InputError(
            "features are given in the place of pictures",
            hint="this model looks at pictures alone"
            if reads is None
            else "give pictures or features, not both",
        )
    for features in request.features:
        _features(features, reads)
    if request.max_tokens < 1:
        raise InputError(f"max_tokens is {request.max_tokens}", hint="ask for at least one token")
    if not (math.isfinite(request.temperature) and request.temperature >= 0):
        raise InputError(f"temperature is {request.temperature}", hint="use 0 or more")
    if request.choices and request.pattern:
        raise InputError("both choices and a pattern are given", hint="give one of them")


def sampling(steps: int, guidance: float, count: int) -> None:
    """Refuse numbers of steps, guidance scales and counts of pictures that cannot be."""
    if not 1 <= steps <= 1000:
        raise InputError(f"steps is {steps}", hint="use 1 to 1000 steps")
    if not (math.isfinite(guidance) and guidance >= 0):
        raise InputError(f"guidance is {guidance}", hint="use a number of 0 or more; 1 switches guidance off")
    if count < 1:
        raise InputError("no picture was asked for", hint="ask for at least one")


def decode(request: DecodeRequest, shape: tuple[int, int], steps: int) -> None:
    """Refuse features of another model, seeds that do not match, and sizes out of range."""
    sampling(steps, 1.0, len(request.features))
    if len(request.seeds) != len(request.features):
        raise InputError(
            f"{len(request.features)} features but {len(request.seeds)} seeds", hint="give one seed each"
        )
    for features in request.features:
        _features(features, shape)
    if request.size is not None and not all(1 <= edge <= 4096 for edge in request.size):
        raise InputError(f"the size is {request.size}", hint="use 1 to 4096 pixels a side")


def _features(features: Features, shape: tuple[int, int] | None) -> None:
    if features.shape != shape:
        raise InputError(
            f"features have the shape {features.shape}, the model's are {shape}",
            hint="use features with the model that made them",
        )
    if features.dtype != np.float32:  # one of another type would spoil the batch for all who share it
        raise InputError(f"features are of type {features.dtype}", hint="features are float32")
    if not np.isfinite(features).all():
        raise InputError("features hold something else than finite numbers", hint="give them as they came")


def pixels(picture: Pixels) -> None:
    """Refuse arrays that are no picture."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != "uint8" or 0 in picture.shape:
        raise InputError(
            f"a picture of shape {picture.shape} and type {picture.dtype} was given",
            hint="pictures are (height, width, 3) uint8",
        )


def shown(messages: tuple[Message, ...], images: tuple[Pixels, ...]) -> list[Pixels]:
    """The pictures that a dialogue shows, in order; refuse those that were not sent along."""
    found = [images[index] for index in slots(messages, len(images))]
    for picture in found:
        pixels(picture)
    return found


def slots(messages: tuple[Message, ...], count: int) -> list[int]:
    """The indices of the pictures that a dialogue shows, in order; refuse those beyond `count`."""
    found = [part.index for message in messages for part in message.content if isinstance(part, ImageSlot)]
    for index in found:
        if not 0 <= index < count:
            raise InputError(f"picture {index} of {count} is named", hint="send the picture along")
    return found
