"""Rerun: a branch once more with changes, onto a new branch; only what depends on them is computed.

A step depends on another by its pictures, and, if it read the dialogue, by every step
before it. All else is taken over. Seeds that the session chose are chosen anew, so
that a rerun gives what a fresh run of the changed program would; seeds that were given
are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from sightline.errors import InputError
from sightline.results import Made, Picture, Result
from sightline.tree import cancelling
from sightline.tree.branching import failing_at
from sightline.tree.changes import Changes, Wishes
from sightline.tree.cherry import copied
from sightline.tree.execute import Executor
from sightline.tree.line import walk
from sightline.tree.program import Node, Slot, filled, program, slots_in
from sightline.tree.recipe import dialogue_digest


@dataclass(frozen=True, repr=False)
class Rerun:
    """What a rerun did.

    `invalidated` are the steps that depended on the changes, by their old ids. Of the
    steps that stand for the old ones on the new branch, `recomputed` had to be computed
    and `reused` had not: they were taken over, or equal work was in the store. `steps`
    tells the new step of each old one; `head` is the last of the new branch.
    """

    branch: str
    head: str
    reused: tuple[str, ...]
    recomputed: tuple[str, ...]
    invalidated: tuple[str, ...]
    steps: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        counts = f"{len(self.recomputed)} recomputed, {len(self.reused)} reused"
        return f"<Rerun onto {self.branch!r} at {self.head[:8]}: {counts}>"


def rerun(executor: Executor, tip: str | None, changes: Wishes, branch: str) -> Rerun:
    """Run the program that ends at a step again, with changes, onto a branch that is made for it.

    InputError, before anything is computed or moved, for a change that cannot be.
    """
    executor.store.database.check_writable()
    nodes = program(executor, tip)
    asked = Changes(executor, nodes, changes)
    stale = _stale(executor, nodes, asked)
    kept = list(takewhile(lambda node: node.id not in stale, nodes))
    root = next((node.id for node in reversed(kept) if node.on_line), None)
    executor.refs.branch(branch, root)
    running = Running(executor.on(branch), asked, kept)
    try:
        running.run(
            "the rerun", [node for node in nodes[len(kept) :] if node.on_line or node.id in stale], stale
        )
    finally:
        executor.refs.branches()  # the session has seen where the new branch stands
    head = running.executor.step(running.executor.refs.head()[1]).id
    return Rerun(
        branch, head, tuple(running.reused), tuple(running.recomputed), tuple(stale), dict(running.new)
    )


def _stale(executor: Executor, nodes: Sequence[Node], asked: Changes) -> dict[str, None]:
    """The steps that changes reach, in order, after checking that each can be computed again."""
    stale: dict[str, None] = {}
    counts: dict[str, int | None] = {}
    for node in nodes:
        reached = bool(asked.reads(node) & stale.keys()) or bool(node.step.context and stale)
        if asked.differs(node, inputs_differ=reached) or reached:
            if node.step.tool != "add":
                executor.toolbox.get(node.step.tool)
            stale[node.id] = None
            counts[node.id] = asked.count(node)
            _check_places(node, asked, counts)
    return stale


def _check_places(node: Node, asked: Changes, counts: Mapping[str, int | None]) -> None:
    again = [Slot(node.follows, place) for place in node.places]
    for slot in (*slots_in(asked.args(node)), *(again if "n" not in asked.of(node) else ())):
        count = counts.get(slot.step or "")
        if count is not None and slot.place >= count:
            raise _missing(node, slot, count)


def _missing(node: Node, slot: Slot, count: int) -> InputError:
    maker = (slot.step or "")[:8]
    return InputError(
        f"{node.step.tool} {node.step.short} reads picture {slot.place + 1} of {maker}, which makes {count}",
        hint="change which picture it reads, or let that step make more",
    )


class Running:
    """Puts the steps of a program on the current branch of an executor, one after the other."""

    def __init__(self, executor: Executor, asked: Changes, kept: Sequence[Node]) -> None:
        self.executor, self._asked = executor, asked
        self.new = {node.id: node.id for node in kept}
        self.reused = [node.id for node in kept if node.on_line]
        self.recomputed: list[str] = []

    def run(self, what: str, nodes: Sequence[Node], stale: Collection[str]) -> None:
        """Run the stale ones of these steps and take the others over; `what` names all this in an error."""
        left = f"the branch {self.executor.refs.head()[0]!r} holds what was done"
        for number, node in enumerate(nodes, 1):
            where = f"{what} stopped at step {number} of {len(nodes)} ({node.step.tool} {node.step.short})"
            with failing_at(where, left):
                cancelling.current().check()
                self._again(node) if node.id in stale else self._take(node)

    def _take(self, node: Node) -> None:
        parents = tuple(dict.fromkeys(self.new.get(parent, parent) for parent in node.step.data_parents))
        placed = copied(self.executor, node.step, why="rerun", data_parents=parents)
        self.new[node.id] = placed.id
        self.reused.append(placed.id)

    def _again(self, node: Node) -> None:
        result = self._brought(node) if node.step.tool == "add" else self._computed(node)
        self.new[node.id] = result.step.id
        found = result.cache.status == "hit"
        (self.reused if found else self.recomputed).append(result.step.id)

    def _brought(self, node: Node) -> Made:
        return self.executor.add(filled(self._asked.picture(node), self._picture))

    def _computed(self, node: Node) -> Result:
        dialogue = dialogue_digest(self._recipes()) if node.step.context else ""
        call = self._asked.prepared(node, self._picture, dialogue)
        origin = next((self.new.get(other, other) for other in node.others), None)
        return self.executor.finish(call, origin=origin)

    def _recipes(self) -> list[str]:
        """The recipes of the steps so far, oldest first."""
        tip = self.executor.refs.head()[1]
        return [str(row["recipe"]) for row in walk(self.executor.store, tip)][::-1]

    def _picture(self, slot: Slot) -> Picture:
        """The picture that stands in a slot now."""
        pictures, maker = self.executor.pictures, self.new.get(slot.step or "")
        if maker is None:
            return pictures.bound(pictures.reference(slot.pixels), slot.step)
        made = self.executor.step(maker).images()
        if slot.place >= len(made):
            raise InputError(
                f"it reads picture {slot.place + 1} of step {maker[:8]}, which made {len(made)}",
                hint="change which picture it reads",
            )
        return pictures.bound(pictures.reference(made[slot.place]), maker)
