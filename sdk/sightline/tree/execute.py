"""Run a tool call as a step: check, look for the same recipe, run, store, move the branch.

The order is the store's promise: pictures are written first, then the step's
row, then the branch moves. Whatever happens in between leaves garbage at most.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from pydantic import BaseModel, ValidationError

from sightline.errors import InputError, NotFoundError, SightlineError
from sightline.results import Answered, Drawn, Edited, Made, Picture, Result
from sightline.store.database import Store
from sightline.tree import memo
from sightline.tree.recipe import Json, canonical, plain, recipe_digest
from sightline.tree.refs import Refs
from sightline.tree.steps import Status, Step
from sightline_runtime.protocol import Event, Job, R, Runtime
from sightline_tools import image as images
from sightline_tools.image import Image
from sightline_tools.tool import Tool, images_in
from sightline_tools.toolbox import Toolbox

Watch = Callable[[Event], None]


@dataclass
class Context:
    """What a running tool is given: runtime, seeds, and the door to pictures."""

    runtime: Runtime
    seeds: tuple[int, ...]
    load: Callable[[Image], npt.NDArray[np.uint8]]
    save: Callable[[npt.NDArray[np.uint8]], Image]
    watch: Watch | None = None

    def follow(self, job: Job[R]) -> R:
        """Pass a job's events on and give its result; a failing watcher cancels the job."""
        if self.watch is None:
            return job.result()
        try:
            for event in job:
                self.watch(event)
        except BaseException:
            job.cancel()
            raise
        return job.result()


@dataclass(frozen=True)
class Call:
    """A checked tool call: everything that identifies its result, and the steps it reads from."""

    tool: Tool
    args: BaseModel
    canonical: Mapping[str, Json]
    seeds: tuple[int, ...]
    recipe: str
    fingerprint: str
    parents: tuple[str, ...]


class Executor:
    """Runs tools for one session: holds its store, refs, toolbox, runtime and seed."""

    def __init__(self, store: Store, runtime: Runtime, toolbox: Toolbox, *, seed: int | None) -> None:
        self.store, self.runtime, self.toolbox = store, runtime, toolbox
        self.refs = Refs(store)
        stored = store.database.get_meta("seed")
        self.seed = seed if seed is not None else int(stored) if stored else secrets.randbits(48)
        if stored is None and not store.database.read_only:
            store.database.set_meta("seed", str(self.seed))

    # --- pictures ----------------------------------------------------------------------------

    def load(self, ref: Image) -> npt.NDArray[np.uint8]:
        """The pixels of a stored picture."""
        return images.decode_png(self.store.objects.get(ref.blob))

    def save(self, pixels: npt.NDArray[np.uint8]) -> Image:
        """Store a picture: its bytes first, then its row."""
        ref, png = images.describe(pixels)
        self.store.objects.put(png)
        self.store.database.insert_image(ref.model_dump())
        return ref

    def picture(self, ref: Image, origin: str | None = None) -> Picture:
        """A reference bound to this session's bytes."""
        return Picture(ref, self.load, origin)

    def bind(self, value: object) -> tuple[Image, str | None]:
        """Anything that stands for a picture → its reference and the step it came from."""
        if isinstance(value, Result):
            return value.image.ref, value.image.origin
        if isinstance(value, Picture):
            return self._own(value)
        if isinstance(value, Step):
            shown = self.show(value.id)
            return shown.image.ref, value.id
        if isinstance(value, Image):
            if self.store.database.get_image(value.pixels) is None:
                raise NotFoundError(f"picture {value.pixels[:8]} is not in this session", hint="add it first")
            return value, None
        added = self.add(value)
        return added.image.ref, added.step.id

    def _own(self, picture: Picture) -> tuple[Image, str | None]:
        if self.store.database.get_image(picture.ref.pixels) is None:
            added = self.add(picture.numpy())
            return added.image.ref, added.step.id
        return picture.ref, picture.origin

    def add(self, source: object) -> Made:
        """Bring a picture in, as a step of its own."""
        if isinstance(source, Result):
            source = source.image
        if isinstance(source, Picture):
            source = source.numpy()
        if not isinstance(source, str | Path | bytes | PILImage.Image | np.ndarray):
            raise InputError(
                f"{type(source).__name__} is not a picture",
                hint="give a path, bytes, a Pillow image or a numpy array",
            )
        decoded = images.read_pixels(source)
        ref = self.save(decoded.array)
        args: dict[str, Json] = {"image": {"$image": ref.pixels}, "notes": list(decoded.notes)}
        now = time.time()
        step = Step(
            "add",
            "1",
            args,
            (),
            {"image": {"$image": ref.pixels}},
            {},
            "done",
            "",
            recipe_digest(("add", "1"), args, (ref.pixels,), (), ""),
            self.refs.head()[1],
            (),
            now,
            now,
        )
        found = memo.lookup(self.store, step.recipe)
        self._commit(step)
        return Made(step, {}, "hit" if found else "miss", (), (self.picture(ref, step.id),), step.values())

    # --- running -----------------------------------------------------------------------------

    def run(
        self, name: str, args: Mapping[str, object], *, seed: int | None = None, watch: Watch | None = None
    ) -> Result:
        """Run one tool call as a step of the current branch, or find it again."""
        call = self.prepare(name, args, seed)
        found = memo.lookup(self.store, call.recipe)
        if found is not None:
            now = time.time()
            step = replace(
                found,
                id="",
                parent=self.refs.head()[1],
                data_parents=call.parents,
                started=now,
                ended=now,
                usage={},
            )
            self._commit(step)
            return self.result(step, "hit")
        step = self.compute(call, watch)
        self._commit(step)
        return self.result(step, "miss")

    def prepare(self, name: str, args: Mapping[str, object], seed: int | None = None) -> Call:
        """Check a call and derive its seeds and recipe; nothing is computed."""
        tool = self.toolbox.get(name)
        bound, parents = self._bound(tool, args)
        try:
            model = tool.args_model.model_validate(bound)
        except ValidationError as error:
            raise _input_error(name, error) from error
        named = canonical(model)
        if not isinstance(named, Mapping):
            raise TypeError("arguments are a model")
        identity = ((tool.name, tool.version), named, [image.pixels for image in images_in(model)])
        fingerprint = "" if tool.pure else self.runtime.info.fingerprint
        seeds = self._seeds(tool, model, seed, recipe_digest(*identity, (), fingerprint))
        return Call(
            tool, model, named, seeds, recipe_digest(*identity, seeds, fingerprint), fingerprint, parents
        )

    def _bound(self, tool: Tool, args: Mapping[str, object]) -> tuple[dict[str, object], tuple[str, ...]]:
        """Replace pictures in the arguments by references; names the steps they came from."""
        parents: list[str] = []

        def bind(value: object) -> Image:
            ref, origin = self.bind(value)
            origin = origin or memo.producer(self.store, ref.pixels)
            if origin and origin not in parents:
                parents.append(origin)
            return ref

        bound = dict(args)
        for name, many in image_fields(tool.args_model).items():
            value = bound.get(name)
            if value is None:
                continue
            bound[name] = [bind(item) for item in _items(name, value)] if many else bind(value)
        return bound, tuple(parents)

    def _seeds(self, tool: Tool, model: BaseModel, seed: int | None, recipe: str) -> tuple[int, ...]:
        """One seed a picture: the first is `seed` if given, all others follow from (seed, recipe, index)."""
        if not tool.seeded:
            return ()
        if seed is not None and not (isinstance(seed, int) and 0 <= seed < 2**63):
            raise InputError(f"seed is {seed!r}", hint="use a whole number from 0 to 2**63 - 1")
        count = int(getattr(model, "n", 1))
        start = [] if seed is None else [seed]
        root = f"{self.seed}/{recipe}" if seed is None else f"given/{seed}"
        return tuple([*start, *(_derived(root, index) for index in range(len(start), count))])[:count]

    def compute(self, call: Call, watch: Watch | None = None) -> Step:
        """Run a checked call and give its step; a failure is stored as a step off the branch."""
        started = time.time()
        context = Context(self.runtime, call.seeds, self.load, self.save, watch)
        try:
            result = call.tool.run(call.args, context)
        except InputError:
            raise
        except SightlineError as error:
            status: Status = "cancelled" if error.code == "cancelled" else "failed"
            told = {"code": error.code, "message": error.message[:500], "hint": error.hint[:200]}
            failed = self._step(call, {}, {}, started, status, told)
            self.store.database.insert_step(failed.to_row())
            raise
        outputs, usage = canonical(result), canonical(result.usage)
        if not isinstance(outputs, Mapping) or not isinstance(usage, Mapping):
            raise TypeError("results are models")
        kept = {name: value for name, value in outputs.items() if name != "usage"}
        return self._step(
            call, kept, {name: value for name, value in usage.items() if value}, started, "done", None
        )

    def _step(
        self,
        call: Call,
        outputs: Mapping[str, Json],
        usage: Mapping[str, Json],
        started: float,
        status: Status,
        error: Mapping[str, Json] | None,
    ) -> Step:
        return Step(
            call.tool.name,
            call.tool.version,
            call.canonical,
            call.seeds,
            outputs,
            usage,
            status,
            call.fingerprint,
            call.recipe,
            self.refs.head()[1],
            call.parents,
            started,
            time.time(),
            error=error,
        )

    def _commit(self, step: Step) -> None:
        self.store.database.insert_step(step.to_row(), made=step.images())
        self.refs.advance(step.id)

    # --- looking back ------------------------------------------------------------------------

    def step(self, name: str | None) -> Step:
        """A step by id; NotFoundError if the branch is empty."""
        if name is None:
            raise NotFoundError("the branch has no step yet", hint="add or generate a picture first")
        return Step.from_row(self.store.database.get_step(name))

    def moved(self, step_id: str | None) -> Step | None:
        """The step a branch was moved to."""
        return None if step_id is None else self.step(step_id)

    def show(self, step_id: str | None) -> Result:
        """A step's result, read back from the store."""
        return self.result(self.step(step_id), "hit")

    def result(self, step: Step, cache: str) -> Result:
        """The typed result of a step."""
        values: dict[str, Any] = step.values()
        pictures = tuple(self.picture(self.reference(pixels), step.id) for pixels in step.images())
        usage = {name: float(str(amount)) for name, amount in _numbers(step)}
        common = (step, usage, cache, tuple(values.get("warnings", ())), pictures)
        if step.status != "done":
            return Made(*common)
        if step.tool == "understand":
            return Answered(*common, values["text"], values["confidence"], values["probabilities"])
        if step.tool == "generate":
            return Drawn(*common, step.seeds, tuple(values["plans"]))
        if step.tool == "edit":
            before = self.picture(self.reference(values["before"]["$image"]))
            return Edited(*common, step.seeds, tuple(values["plans"]), before, values["changed"])
        return Made(*common, values)

    def reference(self, pixels: str) -> Image:
        """The value of a stored picture."""
        row = self.store.database.get_image(pixels)
        if row is None:
            raise NotFoundError(f"picture {pixels[:8]} is not in this session", hint="run verify_store()")
        return Image.model_validate(row)


def _numbers(step: Step) -> list[tuple[str, object]]:
    plain_usage = plain(step.usage)
    return list(plain_usage.items()) if isinstance(plain_usage, dict) else []


def _derived(root: str, index: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{root}/{index}".encode()).digest()[:8], "big") >> 1


def _items(name: str, value: object) -> list[object]:
    if isinstance(value, list | tuple | Drawn | Edited):
        return list(value.images) if isinstance(value, Result) else list(value)
    raise InputError(f"{name} is {type(value).__name__}", hint="give a list of pictures")


def image_fields(model: type[BaseModel]) -> dict[str, bool]:
    """The fields of an argument model that hold pictures: name → whether it holds many."""
    fields = {}
    for name, info in model.model_fields.items():
        text = str(info.annotation)
        if "sightline_tools.image.Image" in text:
            fields[name] = "tuple[" in text or "list[" in text
    return fields


def _input_error(tool: str, error: ValidationError) -> InputError:
    first = error.errors()[0]
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, InputError):
        return inner
    where = ".".join(str(part) for part in first["loc"]) or "arguments"
    return InputError(f"{tool}: {where}: {first['msg']}", hint=f"{where} was {str(first['input'])[:60]!r}")
