"""Names of pictures: `img3`, the third that this session met, and `sha256:…`, a pixel digest's beginning."""

from __future__ import annotations

import re

from sightline.errors import InputError, NotFoundError
from sightline.store.database import Database

_ALIAS = re.compile(r"img([1-9][0-9]{0,8})")
_DIGEST = re.compile(r"sha256:([0-9a-f]{4,64})")


def alias_number(name: str) -> int | None:
    """The number in `img3`, None for what is not of that form."""
    found = _ALIAS.fullmatch(name)
    return int(found[1]) if found else None


def alias_of(number: int | None) -> str | None:
    """`img3` for 3, None for None."""
    return None if number is None else f"img{number}"


def names_picture(name: str) -> bool:
    """Whether a text is the name of a picture, not of a file; a file of that name is given as a Path."""
    return name.startswith("sha256:") or alias_number(name) is not None


def named_picture(database: Database, name: str) -> str:
    """The pixel digest that a name stands for.

    NotFoundError if there is none, InputError if several begin so or nothing could.
    """
    number = alias_number(name)
    if number is not None:
        return _numbered(database, number)
    found = _DIGEST.fullmatch(name)
    if not found:
        raise InputError(
            f"{name[:80]!r} is not a picture", hint="give sha256: and 4 to 64 hexadecimal digits"
        )
    pixels = database.pixels_like(found[1])
    if not pixels:
        raise NotFoundError(f"there is no picture {name}", hint="add it first")
    if len(pixels) > 1:
        raise InputError(f"{name} begins the digest of several pictures", hint="give more of it")
    return pixels[0]


def _numbered(database: Database, number: int) -> str:
    pixels = database.aliased(number)
    if pixels is None:
        known = "it has none yet" if database.aliased(1) is None else "tree() shows their names"
        raise NotFoundError(f"this session has no picture img{number}", hint=known)
    return pixels
