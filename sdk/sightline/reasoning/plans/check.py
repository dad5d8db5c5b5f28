"""Check a plan against its tools before anything runs: all faults at once, each with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue

from sightline.reasoning.plans.call_check import argument_faults
from sightline.reasoning.plans.kinds import GIVEN, SAID, Known, joined, made_by, value_of
from sightline.reasoning.plans.nodes import (
    INSIDE,
    REFERENCE,
    Action,
    Condition,
    Let,
    Node,
    Parallel,
    Parts,
    Repeat,
)
from sightline.toolset.toolset import Toolset
from sightline_tools.tool import Tool
from sightline_tools.toolbox import Toolbox

Names = dict[str, Known]


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a plan: where, and what."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def tools_of(offered: Toolset | Toolbox) -> Mapping[str, Tool]:
    """The tools that a plan may call, by the names that a session records; verbs of a session are none."""
    if isinstance(offered, Toolbox):
        return {tool.name: tool for tool in offered}
    sources = (offer.source for offer in offered.tools)
    return {source.name: source for source in sources if isinstance(source, Tool)}


def check(plan: Parts, tools: Mapping[str, Tool]) -> list[Problem]:
    """All faults of a plan; an empty list if it can run."""
    names: Names = dict.fromkeys(plan.inputs, GIVEN)
    problems = list(_Checker(tools).steps(plan.steps, names, "steps"))
    there = {name: replace(known, sure=True) for name, known in names.items()}  # what did not run is None
    for place, value in (("answer", plan.answer), ("image", plan.image)):
        if value is not None:
            problems += _result(value, there, place)
    return list(dict.fromkeys(problems))


def _result(value: str, names: Names, place: str) -> Iterator[Problem]:
    if not REFERENCE.fullmatch(value):
        yield Problem(place, f"{value!r} is no reference such as $last.text")
        return
    yield from _references(value, names, place)
    kind = value_of(value, names).bare
    if (kind in ("picture", "pictures")) is not (place == "image") and kind != "unclear":
        wanted = "a picture" if place == "image" else "a text or a number"
        yield Problem(place, f"{value} is no {wanted.removeprefix('a ')}; it should be {wanted}")


class _Checker:
    """Walks through the steps in order; `names` is what is known after each."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._tools = tools

    def steps(self, steps: tuple[Node, ...], names: Names, where: str) -> Iterator[Problem]:
        for index, node in enumerate(steps):
            place = f"{where}.{index}"
            if isinstance(node, Parallel):
                yield from self._parallel(node, names, place)
            elif isinstance(node, Repeat):
                yield from self._repeat(node, names, place)
            elif isinstance(node, Action):
                yield from self._action(node, names, f"{place} ({node.id})")
            elif isinstance(node, Let):
                yield from _references(node.let, names, f"{place} ({node.id})")
                names[node.id] = value_of(node.let, names)
            else:
                yield from _condition(node.test, names, f"{place} ({node.id})")
                names[node.id] = SAID

    def _action(self, node: Action, names: Names, place: str) -> Iterator[Problem]:
        tool = self._tools.get(node.tool)
        if node.when is not None:
            yield from _condition(node.when, names, f"{place}.when")
        yield from _references(dict(node.args), names, place)
        if tool is None:
            near = difflib.get_close_matches(node.tool, self._tools, 1) or sorted(self._tools)
            yield Problem(place, f"there is no tool {node.tool!r}; there is {', '.join(near)}")
            names[node.id] = Known("unclear", ())
            return
        yield from (Problem(place, what) for what in argument_faults(tool, node.args, names))
        made = made_by(tool, node.args)
        names[node.id] = made if node.when is None else joined(names.get(node.id), made) or made

    def _repeat(self, node: Repeat, names: Names, place: str) -> Iterator[Problem]:
        """The first round sees what is there before, later ones what a round leaves; maybe there is none."""
        yield from _condition(node.as_long_as, names, f"{place}.as_long_as")
        after = dict(names)
        found = list(self.steps(node.repeat, after, f"{place}.repeat"))
        again = _either(names, after)
        later = list(_condition(node.as_long_as, again, f"{place}.as_long_as"))
        later += self.steps(node.repeat, dict(again), f"{place}.repeat")
        yield from dict.fromkeys([*found, *(each for each in later if each not in found)])
        names.update(again)

    def _parallel(self, node: Parallel, names: Names, place: str) -> Iterator[Problem]:
        """Lines see what came before them, not one another; what they name is seen after them."""
        before, given = dict(names), dict[str, int]()
        for number, line in enumerate(node.parallel):
            inside = dict(before)
            yield from self.steps(line, inside, f"{place}.parallel.{number}")
            for name in _named(line):
                if name in given and given[name] != number:
                    yield Problem(f"{place}.parallel.{number}", f"{name} is given by another line too")
                given[name] = number
                if name in inside:
                    names[name] = inside[name]


def _named(steps: tuple[Node, ...]) -> Iterator[str]:
    """The names that steps give."""
    for node in steps:
        if isinstance(node, Repeat):
            yield from _named(node.repeat)
        elif isinstance(node, Parallel):
            for line in node.parallel:
                yield from _named(line)
        else:
            yield node.id


def _either(a: Names, b: Names) -> Names:
    both = {name: joined(a.get(name), b.get(name)) for name in {**a, **b}}
    return {name: known for name, known in both.items() if known is not None}


def _condition(condition: Condition, names: Names, place: str) -> Iterator[Problem]:
    """Faults of a condition: what is compared must be text or numbers."""
    yield from _references(condition.model_dump(mode="json"), names, place)
    bounds = (condition.at_least, condition.at_most, condition.more_than)
    for value in (condition.value, condition.equals, *condition.one_of, *bounds):
        if value_of(value, names).bare in ("picture", "pictures", "answer"):
            yield Problem(place, f"{value} cannot be compared; name its text or its number")


def _references(value: JsonValue, names: Names, place: str) -> Iterator[Problem]:
    """Faults of every reference inside a value."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _references(item, names, place)
    elif isinstance(value, str):
        whole = REFERENCE.fullmatch(value)
        found = [whole] if whole else list(INSIDE.finditer(value))
        for each in found:
            yield from _reference(each["name"], each["field"], whole and whole["index"], names, place)
        if not found and value.startswith("$"):
            yield Problem(place, f"{value!r} is no reference: write $name or $name.field")


def _reference(
    name: str, field: str | None, index: str | None, names: Names, place: str
) -> Iterator[Problem]:
    known = names.get(name)
    if known is None:
        near = difflib.get_close_matches(name, names, 1) or sorted(names)
        yield Problem(place, f"${name} is given by no step before; there is {', '.join(near) or 'nothing'}")
    elif not known.sure:
        yield Problem(place, f"${name} may stand for nothing here: the step that gives it may not run")
    elif field is not None and field not in known.fields:
        fields = ", ".join(known.fields) or "no fields here"
        yield Problem(place, f"${name} has no {field!r}, but {fields}")
    elif index is not None and (field != "images" or int(index) >= known.pictures):
        yield Problem(place, f"${name} has no picture {index}; it has {known.pictures}, counted from 0")
