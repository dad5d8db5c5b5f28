"""Workflow: a branch as data, with names for its pictures and parameters, to run on others.

A workflow is JSON that a person can read and edit. Among the arguments of a step
{"$from": "edit", "picture": 0} stands for a picture of an earlier step or an input, and
{"$parameter": "edit.instruction"} for a parameter. Reading one opens no file and runs
nothing; running one opens what the caller gives, and calls tools of the caller's toolbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from sightline import local
from sightline.errors import InputError
from sightline.results import Picture, Result
from sightline.store.opening import open_store
from sightline.tree.execute import Executor
from sightline.tree.mapping import Item, RunReport, listed, run_items
from sightline.tree.plans import Planned, planned
from sightline.tree.program import Slot
from sightline_runtime.protocol import Runtime
from sightline_tools.toolbox import Toolbox, default_toolbox

FROM, PICTURE, PARAMETER = "$from", "picture", "$parameter"

_LONGEST = 10_000_000
_MOST_WORKERS = 256

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Args = dict[str, object]


class WorkflowStep(BaseModel):
    """One call: its name, the tool and its version, and the arguments that are no defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    tool: str = Field(min_length=1, max_length=100)
    version: str = Field(min_length=1, max_length=100)
    args: dict[str, JsonValue] = Field(default_factory=dict)


class Workflow(BaseModel):
    """A branch as data.

    `inputs` are the pictures to bring in, `parameters` the values that may be given anew,
    with their defaults. `seed` is that of the session it was made from, so that equal
    pictures lead to equal results; `model` is the fingerprint of the model that was used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["sightline-workflow-1"] = "sightline-workflow-1"
    inputs: tuple[Name, ...] = ()
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    steps: tuple[WorkflowStep, ...] = Field(min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**63)
    model: str = Field(default="", max_length=100)

    @model_validator(mode="after")
    def _check(self) -> Self:
        """References name what comes before, and names are used once."""
        known = list(self.inputs)
        for step in self.steps:
            for kind, name in _references(list(step.args.values())):
                if name not in (known if kind == FROM else self.parameters):
                    what = "an input or an earlier step" if kind == FROM else "a parameter"
                    raise ValueError(f"step {step.name!r} names {name!r:.80}, which is not {what}")
            known.append(step.name)
        if len(set(known)) < len(known):
            raise ValueError("inputs and steps have names of their own")
        return self

    def to_json(self) -> str:
        """The workflow as text."""
        return self.model_dump_json(indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Workflow:
        """Read a workflow from text; InputError if it is none. Opens nothing and runs nothing."""
        if not isinstance(text, str | bytes) or len(text) > _LONGEST:
            raise InputError("this is no text of a workflow", hint=f"give at most {_LONGEST:,} characters")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the text"
            raise InputError(
                f"this is no workflow: {where}: {first['msg']}", hint="Session.recipe makes them"
            ) from error

    def check(self, toolbox: Toolbox | None = None) -> None:
        """Raise NotFoundError or InputError if a tool is not there, is of another version, or refuses its
        arguments.
        """
        self._calls(default_toolbox() if toolbox is None else toolbox, {})

    def run(
        self,
        inputs: str | Path | Iterable[object],
        *,
        out: str | Path,
        workers: int = 1,
        resume: bool = True,
        runtime: Runtime | None = None,
        params: Mapping[str, object] | None = None,
        toolbox: Toolbox | None = None,
    ) -> RunReport:
        """Run on every picture of a folder or a list, in a session in the folder `out`.

        An item is a picture, or a mapping of inputs and parameters to values; `params`
        holds for all items. Every item has a branch; the pictures of its last step are
        written to `out/pictures` too. A run that was stopped goes on where it was, unless
        `resume` is False, which refuses a folder that was used. An item that fails is in
        the report. InputError, before anything runs, for what no item could be run with.
        """
        tools, folder = default_toolbox() if toolbox is None else toolbox, Path(out)
        if not isinstance(workers, int) or isinstance(workers, bool) or not 1 <= workers <= _MOST_WORKERS:
            raise InputError(f"workers is {workers!r}", hint=f"use 1 to {_MOST_WORKERS}")
        given = dict(params or {})
        self._calls(tools, {name: value for name, value in given.items() if name not in self.inputs})
        items = [self._item(value, given, tools) for value in listed(inputs)]
        if not resume and (folder / "session.db").exists():
            raise InputError(f"{folder} holds a run already", hint="give another folder, or let it go on")
        with closing(open_store(folder)) as store:
            executor = Executor(store, runtime or local.Lazy(), tools, seed=self.seed)
            return RunReport(run_items(executor, items, folder, workers), folder)

    # --- from data to calls ------------------------------------------------------------------

    def _item(self, value: object, params: Args, toolbox: Toolbox) -> Item:
        """One item: what is given for it, or else for all."""
        free = [name for name in self.inputs if name not in params]
        if isinstance(value, Mapping):
            given = params | {str(name): item for name, item in value.items()}
        elif len(free) == 1:
            given = params | {free[0]: value}
        else:
            raise InputError(
                f"an item is one picture, but the workflow has {len(free)} to fill: {', '.join(free)}",
                hint="give mappings of names to values, or some of them in params",
            )
        missing = [name for name in self.inputs if name not in given]
        if missing:
            raise InputError(f"an item has no {missing[0]!r}", hint="give it with the item, or in params")
        pictures = {name: _picture(given.pop(name)) for name in self.inputs}
        return Item(_named(pictures), pictures, self._calls(toolbox, given))

    def _calls(self, toolbox: Toolbox, given: Mapping[str, object]) -> tuple[Planned, ...]:
        """The calls with parameters in their places; also any argument may be given as "step.argument"."""
        values: Args = {**self.parameters}
        others: dict[str, Args] = {step.name: {} for step in self.steps}
        for name, value in given.items():
            step, _, argument = name.partition(".")
            if name in values:
                values[name] = value
            elif step in others and argument:
                others[step][argument] = value
            else:
                known = [*self.inputs, *self.parameters]
                raise InputError(f"there is no parameter {name!r}", hint=f"there are {', '.join(known)}")
        return tuple(
            planned(
                toolbox, step.name, step.tool, step.version, {**_args(step.args, values), **others[step.name]}
            )
            for step in self.steps
        )


def _references(value: object) -> Iterator[tuple[str, object]]:
    """Every reference in arguments: its kind and what it names; ValueError for one of no known form."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    if not isinstance(value, dict):
        return
    if any(key.startswith("$") for key in value):
        kind = next(key for key in value if key.startswith("$"))
        place = value.get(PICTURE, 0)
        known = set(value) == {PARAMETER} or (kind == FROM and set(value) <= {FROM, PICTURE})
        if not known or type(place) is not int or place < 0 or not isinstance(value[kind], str):
            raise ValueError(f"{str(value)[:80]} is no reference")
        yield kind, value[kind]
        return
    for item in value.values():
        yield from _references(item)


def _args(args: Mapping[str, JsonValue], values: Mapping[str, object]) -> Args:
    return {name: _placed(value, values) for name, value in args.items()}


def _placed(value: object, values: Mapping[str, object]) -> object:
    """Arguments with slots for references to pictures, and the values of parameters."""
    if isinstance(value, list):
        return [_placed(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    if PARAMETER in value:
        return values[value[PARAMETER]]
    if FROM in value:
        return Slot(value[FROM], value.get(PICTURE, 0))
    return {name: _placed(item, values) for name, item in value.items()}


def _picture(value: object) -> object:
    """A text is always a path: names of pictures are those of another session."""
    return Path(value) if isinstance(value, str) else value


def _named(pictures: Mapping[str, object]) -> str:
    """A name for an item, after its first picture."""
    first = next(iter(pictures.values()), None)
    if isinstance(first, Path):
        return first.stem
    if isinstance(first, Result):
        first = first.images[0] if first.images else None
    return (first.alias or first.ref.pixels[:8]) if isinstance(first, Picture) else "item"
