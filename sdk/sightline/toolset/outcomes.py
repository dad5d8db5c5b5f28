"""What came of a call: text for the model, data for the program, small pictures, or a fault to mend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from sightline.results import Result

MOST_PROBLEMS = 10
"""Wrong arguments that a fault tells."""
_LONGEST = 600
"""Characters of each of its texts: what was sent is not sent back."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with one argument: where, what, what is allowed there, and what to do."""

    at: str
    what: str
    allowed: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = f"{_brief(self.at)}: " if self.at else ""
        more = [f"allowed: {_brief(self.allowed)}"] if self.allowed else []
        more += [_brief(self.hint)] if self.hint else []
        return f"- {where}{_brief(self.what)}" + (f" ({'; '.join(more)})" if more else "")

    @property
    def data(self) -> dict[str, str]:
        """The problem for a program to read."""
        return {name: _brief(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Fault:
    """Why a call was not done, so that a model can mend it.

    `code` is that of the error tree, or "declined" or "waiting". `near` are names like the
    one that is unknown, `pictures` those that exist.
    """

    code: str
    message: str
    hint: str = ""
    retryable: bool = False
    problems: tuple[Problem, ...] = ()
    near: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The fault for a model to read."""
        lines = [f"Error ({self.code}): {_brief(self.message)}", *map(str, self.problems)]
        lines += [f"Did you mean: {', '.join(self.near)}"] if self.near else []
        lines += [f"Pictures of this session: {', '.join(self.pictures)}"] if self.pictures else []
        lines += [f"What to do: {_brief(self.hint)}"] if self.hint else []
        return "\n".join(lines)

    @property
    def data(self) -> dict[str, object]:
        """The fault for a program to read."""
        fault: dict[str, object] = {"code": self.code, "message": _brief(self.message)}
        fault["hint"], fault["retryable"] = _brief(self.hint), self.retryable
        fault["problems"] = [problem.data for problem in self.problems]
        fault["near"], fault["pictures"] = list(self.near), list(self.pictures)
        return {"error": fault}


def _brief(text: str) -> str:
    """A text without its middle, if it is long: what was sent may stand anywhere in it."""
    end = _LONGEST // 3
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - end]} … {text[-end:]}"


@dataclass(frozen=True)
class Preview:
    """A small picture for a model to look at: what it shows, the encoded file, and its size in pixels."""

    label: str
    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int


@dataclass(frozen=True)
class Outcome:
    """What came of a call.

    `structured` has the form of the tool's output schema; of a fault it is
    {"error": …}. `result` is the session's own, for tools that make a step.
    """

    text: str
    structured: Mapping[str, object]
    previews: tuple[Preview, ...] = ()
    result: Result | None = None
    fault: Fault | None = None

    @classmethod
    def failed(cls, fault: Fault) -> Outcome:
        """The outcome of a call that was not done."""
        return cls(fault.text, fault.data, fault=fault)
