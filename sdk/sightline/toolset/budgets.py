"""Budgets: how much a chatbot may spend, counted so that calls at the same time cannot overspend.

A call reserves what it may take before it runs and settles what it took. What does not
fit beside all that is spent and reserved is refused before anything is computed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sightline.errors import InputError

_KINDS = ("steps", "images", "tokens")


@dataclass(frozen=True)
class Budget:
    """Limits, None for none: calls that are answered (wrong ones too), pictures, tokens, seconds of running.

    Tokens are those that the model reads and writes. Seconds count while any call runs;
    a call that is running when they are over is stopped.
    """

    steps: int | None = None
    images: int | None = None
    tokens: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for kind in (*_KINDS, "seconds"):
            limit = getattr(self, kind)
            if limit is not None and not (isinstance(limit, int | float) and limit >= 0):
                raise InputError(
                    f"the budget of {kind} is {limit!r}", hint="use a number of 0 or more, or None"
                )


@dataclass(frozen=True)
class Spent:
    """What calls took, or may take."""

    steps: int = 0
    images: int = 0
    tokens: int = 0
    seconds: float = 0.0


class Ledger:
    """Counts what is spent and reserved under a budget; for any number of threads."""

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget, self._clock = budget, clock
        self._lock = threading.Lock()
        self._spent = dict.fromkeys(_KINDS, 0)
        self._reserved = dict.fromkeys(_KINDS, 0)
        self._running, self._since, self._ran = 0, 0.0, 0.0

    @property
    def spent(self) -> Spent:
        """What was taken up to now."""
        with self._lock:
            return Spent(**self._spent, seconds=self._seconds())

    def lacking(self, need: Spent) -> str | None:
        """What there is too little of for a call that may take so much; None if it fits."""
        with self._lock:
            return self._lacking(need)

    def reserve(self, need: Spent) -> str | None:
        """Set aside what a call may take, and let the seconds run; else say what there is too little of."""
        with self._lock:
            lacking = self._lacking(need)
            if lacking is None:
                self._book(self._reserved, need, 1)
                self._running += 1
                self._since = self._clock() if self._running == 1 else self._since
            return lacking

    def settle(self, need: Spent, took: Spent) -> None:
        """Take what a call took in the place of what was set aside."""
        with self._lock:
            self._book(self._reserved, need, -1)
            self._book(self._spent, took, 1)
            self._running -= 1
            if not self._running:
                self._ran += self._clock() - self._since

    def note(self, took: Spent) -> None:
        """Count what a call took that never ran."""
        with self._lock:
            self._book(self._spent, took, 1)

    def seconds_left(self) -> float | None:
        """How long a call that runs now may take, None without a limit."""
        with self._lock:
            return self._left()

    def _lacking(self, need: Spent) -> str | None:
        for kind in _KINDS:
            limit, wanted = getattr(self.budget, kind), getattr(need, kind)
            taken = self._spent[kind] + self._reserved[kind]
            if limit is not None and wanted and taken + wanted > limit:
                return f"{taken} of {limit} {kind} are taken, and this call may need {wanted}"
        left = self._left()
        return f"its {self.budget.seconds:g} seconds are over" if left is not None and left <= 0 else None

    def _left(self) -> float | None:
        return None if self.budget.seconds is None else self.budget.seconds - self._seconds()

    def _seconds(self) -> float:
        return self._ran + (self._clock() - self._since if self._running else 0.0)

    @staticmethod
    def _book(kept: dict[str, int], amounts: Spent, sign: int) -> None:
        for kind in _KINDS:
            kept[kind] += sign * getattr(amounts, kind)
