"""The outline of a session: every step and what stands at it, as data, as text and as HTML.

A line of steps runs straight down; what branches off is set in under the step it
parts from. The current branch is the straightest, then `main`, then the others by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape
from itertools import takewhile

from sightline.errors import CorruptStoreError, SightlineError
from sightline.results import Picture, data_uri, shown_png
from sightline.store.database import Row
from sightline.tree.execute import Executor
from sightline.tree.line import parent_of, walk
from sightline.tree.steps import Step

_LONGEST = 60
"""Letters of a summary that are shown."""
_THUMB, _THUMBS = 40, 200
"""Pixels a side, and how many pictures a page shows: the newest."""


@dataclass(frozen=True)
class Node:
    """One step of an outline, its pictures, and the branches and tags that stand at it."""

    id: str
    tool: str
    summary: str
    parent: str | None
    data_parents: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    is_head: bool = False

    @property
    def short(self) -> str:
        """The first eight letters of the id."""
        return self.id[:8]

    def __str__(self) -> str:
        said = self.summary if len(self.summary) <= _LONGEST else self.summary[: _LONGEST - 1] + "…"
        aliases = " ".join(picture.alias for picture in self.pictures if picture.alias)
        parts = (self.short, f"{self.tool:<10}", " ".join(said.split()), aliases, self._labels())
        return "  ".join(filter(None, parts)).rstrip()

    def _labels(self) -> str:
        names = [*self.branches, *(f"@{tag}" for tag in self.tags)]
        shown = ", ".join(names)
        return f"({'HEAD → ' if self.is_head else ''}{shown})" if names else ""


@dataclass(frozen=True, repr=False)
class Outline:
    """The tree of a session; print it to read it.

    `nodes` are its steps, each after its parent; `branches` and `tags` say which step
    they name; `head` is the current branch and its step.
    """

    nodes: tuple[Node, ...]
    branches: Mapping[str, str | None]
    tags: Mapping[str, str | None]
    head: tuple[str, str | None]

    def __str__(self) -> str:
        lines = [f"{prefix}● {node}" if node else prefix for prefix, node in self._drawn()]
        return "\n".join([*lines, *self._empty()])

    __repr__ = __str__

    def children(self, step: str | None) -> tuple[Node, ...]:
        """The steps that follow a step, the straightest line first; None for the first steps."""
        return tuple(node for node in self.nodes if node.parent == step)

    def _empty(self) -> Iterator[str]:
        """The branches that stand at no step."""
        for name in (name for name, at in self.branches.items() if at is None):
            yield f"○ no step yet  ({'HEAD → ' if name == self.head[0] else ''}{name})"

    def _drawn(self) -> Iterator[tuple[str, Node | None]]:
        """Each step with what is drawn before it; between trees of their own an empty line."""
        known = {node.id for node in self.nodes}
        after: dict[str | None, list[Node]] = {}
        for node in self.nodes:
            after.setdefault(node.parent if node.parent in known else None, []).append(node)
        for number, root in enumerate(after.get(None, ())):
            if number:
                yield "", None
            yield from _lines(root, after)

    def _repr_html_(self) -> str:
        shown = {id(node) for node in [node for node in self.nodes if node.pictures][-_THUMBS:]}
        rows = [_html(prefix, node, with_pictures=id(node) in shown) for prefix, node in self._drawn()]
        empty = [f"<div>{escape(line)}</div>" for line in self._empty()]
        return '<div style="font-family:monospace;white-space:pre">' + "".join([*rows, *empty]) + "</div>"


def _lines(root: Node, after: Mapping[str | None, list[Node]]) -> Iterator[tuple[str, Node]]:
    """A tree from its root down, without recursion: branches may part from branches without end."""
    waiting = [(root, "", "")]
    while waiting:
        node, first, rest = waiting.pop()
        yield first, node
        straight, others = after.get(node.id, [])[:1], after.get(node.id, [])[1:]
        waiting += [(child, rest, rest) for child in straight]
        waiting += [(other, f"{rest}├─", f"{rest}│ ") for other in reversed(others)]


def _html(prefix: str, node: Node | None, *, with_pictures: bool) -> str:
    if node is None:
        return "<br>"
    pictures = "".join(map(_thumb, node.pictures)) if with_pictures else ""
    weight = "bold" if node.is_head else "normal"
    text = f'<span style="font-weight:{weight}">{escape(str(node))}</span>'
    return f"<div>{escape(prefix)}● {text} {pictures}</div>"


def _thumb(picture: Picture) -> str:
    try:
        uri = data_uri(shown_png(picture.numpy(), _THUMB))
    except SightlineError:  # a damaged picture must not hide the tree
        return ""
    return f'<img src="{uri}" height="{_THUMB}" style="image-rendering:pixelated;vertical-align:middle">'


def outline(executor: Executor, *, everything: bool = False) -> Outline:
    """The outline of a session: what its branches and tags reach, or every step it made."""
    branches, tags = executor.refs.branches(), executor.refs.tags()
    head = executor.refs.head()
    order = sorted(branches, key=lambda name: (name != head[0], name != "main", name))
    found: dict[str, Row] = {}
    for tip in [*(branches[name] for name in order), *tags.values()]:
        found |= {str(row["id"]): row for row in _new(executor, tip, found)[::-1]}
    if everything:  # what stands on no branch comes after, so that branches stay the straight lines
        made = {str(row["id"]): row for row in reversed(executor.store.database.steps())}
        found |= {step: row for step, row in made.items() if step not in found}
    at = _at(branches, order), _at(tags, sorted(tags))
    pictures = executor.pictures.all()
    nodes = tuple(_node(executor, row, pictures, *at, head) for row in found.values())
    return Outline(nodes, branches, tags, head)


def _new(executor: Executor, tip: str | None, known: Mapping[str, Row]) -> list[Row]:
    """The rows from a tip back to where the line is known, newest first."""
    return list(takewhile(lambda row: row["id"] not in known, walk(executor.store, tip)))


def _at(refs: Mapping[str, str | None], order: list[str]) -> dict[str, tuple[str, ...]]:
    """Step → the names that stand at it."""
    found: dict[str, tuple[str, ...]] = {}
    for name in order:
        step = refs[name]
        if step is not None:
            found[step] = (*found.get(step, ()), name)
    return found


def _node(
    executor: Executor,
    row: Row,
    known: Mapping[str, Picture],
    branches: Mapping[str, tuple[str, ...]],
    tags: Mapping[str, tuple[str, ...]],
    head: tuple[str, str | None],
) -> Node:
    step = str(row["id"])
    names = branches.get(step, ()), tags.get(step, ())
    place = (step, str(row["tool"]))
    try:
        whole = Step.from_row(row)
    except CorruptStoreError as error:  # a damaged step must not hide the others
        return Node(*place, error.message, parent_of(row), (), (), *names, step == head[1])
    said = whole.summary() if whole.status == "done" else f"{whole.status}: {whole.summary()}"
    pictures = tuple(_pictures(executor, known, whole))
    return Node(*place, said, whole.parent, whole.data_parents, pictures, *names, step == head[1])


def _pictures(executor: Executor, known: Mapping[str, Picture], step: Step) -> Iterator[Picture]:
    for pixels in step.images():
        try:
            found = known.get(pixels) or executor.pictures.bound(executor.pictures.reference(pixels))
            yield replace(found, origin=step.id)
        except CorruptStoreError:  # its row is damaged; verify_store names it
            continue
