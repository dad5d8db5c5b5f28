"""The one error tree of Sightline.

    SightlineError
    ├── InputError (also ValueError)      what the caller asked cannot be done
    │   ├── ImageError                    not an image, too large, truncated
    │   ├── NotFoundError (also LookupError)   no such step, branch, model, tool
    │   ├── UnauthorizedError, ForbiddenError  a server does not know the key, or it may not
    │   ├── ConflictError             the same name stands for something else already
    │   └── TooLargeError             more than a server takes
    ├── ModelError                        weights missing, wrong or damaged
    ├── EngineError                       the engine failed while computing
    │   └── BusyError                     try again after `retry_after` seconds
    ├── CancelledError                    the caller cancelled
    ├── DeadlineError                     time ran out
    ├── BudgetError                       a budget of steps, pictures, tokens or seconds is used up
    └── StoreError                        the session store cannot be read or written
        ├── CorruptStoreError             stored bytes do not match their digest
        └── StaleHeadError                another writer moved the branch first

Every error says what was asked and what is true in its message, and what to do
in `hint`. `code` is stable and reads the same in Python, HTTP and MCP;
`retryable` says whether the same call may succeed later.
"""

from typing import ClassVar


class SightlineError(Exception):
    """The root of every error that Sightline raises on purpose."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InputError(SightlineError, ValueError):
    """The arguments cannot be accepted; nothing was computed."""

    code = "bad_input"


class ImageError(InputError):
    """The given data is not a picture that can be read."""

    code = "bad_image"


class NotFoundError(InputError, LookupError):
    """A named thing (branch, step, image, model, tool) does not exist."""

    code = "not_found"


class UnauthorizedError(InputError):
    """No key was given to a server, or one that it does not know."""

    code = "unauthorized"


class ForbiddenError(InputError):
    """The key may not do this."""

    code = "forbidden"


class ConflictError(InputError):
    """The same name or idempotency key stands for something else already."""

    code = "conflict"


class TooLargeError(InputError):
    """The request is larger than the server takes."""

    code = "too_large"


class ModelError(SightlineError):
    """Weights or their configuration are missing, wrong or damaged."""

    code = "bad_model"


class EngineError(SightlineError):
    """The engine failed while computing; the session stays usable."""

    code = "engine_failed"
    retryable = True


class BusyError(EngineError):
    """The engine's queue is full."""

    code = "busy"

    def __init__(self, message: str, *, hint: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class CancelledError(SightlineError):
    """The caller cancelled the work."""

    code = "cancelled"


class DeadlineError(SightlineError):
    """The work did not end within the time it was given."""

    code = "deadline"
    retryable = True


class BudgetError(SightlineError):
    """A budget is used up; what was done is kept."""

    code = "over_budget"


class StoreError(SightlineError):
    """The session store cannot be read or written."""

    code = "store_failed"


class CorruptStoreError(StoreError):
    """Stored bytes do not match their digest, or the database is damaged."""

    code = "store_corrupt"


class StaleHeadError(StoreError):
    """Another writer moved the branch; carries both heads."""

    code = "stale_head"

    def __init__(self, branch: str, *, expected: str | None, found: str | None) -> None:
        super().__init__(
            f"branch {branch!r} is at {found}, not at {expected} as this writer last saw",
            hint="look at the new head, then repeat the call",
        )
        self.branch, self.expected, self.found = branch, expected, found
