"""Changes to the calls of a program: which step each names, whether it can be, what the call becomes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence

from sightline.errors import InputError
from sightline.results import Picture, Result
from sightline.tree import arguments
from sightline.tree.execute import Call, Executor
from sightline.tree.naming import names_picture
from sightline.tree.program import Node, Slot, filled_args, slots_in
from sightline.tree.recipe import checked_seed
from sightline.tree.steps import Step
from sightline_tools.image import Image

Args = dict[str, object]

Wishes = Mapping[Result | Step | str, Mapping[str, object]]
"""Changes as a caller gives them: a step, by whatever names one → argument → new value."""

_ADD = ("image",)


class Changes:
    """The changes that a caller asks for, by step."""

    def __init__(self, executor: Executor, nodes: Sequence[Node], changes: Wishes) -> None:
        self._executor = executor
        self._nodes = {node.id: node for node in nodes}
        self._places = {node.id: place for place, node in enumerate(nodes)}
        self._copies = {node.step.recipe: node.id for node in reversed(nodes)}
        self._asked: dict[str, Args] = {}
        for name, change in _items(changes, "changes"):
            self._ask(self._node(name), _items(change, f"the change of {name!r:.60}"))

    def of(self, node: Node) -> Args:
        """What is changed in a step's call; one that follows another changes with it, where both agree."""
        own = self._asked.get(node.id, {})
        followed = self._nodes.get(node.follows or "")
        if followed is None:
            return own
        agreed = {
            name: value
            for name, value in self.of(followed).items()
            if followed.args.get(name) == node.args.get(name) and not _is_seed(followed, name)
        }
        return agreed | own

    def args(self, node: Node) -> Args:
        """The arguments of a step's call as changed, with slots for the pictures of the program."""
        changed = {name: value for name, value in self.of(node).items() if not _is_seed(node, name)}
        return {**node.args, **changed}

    def reads(self, node: Node) -> set[str]:
        """The steps that a step is made from as changed."""
        return {slot.step for slot in slots_in(self.args(node)) if slot.step} | set(node.others)

    def prepared(self, node: Node, picture: Callable[[Slot], object], dialogue: str = "") -> Call:
        """The changed call of a step, with seeds that follow from it unless they were given."""
        asked, step = self.of(node), node.step
        args = filled_args(self.args(node), picture)
        if "seed" in asked and _is_seed(node, "seed"):
            seed = asked["seed"]
            given = None if seed is None else checked_seed(seed)
            return self._executor.prepare(step.tool, args, given, dialogue=dialogue)
        seeds = self._followed_seeds(node, picture)
        if seeds is None or len(seeds) != args.get("n", 1):
            if not step.seeds or self._executor.chose_seeds(step):
                return self._executor.prepare(step.tool, args, dialogue=dialogue)
            call = self._executor.prepare(step.tool, args, step.seeds[0], dialogue=dialogue)
            seeds = (*step.seeds, *call.seeds[len(step.seeds) :])[: len(call.seeds)]
        return self._executor.prepare(step.tool, args, seeds=seeds, dialogue=dialogue)

    def _followed_seeds(self, node: Node, picture: Callable[[Slot], object]) -> tuple[int, ...] | None:
        """The seeds of the pictures that a step draws again, as the changed call draws them."""
        followed = self._nodes.get(node.follows or "")
        if followed is None or not node.places:
            return None
        drawn = self.prepared(followed, picture).seeds
        if node.places == tuple(range(len(followed.step.seeds))):
            return drawn
        return tuple(drawn[place] for place in node.places if place < len(drawn))

    def picture(self, node: Node) -> object:
        """What an `add` step brings in as changed."""
        return self.args(node)["image"]

    def differs(self, node: Node, *, inputs_differ: bool) -> bool:
        """Whether a step's call is another one by its own changes; InputError if the changed call cannot be.

        Where its pictures will be others too, arguments that must fit each other are
        judged when they are there.
        """
        asked = self.of(node)
        if not asked:
            return False
        reference = self._executor.pictures.reference
        if node.step.tool == "add":
            return self._executor.pictures.incoming(asked["image"]).ref.pixels != node.step.images()[0]
        try:
            call = self.prepared(node, lambda slot: reference(slot.pixels))
        except InputError:
            if inputs_differ and any(name in self._pictured(node) for name in asked):
                return True
            raise
        return call.canonical != node.step.args or ("seed" in asked and call.seeds != node.step.seeds)

    def count(self, node: Node) -> int | None:
        """How many pictures a changed call will make, where that is known before it runs."""
        n = self.of(node).get("n")
        return n if node.step.seeds and isinstance(n, int) else None

    # --- what the caller names ---------------------------------------------------------------

    def _node(self, name: object) -> Node:
        located = self._executor.locate(name)
        step = self._executor.step(located)
        found = step.id if step.id in self._nodes else self._copies.get(step.recipe)
        if found is None:
            raise InputError(
                f"step {step.short} ({step.tool}) is no part of this branch", hint="log() lists its steps"
            )
        return self._nodes[found]

    def _ask(self, node: Node, change: Iterable[tuple[object, object]]) -> None:
        known = self._asked.setdefault(node.id, {})
        for name, value in change:
            self._check_name(node, str(name))
            if name in known:
                raise InputError(
                    f"{name!r} of step {node.step.short} is changed twice", hint="name each step once"
                )
            known[str(name)] = self._traced(node, str(name), value)

    def _check_name(self, node: Node, name: str) -> None:
        names = _ADD if node.step.tool == "add" else self._names(node.step)
        if name not in names:
            near = difflib.get_close_matches(name, names, 3) or names
            raise InputError(
                f"{node.step.tool} has no argument {name!r}", hint=f"there are {', '.join(near)}"
            )

    def _names(self, step: Step) -> list[str]:
        tool = self._executor.toolbox.get(step.tool)
        return [*tool.args_model.model_fields, *(["seed"] if tool.seeded else [])]

    def _pictured(self, node: Node) -> set[str]:
        model = self._executor.toolbox.get(node.step.tool).args_model
        return {*arguments.image_fields(model), *arguments.region_fields(model)}

    # --- pictures among the changes ----------------------------------------------------------

    def _traced(self, node: Node, name: str, value: object) -> object:
        """A changed argument, with slots for the pictures that earlier steps of the program make."""
        if node.step.tool == "add":
            self._executor.pictures.incoming(value)
            return value
        fields = arguments.image_fields(self._executor.toolbox.get(node.step.tool).args_model)
        if name not in fields or value is None:
            return value
        if not fields[name]:
            return self._slot(node, value)
        items = value.images if isinstance(value, Result) else value
        return [self._slot(node, item) for item in items] if isinstance(items, list | tuple) else value

    def _slot(self, node: Node, value: object) -> object:
        """A slot for a picture of an earlier step, else the picture as it was given."""
        source = self._executor.pictures.source(value)
        ours = isinstance(value, Result | Picture | Step | Image) or names_picture(str(value))
        if source.origin is None or not ours:
            return value
        maker = self._executor.step(source.origin)
        found = self._nodes.get(maker.id) or self._nodes.get(self._copies.get(maker.recipe, ""))
        if found is None or self._places[found.id] >= self._places[node.id]:
            return value
        return Slot(found.id, found.step.images().index(source.ref.pixels), source.ref.pixels)


def _items(value: object, what: str) -> Iterable[tuple[object, object]]:
    if not isinstance(value, Mapping):
        raise InputError(f"{what} is {type(value).__name__}", hint="give {step: {argument: value}}")
    return value.items()


def _is_seed(node: Node, name: str) -> bool:
    """Whether a name means the seed of the call, not an argument of its tool."""
    return name == "seed" and "seed" not in node.args and node.step.tool != "add"
