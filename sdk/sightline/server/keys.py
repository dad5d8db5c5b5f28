"""API keys: who may call, what for, and how often. Only hashes are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["images", "chat", "sessions", "runtime", "metrics"]
SCOPES: frozenset[Scope] = frozenset(get_args(Scope))


@dataclass(frozen=True)
class ApiKey:
    """A key as it is kept: `digest` is the sha256 of its text, which nobody can read back.

    A key is 256 random bits, so one round of a fast hash is enough: there is no
    dictionary to try. `tenant` is whose store it opens. `per_minute` and `at_once`
    limit its calls, None for no limit.
    """

    name: str
    tenant: str
    digest: str
    scopes: frozenset[Scope] = SCOPES
    per_minute: int | None = None
    at_once: int | None = None


class Keys:
    """The keys of a server, found by their text in constant time per key."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self._by_digest = {key.digest: key for key in keys}

    def __len__(self) -> int:
        return len(self._by_digest)

    def find(self, text: str) -> ApiKey | None:
        """The key of a text; what is compared is a hash, so its time tells nothing of the text."""
        return self._by_digest.get(hashlib.sha256(text.encode()).hexdigest())
