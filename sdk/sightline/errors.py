"""The error tree under its public name; see `sightline_runtime.errors` for its drawing."""

from sightline_runtime.errors import (
    BusyError,
    CancelledError,
    CorruptStoreError,
    DeadlineError,
    EngineError,
    ImageError,
    InputError,
    ModelError,
    NotFoundError,
    SightlineError,
    StaleHeadError,
    StoreError,
)

__all__ = [
    "BusyError",
    "CancelledError",
    "CorruptStoreError",
    "DeadlineError",
    "EngineError",
    "ImageError",
    "InputError",
    "ModelError",
    "NotFoundError",
    "SightlineError",
    "StaleHeadError",
    "StoreError",
]
