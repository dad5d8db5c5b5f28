"""Planned calls: what a workflow asks for, checked against a toolbox before anything runs.

A plan may come from a stranger. A picture can only be an input or what an earlier call
made, never a text, as a text would name a file.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from sightline.errors import InputError
from sightline.tree import arguments
from sightline.tree.program import Slot, filled_args, slots_in
from sightline.tree.recipe import canonical, checked_seed
from sightline_tools.image import Image
from sightline_tools.tool import Tool
from sightline_tools.toolbox import Toolbox

_STAND_IN = Image(pixels="0" * 64, blob="0" * 64, width=64, height=64)


@dataclass(frozen=True)
class Planned:
    """One call of a plan; in `args` a `Slot` names an input or an earlier call whose picture it reads.

    A `Slot` as `seed` is the seed of that picture.
    """

    name: str
    tool: str
    version: str
    args: Mapping[str, object]
    seed: int | Slot | None = None


def planned(toolbox: Toolbox, name: str, tool: str, version: str, args: Mapping[str, object]) -> Planned:
    """A call that a tool of the toolbox would take; NotFoundError or InputError says why not.

    What depends on the sizes of pictures is judged when they are there.
    """
    found = toolbox.get(tool)
    if found.version != version:
        raise InputError(
            f"step {name!r} is for version {version} of {tool}, here is {found.version}",
            hint="make the workflow anew from a session",
        )
    seeded = is_seeded(found)
    fields = [*found.args_model.model_fields, *(["seed"] if seeded else [])]
    for argument in args:
        if argument not in fields:
            near = difflib.get_close_matches(argument, fields, 3) or fields
            raise InputError(
                f"{tool} has no argument {argument!r}", hint=f"step {name!r}: there are {', '.join(near)}"
            )
    seed = args.get("seed") if seeded else None
    own = {argument: value for argument, value in args.items() if not (seeded and argument == "seed")}
    fine = seed if seed is None or isinstance(seed, Slot) else checked_seed(seed)
    call = Planned(name, tool, version, own, fine)
    _check_pictures(found, call)
    _check_values(found, call)
    return call


def is_seeded(tool: Tool) -> bool:
    """Whether `seed` among the arguments of a call means the seed of its pictures."""
    return tool.seeded and "seed" not in tool.args_model.model_fields


def _check_pictures(tool: Tool, call: Planned) -> None:
    pictures = arguments.image_fields(tool.args_model)
    regions = arguments.region_fields(tool.args_model)
    for name, value in call.args.items():
        leaves = list(_leaves(value))
        if name in pictures:
            wrong = any(not isinstance(leaf, Slot | None) for leaf in leaves)
        else:
            wrong = any(isinstance(leaf, str if name in regions else Slot) for leaf in leaves)
        if wrong:
            shown = name in pictures or name in regions
            what = "is no picture of a step or an input" if shown else "takes no picture"
            raise InputError(f"step {call.name!r}: {name} {what}", hint='write {"$from": "the step"}')


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(item)
    else:
        yield value


def _check_values(tool: Tool, call: Planned) -> None:
    args = filled_args(call.args, lambda slot: _STAND_IN)
    try:
        canonical(arguments.checked(tool, args, lambda _: _STAND_IN))
    except InputError as error:
        cause = error.__cause__
        of_a_field = isinstance(cause, ValidationError) and bool(cause.errors()[0]["loc"])
        if of_a_field or not any(True for _ in slots_in(call.args)):
            raise
