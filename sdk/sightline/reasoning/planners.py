"""Who writes plans: rules of plain English, or a text model, its own or one elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from jinja2 import PackageLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sightline.errors import InputError
from sightline.reasoning.brains import Own, Writer
from sightline.reasoning.desk import Desk
from sightline.reasoning.outcome import Goal
from sightline.reasoning.plans.check import check
from sightline.reasoning.plans.plan import Plan
from sightline.reasoning.plans.plan_pattern import plan_pattern
from sightline.reasoning.questions import PICTURE, plan_of
from sightline.strict_json import written
from sightline.tree.plans import is_seeded
from sightline_runtime.protocol import Message
from sightline_tools.schemas import input_schema
from sightline_tools.tool import Tool

_LONGEST = 20_000
"""Characters of a written plan that are read."""


class Planner(Protocol):
    """Somebody who writes plans."""

    def plan(self, goal: Goal, desk: Desk) -> Plan | None:
        """A plan for a goal, None if there is none, or if one call is all it takes.

        The plan's input is `photo`, if the goal has a picture. What it costs to write it is
        booked at the desk.
        """


@dataclass(frozen=True)
class Rules:
    """Plans by rules of plain English: see `reasoning.questions`. They need no model."""

    def plan(self, goal: Goal, desk: Desk) -> Plan | None:
        """The plan that the rules see."""
        return plan_of(goal.text) if goal.kind == "answer" else None


@dataclass(frozen=True)
class Written:
    """Plans that a text model writes as JSON: the session's own, or one elsewhere.

    It may call `tools`, in at most `most_steps` steps. What `Plan.check` finds is told it, at
    most `repairs` times; after that there is no plan, and what is written is never run
    unchecked. The session's own model can write nothing but a plan of these tools: its
    decoding is constrained.
    """

    writer: Writer = field(default_factory=Own)
    tools: tuple[str, ...] = ("understand", "edit", "generate", "isolate", "zoom")
    most_steps: int = 8
    repairs: int = 2

    def __post_init__(self) -> None:
        if not (0 <= self.repairs <= 16 and 1 <= self.most_steps <= 32):
            what = f"{self.repairs} repairs, {self.most_steps} steps"
            raise InputError(what, hint="use 0 to 16 repairs, and 1 to 32 steps")

    def plan(self, goal: Goal, desk: Desk) -> Plan | None:
        """The first that passes the check."""
        tools = {name: desk.executor.toolbox.get(name) for name in self.tools}
        inputs = (PICTURE,) if goal.pictures else ()
        pattern = plan_pattern(tools, inputs, self.most_steps, answers=goal.kind == "answer")
        dialogue = [Message("user", (_asked(goal, tools, self.most_steps),))]
        seen: set[str] = set()
        for _ in range(self.repairs + 1):
            text = self.writer.write(desk, dialogue, pattern)
            if text is None or text in seen:  # who says the same again will not mend it
                return None
            seen.add(text)
            plan, faults = _read(text, goal, tools, inputs, self.most_steps)
            if plan is not None:
                return plan
            dialogue += [Message("assistant", (text or "…",)), Message("user", (_mend(faults),))]
        return None


def _read(
    text: str, goal: Goal, tools: Mapping[str, Tool], inputs: tuple[str, ...], most: int
) -> tuple[Plan | None, Sequence[str]]:
    """The plan that a text is, or what is wrong with it."""
    found = re.search(r"\{.*\}", text[:_LONGEST], re.DOTALL)
    if found is None:
        return None, ["there is no JSON object in it"]
    try:
        plan = Plan.read(found[0]).model_copy(update={"goal": goal.text, "inputs": inputs})
    except InputError as error:
        return None, [error.message]
    faults = [str(problem) for problem in check(plan, tools)]
    if goal.kind == "answer" and plan.answer is None:
        faults.append('answer: say what the answer is, such as "$s2.text"')
    if goal.kind != "answer" and plan.image is None:
        faults.append('image: say which picture is the result, such as "$s2.image"')
    if sum(1 for _ in plan.nodes()) > most:
        faults.append(f"steps: there are more than {most}")
    return (None, faults) if faults else (plan, [])


def _asked(goal: Goal, tools: Mapping[str, Tool], most: int) -> str:
    told = [
        {
            "name": tool.name,
            "description": tool.description,
            "arguments": input_schema(tool.args_model, seeded=is_seeded(tool)),
        }
        for tool in tools.values()
    ]
    return _template("plan_prompt.jinja").render(
        goal=goal.text,
        choices=list(goal.choices),
        answers=goal.kind == "answer",
        picture=PICTURE if goal.pictures else "",
        tools=[written(each) for each in told],
        most=most,
    )


def _mend(faults: Sequence[str]) -> str:
    return _template("plan_repair.jinja").render(faults=[fault[:400] for fault in faults[:12]])


@cache
def _template(name: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        loader=PackageLoader("sightline"), undefined=StrictUndefined, autoescape=False, trim_blocks=True
    )
    return environment.get_template(name)
