"""Calling: a client's arguments as a checked call. What names no picture of the session is refused.

A text in the place of a picture would be a path to the verbs of a session; a client's
text never becomes one.
"""

from __future__ import annotations

from collections.abc import Mapping

from sightline.errors import InputError, NotFoundError
from sightline.results import Picture
from sightline.toolset.naming import MOST_PICTURES
from sightline.tree.arguments import image_fields, region_fields
from sightline.tree.execute import Call, Executor
from sightline.tree.line import walk
from sightline.tree.naming import names_picture
from sightline.tree.steps import Step

LAST = "last"
_NAMES = "give img3, sha256:… or last; POST to …/images brings a picture in"


def prepared(executor: Executor, tool: str, arguments: Mapping[str, object], seed: int | None) -> Call:
    """A checked call of an executor's current branch; nothing is computed. Raises errors of the tree."""
    wanted, args = executor.toolbox.get(tool), dict(arguments)
    model = wanted.args_model
    if seed is not None and not wanted.seeded:
        raise InputError(f"{tool} takes no seed", hint="leave it out: nothing is drawn")
    for name, many in image_fields(model).items():
        value = args.get(name)
        if value is not None:
            items = value if many and isinstance(value, list) else None
            if items is not None and len(items) > MOST_PICTURES:
                raise InputError(
                    f"{name} has more than {MOST_PICTURES} pictures", hint="give fewer at a time"
                )
            args[name] = (
                _picture(executor, name, value)
                if items is None
                else [_picture(executor, name, item) for item in items]
            )
    for name in region_fields(model) & args.keys():
        args[name] = _region(executor, name, args[name])
    return executor.prepare(tool, args, seed)


def last_picture(executor: Executor) -> Picture:
    """The first picture of the newest step on the current branch that made one; NotFoundError without."""
    for row in walk(executor.store, executor.refs.head()[1]):
        step = Step.from_row(row)
        if step.images():
            return executor.pictures.bound(executor.pictures.reference(step.images()[0]), step.id)
    raise NotFoundError("there is no picture on this branch yet", hint="generate or upload one first")


def _picture(executor: Executor, name: str, value: object) -> object:
    if value == LAST:
        return last_picture(executor)
    if isinstance(value, str) and names_picture(value):
        return value
    raise InputError(f"{name} is {str(value)[:60]!r}, which names no picture", hint=_NAMES)


def _region(executor: Executor, name: str, value: object) -> object:
    """A region as it is but for its mask, which is a picture by name."""
    if value is None or isinstance(value, list):
        return value
    if isinstance(value, Mapping):
        mask = value.get("mask")
        return value if mask is None else {**value, "mask": _picture(executor, name, mask)}
    return _picture(executor, name, value)
