"""A branch as a program: its steps in order, and which step makes each picture that they read.

That is what can be run again with other arguments: *rerun* runs it here, *recipe*
writes it down, *flatten* shortens it. A step of another branch belongs to a program
if something was made from its picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sightline.errors import NotFoundError
from sightline.lineage import digests_in
from sightline.tree import arguments
from sightline.tree.execute import Executor
from sightline.tree.line import chain
from sightline.tree.recipe import plain
from sightline.tree.steps import Step

_DECODED = ("draft", "n")
"""In what the call of a promoted draft differs from that of the draft."""


@dataclass(frozen=True)
class Slot:
    """A picture among arguments: the step that makes it, its place there, and its recorded digest.

    `step` is None for a picture that no step made; what was never run has no digest.
    """

    step: str | None
    place: int = 0
    pixels: str = ""


@dataclass(frozen=True)
class Node:
    """A step of a program.

    In `args` a `Slot` stands for each picture; all else is plain. `others` are steps that
    it was made from without reading their pictures; `follows` is one of them whose call it
    repeats, as the full quality of a draft does, with the seeds of the pictures at
    `places`. `on_line` is False for a step of another branch.
    """

    step: Step
    args: Mapping[str, object]
    others: tuple[str, ...] = ()
    follows: str | None = None
    places: tuple[int, ...] = ()
    on_line: bool = True

    @property
    def id(self) -> str:
        """The id of the step."""
        return self.step.id

    @property
    def reads(self) -> set[str]:
        """The steps that this one was made from."""
        return {slot.step for slot in slots_in(self.args) if slot.step} | set(self.others)


def program(executor: Executor, tip: str | None) -> list[Node]:
    """The program that ends at a step, in an order in which it can run.

    NotFoundError for a branch without a step, InputError for one with a record that is not ours.
    """
    line = chain(executor.store, executor.step(tip).id)[::-1]
    reading = _Reading(executor, line)
    for place, step in enumerate(line):
        reading.add(step, place)
    return list(reading.nodes.values())


def slots_in(value: object) -> Iterator[Slot]:
    """Every picture in arguments, in order."""
    if isinstance(value, Slot):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from slots_in(item)


def filled(value: object, picture: Callable[[Slot], object]) -> object:
    """Arguments with something else for every `Slot`."""
    if isinstance(value, Slot):
        return picture(value)
    if isinstance(value, Mapping):
        return {name: filled(item, picture) for name, item in value.items()}
    return [filled(item, picture) for item in value] if isinstance(value, list | tuple) else value


def filled_args(args: Mapping[str, object], picture: Callable[[Slot], object]) -> dict[str, object]:
    """`filled`, of named arguments."""
    return {name: filled(value, picture) for name, value in args.items()}


class _Reading:
    """Puts the steps of a line, and those that they were made from, in order."""

    def __init__(self, executor: Executor, line: Sequence[Step]) -> None:
        self._executor = executor
        self._steps = {step.id: step for step in line}
        self._places = {step.id: place for place, step in enumerate(line)}
        self._first: dict[str, Step] = {}
        for step in line:
            self._first.setdefault(step.recipe, step)
        self.nodes: dict[str, Node] = {}

    def add(self, step: Step, place: int) -> None:
        """Add the step at a place of the line, after what it was made from."""
        todo = [step]
        while todo:
            makers = self._makers(todo[-1], place)
            missing = [maker for maker in makers if maker.id not in self.nodes]
            if missing:
                todo += missing
                continue
            found = todo.pop()
            if found.tool in self._executor.toolbox:
                arguments.check_recorded(self._executor.toolbox.get(found.tool), found.args)
            self.nodes[found.id] = _node(found, makers, on_line=found.id in self._places)

    def _makers(self, step: Step, place: int) -> list[Step]:
        """What a step was made from; one that is gone is left out."""
        found = [self._known(parent) for parent in step.data_parents]
        return [self._on_line(maker, place) for maker in found if maker is not None]

    def _known(self, step_id: str) -> Step | None:
        if step_id not in self._steps:
            try:
                self._steps[step_id] = self._executor.step(step_id)
            except NotFoundError:
                return None
        return self._steps[step_id]

    def _on_line(self, maker: Step, place: int) -> Step:
        """The same work earlier on this line, if a copy of it on another branch was used."""
        own = self._first.get(maker.recipe)
        copied = maker.id not in self._places and own is not None and self._places[own.id] < place
        return own if own is not None and copied else maker


def _node(step: Step, makers: Sequence[Step], *, on_line: bool) -> Node:
    if step.tool == "add":
        return Node(step, {"image": Slot(None, pixels=step.images()[0])}, on_line=on_line)
    tracing = _Tracing(_sources(step, makers), step.args)
    args = {name: tracing.traced(plain(value)) for name, value in step.args.items()}
    used = {slot.step for slot in slots_in(args)}
    others = tuple(maker.id for maker in makers if maker.id not in used)
    for maker in makers:
        if maker.id in others and maker.tool == step.tool and {*step.seeds} <= {*maker.seeds}:
            places = tuple(maker.seeds.index(seed) for seed in step.seeds)
            return Node(step, args, others, maker.id, places, on_line)
    return Node(step, args, others, on_line=on_line)


def _sources(step: Step, makers: Sequence[Step]) -> Sequence[Step]:
    """The makers of the pictures that a step read; without a draft that it promotes, if others made them."""
    others = [maker for maker in makers if not _is_draft_of(maker, step)]
    made = {pixels for maker in others for pixels in maker.images()}
    return others if made.issuperset(digests_in(step.args)) else makers


def _is_draft_of(maker: Step, step: Step) -> bool:
    """Whether a step's call is that of a draft, at full quality."""
    rest = {name: value for name, value in maker.args.items() if name not in _DECODED}
    same = rest == {name: value for name, value in step.args.items() if name not in _DECODED}
    drafted = maker.args.get("draft") is True and step.args.get("draft") is not True
    return same and drafted and maker.tool == step.tool and {*step.seeds} <= {*maker.seeds}


class _Tracing:
    """Finds who made each picture of one call.

    Where a picture was made more than once (an edit may leave it as it was), the makers
    that nothing else of the call was read from come first, as each of them was read; then
    the first time that it is read stands for the first maker, the second for the second.
    """

    def __init__(self, makers: Sequence[Step], args: object) -> None:
        self._reads, self._seen = Counter(digests_in(args)), Counter[str]()
        self._made: dict[str, list[Slot]] = {pixels: [] for pixels in self._reads}
        for maker in makers:
            for place, pixels in enumerate(maker.images()):
                if pixels in self._made:
                    self._made[pixels].append(Slot(maker.id, place, pixels))
        self._sure = {
            slots[0].step for slots in self._made.values() if len({slot.step for slot in slots}) == 1
        }

    def traced(self, value: object) -> object:
        """Arguments as data with slots for pictures."""
        if isinstance(value, dict):
            if set(value) == {"$image"}:
                return self._slot(str(value["$image"]))
            return {name: self.traced(item) for name, item in value.items()}
        return [self.traced(item) for item in value] if isinstance(value, list) else value

    def _slot(self, pixels: str) -> Slot:
        found = self._chosen(pixels)
        self._seen[pixels] += 1
        return found[min(self._seen[pixels], len(found)) - 1] if found else Slot(None, pixels=pixels)

    def _chosen(self, pixels: str) -> list[Slot]:
        """As many of the slots of a picture as it is read, if there are more, in their order."""
        found = self._made[pixels]
        firsts = {slot.step: slot for slot in reversed(found) if slot.step not in self._sure}
        wanted = [*firsts.values()][::-1]
        wanted += [slot for slot in found if slot not in wanted]
        return sorted(wanted[: self._reads[pixels]], key=found.index)
