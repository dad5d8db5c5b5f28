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
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from sightline.errors import InputError, NotFoundError
from sightline.reasoning.plans.check import Problem, check, tools_of
from sightline.reasoning.plans.estimate import Estimate, estimate
from sightline.reasoning.plans.nodes import (
    DEEPEST,
    Action,
    Condition,
    Let,
    Node,
    Parallel,
    Parts,
    Repeat,
    Test,
)
from sightline.reasoning.plans.pace import pace_of
from sightline.reasoning.plans.yaml_text import parsed, written
from sightline.toolset.toolset import Toolset
from sightline_runtime.protocol import Runtime
from sightline_tools.toolbox import Toolbox

__all__ = ["Action", "Condition", "Let", "Node", "Parallel", "Plan", "Repeat", "Test"]


class Plan(Parts):
    """Steps, the pictures they are given, and which value is the answer and which picture the result."""

    def check(self, toolset: Toolset | Toolbox) -> list[Problem]:
        """All faults, each with its place; none if the plan can run with these tools.

        References must stand for something whatever the pictures show, and of the right kind;
        arguments must be such as their tools take. What a model will answer is not known:
        a run whose answers do not fit ends as refused, with its steps.
        """
        return check(self, tools_of(toolset))

    def estimate(self, runtime: Runtime) -> Estimate:
        """Say what a run on this runtime may take, before it runs: see `Estimate`.

        The pace of the runtime is measured by a few small calls, the first time it is asked.
        `Session.estimate` also knows the pictures, and what was computed before.
        """
        return estimate(self, runtime.info, pace_of(runtime))

    # --- in and out --------------------------------------------------------------------------

    @classmethod
    def read(cls, source: str | Path | Mapping[str, object]) -> Plan:
        """A plan from data, JSON or YAML text, or a file (a Path); InputError says what is wrong where."""
        return _validated(source if isinstance(source, Mapping) else parsed(_text(source)))

    def json_text(self) -> str:
        """The plan as JSON, without what is left at its default."""
        return json.dumps(self.data(), indent=2)

    def yaml_text(self) -> str:
        """The plan as YAML."""
        return written(self.data())

    def data(self) -> dict[str, object]:
        """The plan as plain data, without what is left at its default."""
        return self.model_dump(mode="json", exclude_defaults=True)


def _text(source: str | Path) -> str:
    if isinstance(source, str):
        return source
    if not isinstance(source, Path):
        raise InputError(f"{type(source).__name__} is no plan", hint="give data, text, or the Path of a file")
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
        raise InputError("the plan is nested too deeply", hint=f"at most {DEEPEST} deep") from error


def _place(loc: tuple[int | str, ...]) -> str:
    """Where in the data a fault is, without the names of our classes."""
    kinds = {"Action", "Let", "Test", "Repeat", "Parallel"}
    return ".".join(str(part) for part in loc if part not in kinds) or "plan"
