"""Lineage: the recipe of a picture as data, from the first picture to the last step, and its text.

It names tools, versions, arguments, seeds, models and pixel digests: what is needed to
make the picture again. Nothing in it says where anything was stored. The text is
canonical JSON with a digest of itself. Read back it may come from anyone, so its size,
depth and types are bounded, and whether it belongs to a picture is said by `verified`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from textwrap import shorten
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from sightline import strict_json
from sightline.errors import ImageError

SCHEMA = "sightline.lineage/1"
CAP = 256 * 1024
"""Bytes of a lineage's text; beyond it the oldest steps are left out."""

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Seed = Annotated[str, Field(pattern="^[0-9]{1,19}$")]


class LineageStep(BaseModel):
    """One step of a lineage; pictures in `args` stand as {"$image": digest}, seeds as texts of digits."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tool: str
    version: str
    args: dict[str, JsonValue]
    images: Annotated[tuple[Digest, ...], Field(min_length=1)]
    seeds: tuple[Seed, ...] = ()
    fingerprint: str = ""
    model: str = ""

    def inputs(self) -> tuple[str, ...]:
        """The pixel digests of the pictures it read; none for one that was brought in."""
        return () if self.tool == "add" else tuple(dict.fromkeys(digests_in(self.args)))

    def summary(self) -> str:
        """What was asked, in one short line."""
        asked = (self.args.get(name) for name in ("prompt", "question", "instruction"))
        return next((text for text in asked if isinstance(text, str) and text), "")


class Lineage(BaseModel):
    """Where a picture comes from: `steps`, oldest first, of which the last made it.

    `left_out` older steps had no room. `verified` says that the record is whole and
    belongs to the pixels it was found with; if it is False, believe none of it. True
    does not say that it is honest: only making the picture again does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    pixels: Digest
    steps: tuple[LineageStep, ...]
    left_out: int = Field(default=0, ge=0)
    verified: bool = Field(default=False, exclude=True)

    def __str__(self) -> str:
        said = "verified: it belongs to these pixels" if self.verified else "NOT VERIFIED: believe none of it"
        head = [f"picture {self.pixels[:8]}, {said}"]
        if self.left_out:
            head.append(f"  (the {self.left_out} oldest steps were left out)")
        return "\n".join([*head, *map(_line, self.steps)])

    def missing(self) -> tuple[str, ...]:
        """The pixel digests of the pictures that must be given to make it again."""
        made: set[str] = set()
        needed: dict[str, None] = {}
        for step in self.steps:
            given = step.images if step.tool == "add" else step.inputs()
            needed.update(dict.fromkeys(digest for digest in given if digest not in made))
            made.update(step.images)
        return tuple(needed)


def _line(step: LineageStep) -> str:
    """A step as a line: what made which picture, from what, with what."""
    said = "brought in from outside" if step.tool == "add" else shorten(step.summary(), 90, placeholder=" …")
    said = f"in a region: {said}" if step.args.get("region") else said
    made = ", ".join(digest[:8] for digest in step.images)
    read = ", ".join(digest[:8] for digest in step.inputs())
    drawn = f"seed {', '.join(step.seeds)}" if step.seeds else ""
    model = f"{step.model or 'a model'} {step.fingerprint[:8]}" if step.fingerprint else ""
    details = " · ".join(filter(None, (f"from {read}" if read else "", drawn, model)))
    return f"  {step.tool:<11} {made}  {said}".rstrip() + (f"\n{'':<24}{details}" if details else "")


def digests_in(value: object) -> Iterable[str]:
    """Every picture in canonical arguments."""
    if isinstance(value, Mapping):
        if set(value) == {"$image"}:
            yield str(value["$image"])
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from digests_in(item)


def fitted(lineage: Lineage, cap: int = CAP) -> Lineage:
    """A lineage whose text has at most `cap` bytes: the newest steps that have room."""
    room, kept = cap - 512, 0  # what stands around the steps is shorter than 512 bytes
    for step in reversed(lineage.steps):
        room -= len(_dumps(_plain(step)).encode()) + 1
        if room < 0:
            break
        kept += 1
    dropped = len(lineage.steps) - kept
    update = {"steps": lineage.steps[dropped:], "left_out": lineage.left_out + dropped}
    return lineage.model_copy(update=update)


def text_of(lineage: Lineage) -> str:
    """A lineage as canonical JSON."""
    steps = [_plain(step) for step in lineage.steps]
    record = {"schema": SCHEMA, "pixels": lineage.pixels, "left_out": lineage.left_out, "steps": steps}
    return _dumps({**record, "digest": _digest(record)})


def parsed(text: str, pixels: Iterable[str]) -> Lineage:
    """The lineage in a text that anyone may have written; `pixels` are the digests it may belong to.

    Raises ImageError for what is too long, too deep, not JSON, or of other types.
    """
    try:
        record = strict_json.parsed(text, most=CAP, fractions=False)
    except ValueError as error:
        raise _unreadable(str(error)[:200]) from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise _unreadable(f"it is not of the form {SCHEMA}")
    told = {name: value for name, value in record.items() if name not in ("schema", "digest", "verified")}
    try:
        found = Lineage.model_validate_json(json.dumps(told))
    except (ValidationError, RecursionError) as error:
        raise _unreadable(str(error).splitlines()[0][:200]) from error
    whole = record.get("digest") == _digest({n: v for n, v in record.items() if n != "digest"})
    belongs = not found.steps or found.pixels in found.steps[-1].images
    return found.model_copy(update={"verified": whole and belongs and found.pixels in set(pixels)})


def _plain(step: LineageStep) -> dict[str, object]:
    return step.model_dump(mode="json", exclude_defaults=True)


def _dumps(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _digest(record: Mapping[str, object]) -> str:
    return hashlib.sha256(_dumps(record).encode()).hexdigest()


def _unreadable(why: str) -> ImageError:
    return ImageError(f"the lineage in the picture cannot be read: {why}", hint="it is damaged, or not ours")
