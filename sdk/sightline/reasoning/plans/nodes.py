"""The parts of a plan: calls, values, tests, loops and parallel lines, and the references between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

MOST_STEPS = 200
MOST_ROUNDS = 64
DEEPEST = 6

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]

REFERENCE = re.compile(r"\$(?P<name>[a-z][a-z0-9_]*)(?:\.(?P<field>[a-z]+)(?:\.(?P<index>[0-9]{1,2}))?)?")
INSIDE = re.compile(r"\$\{(?P<name>[a-z][a-z0-9_]*)(?:\.(?P<field>[a-z]+))?\}")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Condition(_Part):
    """What must hold of a value; each bound may be a reference too. All that is said must hold."""

    value: JsonValue
    equals: JsonValue = None
    one_of: tuple[JsonValue, ...] = ()
    at_least: float | str | None = None
    at_most: float | str | None = None
    more_than: float | str | None = None
    negate: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not any(
            bound not in (None, ())
            for bound in (self.equals, self.one_of, self.at_least, self.at_most, self.more_than)
        ):
            raise ValueError("a condition needs equals, one_of, at_least, at_most or more_than")
        return self


class Action(_Part):
    """A call of a tool; `when` decides whether it runs, `why` is for people."""

    id: Name
    tool: str = Field(min_length=1, max_length=80)
    args: dict[str, JsonValue] = Field(default_factory=dict)
    when: Condition | None = None
    why: str = ""


class Let(_Part):
    """A name for a value."""

    id: Name
    let: JsonValue


class Test(_Part):
    """A test, whose text is yes or no."""

    id: Name
    test: Condition

    __test__ = False  # not one of pytest's


class Repeat(_Part):
    """Steps done again as long as a condition holds, at most so many rounds."""

    repeat: tuple[Node, ...] = Field(min_length=1)
    as_long_as: Condition
    most: int = Field(default=8, ge=1, le=MOST_ROUNDS)


class Parallel(_Part):
    """Lines of steps that do not see one another, each on a branch of its own."""

    parallel: tuple[tuple[Node, ...], ...] = Field(min_length=1, max_length=16)


Node = Action | Let | Test | Repeat | Parallel


class Parts(_Part):
    """What a plan holds: steps, the pictures they are given, the answer, and the picture of the result."""

    goal: str = ""
    inputs: tuple[Name, ...] = ()
    steps: tuple[Node, ...] = Field(min_length=1)
    answer: str | None = None
    image: str | None = None

    @model_validator(mode="after")
    def _is_modest(self) -> Self:
        if sum(1 for _ in self.nodes()) > MOST_STEPS:
            raise ValueError(f"a plan has at most {MOST_STEPS} steps")
        return self

    def nodes(self) -> Iterator[Node]:
        """Every node, those inside loops and lines too."""
        yield from _nodes(self.steps, 1)


def _nodes(steps: tuple[Node, ...], depth: int) -> Iterator[Node]:
    if depth > DEEPEST:
        raise ValueError(f"a plan is nested at most {DEEPEST} deep")
    for node in steps:
        yield node
        if isinstance(node, Repeat):
            yield from _nodes(node.repeat, depth + 1)
        elif isinstance(node, Parallel):
            for line in node.parallel:
                yield from _nodes(line, depth + 1)
