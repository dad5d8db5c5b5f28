"""API keys: who may call, what for, and how often. Only hashes are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from sightline.errors import InputError

if TYPE_CHECKING:
    from sightline.server.key_file import KeyFile

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


def digest_of(text: str) -> str:
    """The sha256 of a key's text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


class Keys:
    """The keys of a server, found by their text; those of a file as it is now.

    What is looked up is a hash of what was sent. Whoever measures how long that takes
    learns at most how far two hashes agree, and cannot choose a text by its hash; so
    the time tells nothing about a key.
    """

    def __init__(self, keys: Iterable[ApiKey] = (), *, file: KeyFile | None = None) -> None:
        self._by_digest = {key.digest: key for key in keys}
        self._file, self._state = file, (0, 0, 0)
        self.open = file is None and not self._by_digest
        """Whether anybody may call: there never was a key. Taking the last one away opens nothing."""
        if file is not None:
            file.read()  # one that cannot be read is told at the start

    def find(self, text: str) -> ApiKey | None:
        """The key of a text, None if there is none."""
        self._refresh()
        return self._by_digest.get(digest_of(text))

    def _refresh(self) -> None:
        """Read the file again if it changed; one that cannot be read holds no keys."""
        if self._file is None:
            return
        try:
            state = self._file.state()
            if state != self._state:
                self._by_digest = {key.digest: key for key in self._file.read()}
                self._state = state
        except (OSError, InputError):
            self._by_digest, self._state = {}, (0, 0, 0)
