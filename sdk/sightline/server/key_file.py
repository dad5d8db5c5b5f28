"""The file of API keys: JSON that holds hashes, readable by its owner alone."""

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sightline.errors import ConflictError, InputError, NotFoundError
from sightline.server.keys import SCOPES, ApiKey, Scope, digest_of

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SPOILT = "mend it, or make a new one with `sightline keys add`"


class KeyFile:
    """Keys in a file that is replaced as a whole, so that a reader never sees half of it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def state(self) -> tuple[int, int, int]:
        """What changes when the file does: time, size and number; OSError if it is not there."""
        told = self.path.stat()
        return told.st_mtime_ns, told.st_size, told.st_ino

    def read(self) -> list[ApiKey]:
        """The keys; NotFoundError without a file, InputError if it is not of this form."""
        try:
            rows = json.loads(self.path.read_bytes())["keys"]
            return [_key(row) for row in rows]
        except FileNotFoundError:
            raise NotFoundError(
                "there is no file of keys", hint="make one with `sightline keys add`"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError("the file of keys cannot be read", hint=_SPOILT) from error

    def add(
        self,
        name: str,
        *,
        tenant: str,
        scopes: Iterable[Scope] = SCOPES,
        per_minute: int | None = None,
        at_once: int | None = None,
    ) -> str:
        """Make a key and give its text, which is kept nowhere; ConflictError if the name is taken."""
        keys = self.read() if self.path.exists() else []
        if any(key.name == name for key in keys):
            raise ConflictError(
                f"there is a key {name!r} already", hint="remove it first, or use another name"
            )
        text = f"sl_{secrets.token_urlsafe(32)}"
        key = ApiKey(name, tenant, digest_of(text), frozenset(scopes), per_minute, at_once)
        self._write([*keys, _key(_row(key))])
        return text

    def remove(self, name: str) -> None:
        """Take a key away; a server that runs refuses it at once. NotFoundError if there is none."""
        keys = self.read()
        left = [key for key in keys if key.name != name]
        if len(left) == len(keys):
            raise NotFoundError(f"there is no key {name!r}", hint="`sightline keys list` shows them")
        self._write(left)

    def _write(self, keys: Iterable[ApiKey]) -> None:
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=folder, prefix=".keys-")  # its mode is 0600
        try:
            with os.fdopen(handle, "w") as file:
                json.dump({"keys": [_row(key) for key in keys]}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise


def _row(key: ApiKey) -> dict[str, object]:
    return {
        "name": key.name,
        "tenant": key.tenant,
        "sha256": key.digest,
        "scopes": sorted(key.scopes),
        "per_minute": key.per_minute,
        "at_once": key.at_once,
    }


def _key(row: dict[str, object]) -> ApiKey:
    name, tenant, digest = (_text(row, field) for field in ("name", "tenant", "sha256"))
    if not (_NAME.fullmatch(name) and _NAME.fullmatch(tenant) and _DIGEST.fullmatch(digest)):
        raise InputError(
            f"a key {name[:80]!r} for {tenant[:80]!r} cannot be", hint="use 1 to 64 of a-z, 0-9, _ and -"
        )
    asked = row["scopes"]
    scopes = frozenset(scope for scope in SCOPES if isinstance(asked, list) and scope in asked)
    if not isinstance(asked, list) or len(scopes) != len(asked) or not scopes:
        raise InputError(f"{asked!r} are no scopes", hint=f"use {', '.join(sorted(SCOPES))}")
    return ApiKey(name, tenant, digest, scopes, _limit(row, "per_minute"), _limit(row, "at_once"))


def _text(row: dict[str, object], field: str) -> str:
    value = row[field]
    if not isinstance(value, str):
        raise InputError(f"the {field} of a key is no text", hint=_SPOILT)
    return value


def _limit(row: dict[str, object], field: str) -> int | None:
    value = row.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{field} is {value!r}", hint="use a number of at least 1, or none for no limit")
    return value
