"""What the model may call in a dialogue, and how a call of it is done: as a step, within a budget."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sightline.chat.dialogue import SHOW, UNDO
from sightline.chat.transcript import Transcript
from sightline.chat.turns import Offer, ToolCall
from sightline.errors import InputError
from sightline.toolset.naming import LAST, filled, near, pictures_in
from sightline.toolset.offers import Offer as Offered
from sightline.toolset.offers import offers
from sightline.toolset.outcomes import Fault, Outcome
from sightline.toolset.parallel import at_once
from sightline.toolset.running import Terms, run
from sightline.tree.context import Context, Watch
from sightline.tree.execute import Call, Executor
from sightline.tree.line import walk
from sightline_tools.image import Image
from sightline_tools.schemas import alternatives
from sightline_tools.tool import Field, Picture, Tool, ToolArgs, ToolContext, tool
from sightline_tools.toolbox import Toolbox

_DRAWS = ("generate", "edit")
_BRIEF = 100
"""Letters of the schema of an argument that may be left out, and is told all the same."""
_NOTHING_BEFORE = Fault("not_found", "there is no picture before this one", "show one by its name")
_UNDO = "Go back to the picture before the last one; from then on it is the last one."


class ShowArgs(ToolArgs):
    """The picture."""

    image: Image = Field(description="the picture to look at again")


@tool(version="1")
def show(args: ShowArgs, ctx: ToolContext) -> Picture:
    """Go back to a picture: from now on it is the last one."""
    return Picture(image=args.image)


def offered(toolbox: Toolbox, names: Sequence[str] | None) -> dict[str, Offered]:
    """What may be called, by name: the tools of a toolbox, and the ways back; InputError for others."""
    found = {offer.name: offer for offer in offers(toolbox) if isinstance(offer.source, Tool)}
    found |= _ways_back()
    strange = [name for name in names or () if name not in found]
    if strange:
        alike = near(strange[0], tuple(found)) or tuple(found)
        raise InputError(f"there is no tool {strange[0]!r} to offer", hint=f"there are {', '.join(alike)}")
    return found if names is None else {name: found[name] for name in names}


def told(found: Mapping[str, Offered]) -> tuple[Offer, ...]:
    """The same as a dialect tells it to a model: in few words, as a prompt has to hold all of them."""
    return tuple(Offer(each.name, each.description, _brief(each.input_schema)) for each in found.values())


def _brief(schema: Mapping[str, object]) -> dict[str, object]:
    """A schema of arguments without defaults, nulls, and what may be left out and takes long to describe."""
    properties, required = schema.get("properties"), schema.get("required")
    wanted = required if isinstance(required, list) else []
    told = (
        {name: _plain(each) for name, each in properties.items()} if isinstance(properties, Mapping) else {}
    )
    kept = {name: each for name, each in told.items() if name in wanted or len(str(each)) <= _BRIEF}
    rest = {name: each for name, each in schema.items() if name not in ("properties", "description")}
    return {**rest, "properties": kept}


def _plain(schema: object) -> object:
    """The schema of an argument that is given: not its default, and not null."""
    if not isinstance(schema, Mapping):
        return schema
    rest = {name: each for name, each in schema.items() if name not in ("default", "anyOf")}
    options = [each for each in alternatives(schema) if each.get("type") != "null"]
    if "anyOf" not in schema:
        return rest
    return {**options[0], **rest} if len(options) == 1 else {**rest, "anyOf": options}


@lru_cache(maxsize=1)
def _ways_back() -> dict[str, Offered]:
    back = next(iter(offers(Toolbox(show))))
    nothing = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    return {SHOW: back, UNDO: replace(back, name=UNDO, description=_UNDO, input_schema=nothing)}


@dataclass(frozen=True)
class Acting:
    """Does calls on a branch; `watch` sees the events of what they compute."""

    executor: Executor
    offers: Mapping[str, Offered]
    terms: Terms
    watch: Watch | None = None
    preview_every: int = 0

    def resolved(self, call: ToolCall, transcript: Transcript) -> ToolCall:
        """A call with the name of its picture for `last`, and with another seed for a prompt drawn before."""
        offer = self.offers.get(call.name)
        if offer is None:
            return call
        args = dict(call.arguments)
        if call.name == UNDO and transcript.before is not None:
            args = {"image": transcript.before}
        if transcript.looked_at is not None:
            last = {place: name for place, name in pictures_in(args, offer.input_schema) if name == LAST}
            put = dict.fromkeys(last, transcript.looked_at)
            whole = filled(args, offer.input_schema, put) if put else args
            args = dict(whole) if isinstance(whole, Mapping) else args
        if call.name == "generate" and "seed" not in args and (count := self._drawn(args)):
            args["seed"] = str(self._seed(args, count))
        return replace(call, arguments=args)

    def do(self, call: ToolCall) -> Outcome:
        """Do a call; whatever goes wrong is an outcome too."""
        offer = self.offers.get(call.name)
        if offer is None:
            hint = f"there are {', '.join(self.offers)}"
            return Outcome.failed(Fault("not_found", f"there is no tool {call.name[:80]!r}", hint))
        if call.name == UNDO:
            if not call.arguments:
                return Outcome.failed(_NOTHING_BEFORE)
            offer = self.offers.get(SHOW, _ways_back()[SHOW])
        executor = _Watched(self.executor, self.watch, self.preview_every)
        return run(executor, offer, dict(call.arguments), self.terms, at_once)

    def _drawn(self, args: Mapping[str, object]) -> int:
        """How often the branch has drawn a prompt: whoever asks again wants another picture."""
        rows = walk(self.executor.store, self.executor.refs.head()[1])
        steps = (self.executor.step(str(row["id"])) for row in rows if row["tool"] == "generate")
        return sum(step.args.get("prompt") == args.get("prompt") for step in steps)

    def _seed(self, args: Mapping[str, object], count: int) -> int:
        told = f"{self.executor.seed}/{args.get('prompt')}/{count}".encode()
        return int.from_bytes(hashlib.sha256(told).digest()[:6], "big")


class _Watched(Executor):
    """An executor whose calls are watched."""

    def __init__(self, executor: Executor, watch: Watch | None, preview_every: int) -> None:
        vars(self).update(vars(executor))
        self._watch, self._preview_every = watch, preview_every

    def prepare(
        self,
        name: str,
        args: Mapping[str, object],
        seed: int | None = None,
        *,
        seeds: tuple[int, ...] | None = None,
        dialogue: str = "",
    ) -> Call:
        """Check a call; one that draws tells previews on the way."""
        more = {"preview_every": self._preview_every} if name in _DRAWS and self._preview_every else {}
        return super().prepare(name, {**args, **more}, seed, seeds=seeds, dialogue=dialogue)

    def remembering(self, call: Call, watch: Watch | None = None) -> Context:
        """A context that is watched."""
        return super().remembering(call, watch or self._watch)
