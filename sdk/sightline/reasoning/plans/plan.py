"""A plan as data: calls, values, tests, loops and parallel lines, with references between them.

    Plan.model_validate({
        "inputs": ["photo"],
        "steps": [
            {"id": "bare", "tool": "edit", "args": {"image": "$photo", "instruction": "remove the star"}},
            {"id": "n", "tool": "understand", "args": {"image": "$bare.image", "question": "how many …?"}},
            {"id": "few", "test": {"value": "$n.number", "at_most": 2}},
        ],
        "answer": "$few.text",
    })

`$id.field` is what a step gave: `image`, `images.0`, `text`, `number` (of its text),
`confidence`, `changed`; `$input` a picture that the plan is given; `${id.field}` stands
inside a text. A name may be given again: later steps, and the next round of a loop, see
the new value. Nothing in a plan is code, and nothing of it is evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from sightline.errors import InputError, NotFoundError
from sightline.reasoning.plans.yaml_text import parsed, written

MOST_STEPS = 200
MOST_ROUNDS = 64
_DEEPEST = 6

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


class Plan(_Part):
    """Steps, the pictures they are given, and which value is the answer and which picture the result."""

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

    # --- in and out --------------------------------------------------------------------------

    @classmethod
    def read(cls, source: str | Path | Mapping[str, object]) -> Plan:
        """A plan from data, JSON or YAML text, or a file (a Path); InputError says what is wrong where."""
        return _validated(source if isinstance(source, Mapping) else parsed(_text(source)))

    def json_text(self) -> str:
        """The plan as JSON, without what is left at its default."""
        return json.dumps(self._data(), indent=2)

    def yaml_text(self) -> str:
        """The plan as YAML."""
        return written(self._data())

    def _data(self) -> dict[str, object]:
        return self.model_dump(mode="json", exclude_defaults=True)


def _nodes(steps: tuple[Node, ...], depth: int) -> Iterator[Node]:
    if depth > _DEEPEST:
        raise ValueError(f"a plan is nested at most {_DEEPEST} deep")
    for node in steps:
        yield node
        if isinstance(node, Repeat):
            yield from _nodes(node.repeat, depth + 1)
        elif isinstance(node, Parallel):
            for line in node.parallel:
                yield from _nodes(line, depth + 1)


def _text(source: str | Path) -> str:
    if isinstance(source, str):
        return source
    try:
        return source.read_text()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {source}", hint="check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source} cannot be read", hint="give a text file of JSON or YAML") from error


def _validated(data: object) -> Plan:
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        faults = [f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors()[:6]]
        raise InputError(f"the plan is wrong: {'; '.join(faults)}", hint="see Plan's docstring") from error
    except RecursionError as error:
        raise InputError("the plan is nested too deeply", hint=f"at most {_DEEPEST} deep") from error


def _place(loc: tuple[int | str, ...]) -> str:
    """Where in the data a fault is, without the names of our classes."""
    kinds = {"Action", "Let", "Test", "Repeat", "Parallel"}
    return ".".join(str(part) for part in loc if part not in kinds) or "plan"
