"""Looking back: the log of a branch, and the reflog, which tells of every move of a branch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from sightline.errors import InputError
from sightline.store.database import Row, Store
from sightline.tree.line import walk
from sightline.tree.steps import Step


@dataclass(frozen=True)
class Move:
    """One move of a branch, or of a tag (`@name`): when, from which step to which, and why."""

    when: datetime
    branch: str
    before: str | None
    after: str | None
    why: str

    def __str__(self) -> str:
        steps = " → ".join(step[:8] if step else "nothing " for step in (self.before, self.after))
        return f"{self.when.astimezone():%Y-%m-%d %H:%M:%S}  {self.branch:<12} {steps}  {self.why}"

    __repr__ = __str__


@dataclass(frozen=True)
class Filter:
    """Which steps a log shows: by tool, by when they ended, by a text in what was asked or answered.

    `since` is a time (one without a zone is local time), or how long ago.
    """

    tool: str | Sequence[str] | None = None
    since: datetime | timedelta | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if self.since is not None and not isinstance(self.since, datetime | timedelta):
            raise InputError(f"since is {self.since!r}", hint="give a datetime, or a timedelta before now")
        if self.text is not None and not (isinstance(self.text, str) and self.text.strip()):
            raise InputError(f"text is {self.text!r}", hint="give words to look for")
        known = isinstance(self.tool, str | Sequence | None)
        if not known or not all(isinstance(tool, str) for tool in self._tools()):
            raise InputError(f"tool is {self.tool!r}", hint="give the name of a tool, or several")

    def passes(self, rows: Iterator[Row]) -> Iterator[Step]:
        """The steps that pass, in the order of the rows."""
        start, tools, words = self._start(), self._tools(), (self.text or "").casefold()
        for row in rows:
            if float(str(row["ended"])) >= start and (not tools or row["tool"] in tools):
                step = Step.from_row(row)
                if words in _said(step):
                    yield step

    def _tools(self) -> tuple[str, ...]:
        if self.tool is None:
            return ()
        return (self.tool,) if isinstance(self.tool, str) else tuple(self.tool)

    def _start(self) -> float:
        if self.since is None:
            return float("-inf")
        if isinstance(self.since, timedelta):
            return (datetime.now(UTC) - self.since).timestamp()
        return self.since.timestamp()


def log(store: Store, tip: str | None, limit: int | None, chosen: Filter) -> list[Step]:
    """The steps from a tip back to the root that pass, newest first, at most `limit`."""
    _checked(limit)
    return list(islice(chosen.passes(walk(store, tip)), limit))


def reflog(store: Store, limit: int | None) -> list[Move]:
    """Every move of the branches and tags of this session, newest first, at most `limit`."""
    _checked(limit)
    return [_move(row) for row in store.database.moves(limit)]


def _move(row: Row) -> Move:
    before, after = (None if row[name] is None else str(row[name]) for name in ("before", "after"))
    when = datetime.fromtimestamp(float(str(row["at"])), UTC)
    name = f"{'@' if row['kind'] == 'tag' else ''}{row['branch']}"
    return Move(when, name, before, after, str(row["why"]))


def _checked(limit: object) -> None:
    if limit is not None and not (isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1):
        raise InputError(f"limit is {limit!r}", hint="ask for at least one")


def _said(step: Step) -> str:
    """What was asked and answered, to look for words in."""
    asked = [value for value in step.args.values() if isinstance(value, str)]
    answered = [value for value in step.outputs.values() if isinstance(value, str)]
    return "\n".join([*asked, *answered]).casefold()
