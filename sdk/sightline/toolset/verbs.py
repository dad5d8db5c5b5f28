"""The verbs of a session as tools: look closer, see what there is, go back, branch, promote a draft.

Each is a model of arguments, a model of what it tells, and a function. They stand beside
the tools of the toolbox and are shown in the same form, but are no steps of the tree.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar, cast, get_type_hints

from pydantic import BaseModel, Field

from sightline.results import Picture, Result
from sightline.toolset.naming import newest, short
from sightline.toolset.outcomes import Preview
from sightline.toolset.previews import EDGE, preview
from sightline.tree.execute import Executor
from sightline.tree.line import walk
from sightline.tree.promote import promote as promoted
from sightline.tree.steps import Step
from sightline_tools.canvas import Box, pixel_box
from sightline_tools.image import Image
from sightline_tools.tool import Pictures, ToolArgs

_MOST = 100
_SAID = 200
"""Characters of what was asked that a list shows."""


@dataclass(frozen=True)
class Told:
    """What a verb tells: a text, its values, and what it shows."""

    text: str
    values: BaseModel
    previews: tuple[Preview, ...] = ()


@dataclass(frozen=True)
class Verb:
    """A verb of the session as a tool; a `read_only` one moves no branch and makes nothing."""

    name: str
    description: str
    args_model: type[BaseModel]
    result_model: type[BaseModel]
    run: Callable[[Executor, BaseModel], Told | Result]
    read_only: bool
    idempotent: bool


A = TypeVar("A", bound=BaseModel)


def _verb(
    tells: type[BaseModel], *, read_only: bool = False, idempotent: bool = False
) -> Callable[[Callable[[Executor, A], Told | Result]], Verb]:
    """Make a verb of a function, whose docstring a chatbot reads."""

    def decorate(function: Callable[[Executor, A], Told | Result]) -> Verb:
        run = cast(Callable[[Executor, BaseModel], Told | Result], function)
        takes = get_type_hints(function)["args"]
        described = inspect.getdoc(function) or ""
        return Verb(function.__name__, described, takes, tells, run, read_only, idempotent)

    return decorate


class LookArgs(ToolArgs):
    """What to look at."""

    image: Image = Field(description="the picture to look at")
    box: Box | None = Field(
        default=None, description="a part of it: (left, top, right, bottom), parts from 0 to 1, or pixels"
    )


class Seen(BaseModel):
    """A picture that is shown: the part in pixels, and how many pixels of the view one of them takes."""

    image: Image
    box: tuple[int, int, int, int]
    scale: float


@_verb(Seen, read_only=True, idempotent=True)
def look(executor: Executor, args: LookArgs) -> Told:
    """Look at a picture again, or closer at a part of it."""
    ref = args.image
    box = pixel_box(args.box or (0, 0, 1, 1), ref.width, ref.height)
    left, top, right, bottom = box
    label = f"{short(executor, ref)}, pixels {left},{top} to {right},{bottom} of {ref.width}x{ref.height}"
    shown = preview(label, executor.pictures.load(ref)[top:bottom, left:right], EDGE)
    scale = round(shown.width / (right - left), 4)
    text = (
        f"{label}, sha256:{ref.pixels[:12]}; shown at {shown.width}x{shown.height}, {scale:g} times its size"
    )
    return Told(text, Seen(image=ref, box=box, scale=scale), (shown,))


class PicturesArgs(ToolArgs):
    """Which pictures."""

    limit: int = Field(default=20, ge=1, le=_MOST, description="how many, the newest first")
    text: str | None = Field(default=None, description="only those whose prompt or instruction holds this")


class Listed(BaseModel):
    """A picture of the list: what it is, and the tool and the words that made it."""

    image: Image
    tool: str
    asked: str
    step: str


class Listing(BaseModel):
    """Pictures of the session, the newest first; `total` is how many it has."""

    pictures: tuple[Listed, ...]
    total: int


@_verb(Listing, read_only=True, idempotent=True)
def pictures(executor: Executor, args: PicturesArgs) -> Told:
    """List the pictures of the session, the newest first, with what made them."""
    known = executor.pictures.all()
    words = (args.text or "").casefold()
    made = (_listed(executor, picture) for picture in reversed(known.values()))
    fitting = (each for each in made if each is not None and words in each.asked.casefold())
    listing = Listing(pictures=tuple(islice(fitting, args.limit)), total=len(known))
    lines = [
        f"{short(executor, each.image)} ({each.image.width}x{each.image.height}, "
        f"sha256:{each.image.pixels[:12]}): {each.tool}: {each.asked or '-'}"
        for each in listing.pictures
    ]
    return Told("\n".join([f"{len(lines)} of {len(known)} pictures, the newest first", *lines]), listing)


def _listed(executor: Executor, picture: Picture) -> Listed | None:
    maker = executor.store.database.first_producer(picture.ref.pixels)
    if maker is None:
        return None
    step = executor.step(maker)
    return Listed(image=picture.ref, tool=step.tool, asked=step.summary()[:_SAID], step=step.short)


class HistoryArgs(ToolArgs):
    """Which steps."""

    branch: str | None = Field(default=None, description="a branch; by default the current one")
    limit: int = Field(default=20, ge=1, le=_MOST, description="how many steps, the newest first")


class Entry(BaseModel):
    """A step of the history: the tool, what was asked and answered, and the pictures it made."""

    step: str
    tool: str
    asked: str
    images: tuple[Image, ...]


class Branch(BaseModel):
    """A branch and the step at which it stands."""

    name: str
    step: str | None
    current: bool


class History(BaseModel):
    """The steps of a branch, the newest first, and all branches."""

    steps: tuple[Entry, ...]
    branches: tuple[Branch, ...]


@_verb(History, read_only=True, idempotent=True)
def history(executor: Executor, args: HistoryArgs) -> Told:
    """List the steps of a branch, the newest first, and the branches."""
    tip = executor.locate(args.branch)
    steps = [Step.from_row(row) for row in islice(walk(executor.store, tip), args.limit)]
    entries = tuple(_entry(executor, step) for step in steps)
    branches = _branches(executor)
    lines = [
        f"{each.step} {each.tool}: {each.asked or '-'}"
        + "".join(f" → {short(executor, image)}" for image in each.images)
        for each in entries
    ]
    names = ", ".join(f"{each.name}{' (current)' if each.current else ''}" for each in branches)
    text = "\n".join([f"branches: {names}", *(lines or ["no step yet"])])
    return Told(text, History(steps=entries, branches=branches))


def _entry(executor: Executor, step: Step) -> Entry:
    images = tuple(executor.pictures.reference(pixels) for pixels in step.images())
    return Entry(step=step.short, tool=step.tool, asked=step.summary()[:_SAID], images=images)


def _branches(executor: Executor) -> tuple[Branch, ...]:
    current = executor.refs.head()[0]
    return tuple(
        Branch(name=name, step=at and at[:8], current=name == current)
        for name, at in executor.refs.branches().items()
    )


class BackArgs(ToolArgs):
    """How far."""

    n: int = Field(default=1, ge=1, le=1000, description="how many steps")


class Standing(BaseModel):
    """Where the session stands: the branch, its newest step, and the picture that `last` now means."""

    branch: str
    step: str | None
    last: Image | None


@_verb(Standing)
def undo(executor: Executor, args: BackArgs) -> Told:
    """Go back to before the last steps; nothing is deleted, redo takes it back."""
    executor.refs.undo(args.n)
    return _standing(executor, "Went back")


@_verb(Standing)
def redo(executor: Executor, args: BackArgs) -> Told:
    """Take an undo back."""
    executor.refs.redo(args.n)
    return _standing(executor, "Went forward again")


class BranchArgs(ToolArgs):
    """The branch to make."""

    name: str = Field(description="its name: letters, digits, and . _ - /")
    at: str | None = Field(
        default=None, description="a step's id, a branch or a picture's name to start from; by default here"
    )


@_verb(Standing)
def branch(executor: Executor, args: BranchArgs) -> Told:
    """Make a branch, to try something else from here or from an earlier step, and switch to it."""
    executor.refs.branch(args.name, executor.locate(args.at))
    executor.refs.checkout(args.name)
    return _standing(executor, "Made the branch and switched to it")


class CheckoutArgs(ToolArgs):
    """The branch to switch to."""

    name: str = Field(description="the name of a branch")


@_verb(Standing, idempotent=True)
def checkout(executor: Executor, args: CheckoutArgs) -> Told:
    """Switch to another branch."""
    executor.refs.checkout(args.name)
    return _standing(executor, "Switched")


class PromoteArgs(ToolArgs):
    """The draft."""

    image: Image = Field(description="a picture that was drawn with draft=true")


@_verb(Pictures, idempotent=True)
def promote(executor: Executor, args: PromoteArgs) -> Result:
    """Draw a draft at full quality: the same picture, finished."""
    maker = executor.store.database.producer(args.image.pixels)
    return promoted(executor, executor.pictures.bound(args.image, maker))


def _standing(executor: Executor, done: str) -> Told:
    branch, step = executor.refs.head()
    last = newest(executor)
    shown = "it has no picture yet" if last is None else f"last is now {last.alias}"
    at = f"step {step[:8]}" if step else "no step yet"
    values = Standing(branch=branch, step=step and step[:8], last=None if last is None else last.ref)
    return Told(f"{done}: branch {branch}, {at}; {shown}.", values)


VERBS: tuple[Verb, ...] = (look, pictures, history, undo, redo, branch, checkout, promote)
"""The verbs that every toolset offers."""
