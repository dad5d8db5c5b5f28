"""From a branch to the workflow that does the same to other pictures."""

from __future__ import annotations

from collections import Counter
from typing import cast

from pydantic import BaseModel, JsonValue
from pydantic_core import PydanticUndefined

from sightline.errors import InputError
from sightline.tree.execute import Executor
from sightline.tree.plans import is_seeded
from sightline.tree.program import Node, Slot, filled, program, slots_in
from sightline.tree.recipe import canonical
from sightline.tree.workflow import FROM, PARAMETER, PICTURE, Workflow, WorkflowStep

_INPUT = "image"


def workflow_of(executor: Executor, tip: str | None) -> Workflow:
    """The workflow of the branch that ends at a step.

    Pictures that were brought in are its inputs; what was given, and is no default, is a
    parameter; seeds that the session chose are chosen again for every item. InputError
    for a branch that holds only pictures, whose pictures were made with its dialogue in mind,
    or that read one which no step made. What was said in a dialogue is left out.
    """
    recording = _Recording(executor)
    for node in program(executor, tip):
        recording.take(node)
    return recording.workflow()


class _Recording:
    """Writes steps down, one after the other."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._counts = Counter[str]()
        self._inputs: list[str] = []
        self._steps: dict[str, WorkflowStep] = {}
        self._parameters: dict[str, JsonValue] = {}
        self._model = ""

    def workflow(self) -> Workflow:
        """What was written so far."""
        if not self._steps:
            raise InputError("the branch only brings pictures in", hint="do something with them first")
        return Workflow(
            inputs=tuple(self._inputs),
            parameters=self._parameters,
            steps=tuple(self._steps.values()),
            seed=self._executor.seed,
            model=self._model,
        )

    def take(self, node: Node) -> None:
        """Write one step down."""
        step = node.step
        if step.context and not step.images():
            return  # what was said: the calls that it led to are steps of their own
        if step.context:
            raise InputError(f"step {step.short} read its dialogue", hint="end the branch before it")
        name = self._names[node.id] = self._free(_INPUT if step.tool == "add" else step.tool)
        if step.tool == "add":
            self._inputs.append(name)
            return
        self._model = step.fingerprint or self._model
        followed = self._steps.get(node.follows or "")
        args: dict[str, JsonValue] = {}
        for argument, value in self._given(node).items():
            shared = None if followed is None else followed.args.get(argument)
            args[argument] = self._written(f"{name}.{argument}", value, shared)
        self._steps[node.id] = WorkflowStep(name=name, tool=step.tool, version=step.version, args=args)

    def _free(self, stem: str) -> str:
        stem = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in stem)
        stem = stem if stem[:1].isalpha() else f"step_{stem}"
        while True:
            self._counts[stem] += 1
            number = self._counts[stem]
            name = stem[:50] if number == 1 else f"{stem[:50]}{number}"
            if name not in self._taken:
                self._taken.add(name)
                return name

    def _given(self, node: Node) -> dict[str, object]:
        """The arguments that are no defaults of the tool, and the seed if it was given."""
        step, toolbox = node.step, self._executor.toolbox
        tool = toolbox.get(step.tool) if step.tool in toolbox else None
        model = tool.args_model if tool is not None and tool.version == step.version else None
        given = {
            name: value
            for name, value in node.args.items()
            if model is None or not _is_default(model, name, step.args[name])
        }
        if tool is not None and is_seeded(tool) and step.seeds and not self._executor.chose_seeds(step):
            given["seed"] = Slot(node.follows, node.places[0]) if node.places else step.seeds[0]
        return given

    def _written(self, name: str, value: object, followed: JsonValue) -> JsonValue:
        """An argument as JSON: references to pictures in their places, all else as a parameter."""
        if any(True for _ in slots_in(value)):
            return cast(JsonValue, filled(value, self._reference))
        if isinstance(followed, dict) and self._parameters.get(str(followed.get(PARAMETER))) == value:
            return followed
        self._parameters[name] = cast(JsonValue, value)  # arguments of a recorded step are JSON
        return {PARAMETER: name}

    def _reference(self, slot: Slot) -> JsonValue:
        if slot.step is None:
            raise InputError(
                f"picture {slot.pixels[:8]} was made by no step", hint="add it, and use what that gives"
            )
        name = self._names[slot.step]
        return {FROM: name, PICTURE: slot.place} if slot.place else {FROM: name}


def _is_default(model: type[BaseModel], name: str, value: object) -> bool:
    info = model.model_fields.get(name)
    default = PydanticUndefined if info is None else info.get_default(call_default_factory=True)
    return default is not PydanticUndefined and canonical(default) == value
