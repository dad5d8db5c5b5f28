"""The error tree under its public name; see `sightline_runtime.errors` for its drawing."""

from sightline_runtime.errors import (
    BusyError,
    CancelledError,
    ConflictError,
    CorruptStoreError,
    DeadlineError,
    EngineError,
    ForbiddenError,
    ImageError,
    InputError,
    ModelError,
    NotFoundError,
    SightlineError,
    StaleHeadError,
    StoreError,
    TooLargeError,
    UnauthorizedError,
)

__all__ = [
    "BusyError",
    "CancelledError",
    "ConflictError",
    "CorruptStoreError",
    "DeadlineError",
    "EngineError",
    "ForbiddenError",
    "ImageError",
    "InputError",
    "ModelError",
    "NotFoundError",
    "SightlineError",
    "StaleHeadError",
    "StoreError",
    "TooLargeError",
    "UnauthorizedError",
]
