"""Step: one tool call, immutable, named by the digest of everything in it.

A step has two kinds of parents: `parent` is the step before it on its branch,
`data_parents` are the steps whose pictures it read. Both are needed: chronology
to undo, data to know what depends on what.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from sightline.errors import CorruptStoreError
from sightline.store.database import Row
from sightline.tree.recipe import Json, digest, dumps, plain

Status = Literal["done", "failed", "cancelled"]

_JSON = ("args", "seeds", "outputs", "usage", "data_parents", "error")


@dataclass(frozen=True)
class Step:
    """One recorded tool call; times are seconds since 1970."""

    tool: str
    version: str
    args: Mapping[str, Json]
    seeds: tuple[int, ...]
    outputs: Mapping[str, Json]
    usage: Mapping[str, Json]
    status: Status
    fingerprint: str
    recipe: str
    parent: str | None
    data_parents: tuple[str, ...]
    started: float
    ended: float
    context: str = ""
    error: Mapping[str, Json] | None = None
    id: str = field(default="")

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", self.derived_id())

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def short(self) -> str:
        """The first eight letters of the id."""
        return self.id[:8]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started

    @property
    def found_again(self) -> bool:
        """Whether it repeats a step whose work was found: that takes no time and costs nothing."""
        return self.status == "done" and self.tool != "add" and self.ended == self.started and not self.usage

    def derived_id(self) -> str:
        """The digest of everything in the step but its id."""
        content: dict[str, Json] = {}
        for name in (f.name for f in fields(self) if f.name != "id"):
            value = getattr(self, name)
            content[name] = repr(value) if isinstance(value, float) else value
        content["seeds"] = [str(seed) for seed in self.seeds]
        return digest(content)

    def images(self) -> list[str]:
        """Pixel digests of the pictures it made, in order."""
        listed = self.outputs.get("images") or []
        single = [self.outputs["image"]] if self.outputs.get("image") else []
        items = [*listed, *single] if isinstance(listed, Sequence) else single
        return [str(item["$image"]) for item in items if isinstance(item, Mapping)]

    def summary(self) -> str:
        """What was asked, in one short line."""
        asked = [self.args.get(name) for name in ("prompt", "question", "instruction", "message")]
        said = next((str(text) for text in asked if text), "")
        answer = self.outputs.get("text")
        return f"{said} → {answer}" if answer else said

    def to_row(self) -> Row:
        """As a row of the database."""
        row: Row = {name: getattr(self, name) for name in (f.name for f in fields(self))}
        row["seeds"] = json.dumps([str(seed) for seed in self.seeds])
        for name in ("args", "outputs", "usage", "data_parents"):
            row[name] = dumps(getattr(self, name))
        row["error"] = None if self.error is None else dumps(self.error)
        return row

    @classmethod
    def from_row(cls, row: Row) -> "Step":
        """From a row of the database; CorruptStoreError if it is not what was stored."""
        try:
            step = cls._parsed(row)
            whole = step.id == step.derived_id()
        except (ValueError, TypeError, KeyError) as error:
            raise _damaged(row, f"cannot be read: {error}") from error
        if not whole:
            raise _damaged(row, "does not match its digest")
        return step

    @classmethod
    def _parsed(cls, row: Row) -> "Step":
        values = {name: row[name] for name in (f.name for f in fields(cls))}
        for name in _JSON:
            values[name] = None if row[name] is None else json.loads(str(row[name]))
        values["seeds"] = tuple(int(seed) for seed in values["seeds"])  # type: ignore[attr-defined]
        values["data_parents"] = tuple(values["data_parents"])  # type: ignore[arg-type]
        return cls(**values)  # type: ignore[arg-type]

    def values(self) -> dict[str, object]:
        """The outputs with floats as floats."""
        return {name: plain(value) for name, value in self.outputs.items()}


def _damaged(row: Row, what: str) -> CorruptStoreError:
    return CorruptStoreError(
        f"step {str(row['id'])[:8]} {what}",
        hint="all else is readable: undo, check out, or branch from another step",
    )
