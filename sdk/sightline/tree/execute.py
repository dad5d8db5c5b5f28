"""Run a tool call as a step: check, look for the same recipe, run, store, move the branch.

The order is the store's promise: pictures are written first, then the step's row
and the branch's move in one transaction. Whatever happens in between leaves garbage
at most.
Calls of one session may run at the same time; only putting their steps on the
branch is done one after the other.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import partial

from pydantic import BaseModel

from sightline.errors import CorruptStoreError, InputError, NotFoundError, SightlineError, StaleHeadError
from sightline.results import Cache, Made, Result
from sightline.store.database import Store
from sightline.tree import arguments, cancelling, memo, showing
from sightline.tree.context import Context, Watch
from sightline.tree.models import Models
from sightline.tree.past import past_of
from sightline.tree.pictures import Pictures, Source
from sightline.tree.recipe import Json, canonical, checked_seed, plain, recipe_digest
from sightline.tree.refs import Refs
from sightline.tree.stages import Stages
from sightline.tree.steps import Status, Step
from sightline_runtime.protocol import Runtime
from sightline_tools.image import Image
from sightline_tools.tool import Tool, images_in
from sightline_tools.toolbox import Toolbox


@dataclass(frozen=True)
class Call:
    """A checked tool call: everything that identifies its result, and the pictures it reads."""

    tool: Tool
    args: BaseModel
    canonical: Mapping[str, Json]
    seeds: tuple[int, ...]
    recipe: str
    fingerprint: str
    sources: tuple[Source, ...]
    dialogue: str = ""


class Executor:
    """Runs tools for one session: holds its store, refs, pictures, toolbox, runtime and seed."""

    def __init__(
        self, store: Store, runtime: Runtime, toolbox: Toolbox, *, seed: int | None, files: bool = True
    ) -> None:
        self.store, self.runtime, self.toolbox = store, runtime, toolbox
        self.refs, self.pictures, self.models = Refs(store), Pictures(store, files=files), Models(store)
        stored = store.database.get_meta("seed")
        self.seed = seed if seed is not None else secrets.randbits(48) if stored is None else _parsed(stored)
        if stored is None and not store.database.read_only:
            store.database.set_meta("seed", str(self.seed))

    # --- running -----------------------------------------------------------------------------

    def run(
        self, name: str, args: Mapping[str, object], *, seed: int | None = None, watch: Watch | None = None
    ) -> Result:
        """Run one tool call as a step of the current branch, or find it again."""
        return self.finish(self.prepare(name, args, seed), watch)

    def prepare(
        self,
        name: str,
        args: Mapping[str, object],
        seed: int | None = None,
        *,
        seeds: tuple[int, ...] | None = None,
        dialogue: str = "",
    ) -> Call:
        """Check a call and derive its seeds, unless they are given, and recipe; nothing is computed.

        `dialogue` is the digest of the dialogue that the call reads, if it reads it.
        """
        tool = self.toolbox.get(name)
        sources: list[Source] = []
        model = arguments.checked(tool, args, lambda value: self._source(value, sources))
        named = _named(canonical(model))
        identity = ((tool.name, tool.version), named, [image.pixels for image in images_in(model)])
        fingerprint = self.runtime.info.fingerprint if tool.uses_runtime else ""
        if seeds is None:
            root = _root(tool.name, tool.version, model, fingerprint)
            seeds = self._seeds(tool, model, seed, root)
        recipe = recipe_digest(*identity, seeds, fingerprint, dialogue)
        return Call(tool, model, named, seeds, recipe, fingerprint, tuple(sources), dialogue)

    def chose_seeds(self, step: Step) -> bool:
        """Whether the session chose the seeds of a step: deriving them for its call gives the same."""
        call = self.prepare(step.tool, self.recorded(step), seeds=step.seeds)
        root = _root(step.tool, step.version, call.args, step.fingerprint)
        return self._seeds(call.tool, call.args, None, root) == step.seeds

    def on(self, branch: str) -> Executor:
        """The same executor with another current branch; where HEAD stands does not change."""
        other = copy(self)
        other.refs = type(self.refs)(self.store, branch)
        return other

    def finish(
        self,
        call: Call,
        watch: Watch | None = None,
        *,
        context: Context | None = None,
        origin: str | None = None,
    ) -> Result:
        """Do a checked call, or find it again, and put its step on the branch.

        `context` is one that `remembering` gave; `origin` is a step that the call follows
        from although it reads none of its pictures.
        """
        self.store.database.check_writable()
        context = context or self.remembering(call, watch)
        found = None if call.tool.stateful else self.found(call)
        step = self._computed(call, context) if found is None else memo.again(found)
        placed = self._commit(call.sources, step, context, found=found, origin=origin)
        return self.result(placed, memo.told(call.tool, found, context.stages))

    def found(self, call: Call) -> Step | None:
        """A step of the same call whose result can be read, None without one."""
        return memo.lookup(self.store, _blank(call, time.time()))

    def add(self, value: object) -> Made:
        """Bring a picture in, as a step of its own."""
        return self.bring(self.pictures.incoming(value))

    def bring(self, source: Source) -> Made:
        """Bring a picture in that was read before."""
        step = added(source)
        found = memo.lookup(self.store, step)
        committed = self._commit((), step, _holding(self, (), (source,)))
        picture = self.pictures.bound(source.ref, committed.id)
        return Made(committed, {}, memo.added(found), (), (picture,), committed.values())

    def context(self, call: Call, watch: Watch | None = None) -> Context:
        """What the call's tool is given: a place that stores nothing and computes everything."""
        return _holding(self, call.seeds, call.sources, watch)

    def remembering(self, call: Call, watch: Watch | None = None) -> Context:
        """A context whose runtime serves the features that are kept."""
        context = self.context(call, watch)
        if not call.tool.stateful and call.tool.uses_runtime:
            context.runtime = Stages(self.runtime, self.store, call.recipe)
        return context

    def compute(self, call: Call, context: Context) -> Step:
        """Run a checked call and give its step, which is on no branch yet."""
        started = time.time()
        with arguments.faults_of(call.tool):
            result = call.tool.run(call.args, context)
            outputs, usage = _named(canonical(result)), _named(canonical(result.usage))
        kept = {name: value for name, value in outputs.items() if name != "usage"}
        return replace(
            _blank(call, started), outputs=kept, usage={name: v for name, v in usage.items() if v}, id=""
        )

    def _computed(self, call: Call, context: Context) -> Step:
        """Compute; a failure is stored as a step off the branch."""
        started = time.time()
        try:
            return self.compute(call, context)
        except InputError:
            raise
        except SightlineError as error:
            told = {"code": error.code, "message": error.message[:500], "hint": error.hint[:200]}
            status: Status = "cancelled" if error.code == "cancelled" else "failed"
            parents = tuple(_origins(call.sources).values())
            failed = replace(_blank(call, started), status=status, error=told, data_parents=parents, id="")
            self._insert(failed, self.refs.head()[1])
            raise

    def _source(self, value: object, sources: list[Source]) -> Image:
        """Replace a picture by its value, and note what it is."""
        sources.append(self.pictures.source(value))
        return sources[-1].ref

    def _seeds(self, tool: Tool, model: BaseModel, seed: int | None, recipe: str) -> tuple[int, ...]:
        """One seed a picture: the first is `seed` if given, all others follow from (seed, recipe, index)."""
        given = None if seed is None else checked_seed(seed)
        if not tool.seeded:
            return ()
        count = int(getattr(model, "n", 1))
        start = [] if given is None else [given]
        root = f"{self.seed}/{recipe}" if given is None else f"given/{given}"
        return tuple([*start, *(_derived(root, index) for index in range(len(start), count))])[:count]

    # --- storing -----------------------------------------------------------------------------

    def _commit(
        self,
        sources: tuple[Source, ...],
        step: Step,
        context: Context,
        *,
        found: Step | None = None,
        origin: str | None = None,
    ) -> Step:
        """Store what a call read and made, then put its steps on the branch: pictures, rows, pointer."""
        self.store.database.check_writable()
        cancelling.current().check()
        for _, png in context.new.values():
            self.store.objects.put(png)
        if context.stages and found is None:
            context.stages.write()
        if step.fingerprint:
            self.models.note(self.runtime.info)
        with self.refs.lock:
            cancelling.current().check()
            before = self.refs.head()

            def work() -> tuple[Step, SightlineError | None]:
                self.refs.stand(*before)  # a second try begins where the first did
                placed = self._placed(sources, step, context, found, origin)
                try:
                    self.refs.advance(placed.id)
                except (StaleHeadError, NotFoundError) as error:
                    return placed, error  # another writer moved the branch: the step is kept all the same
                return placed, None

            try:
                placed, refused = self.store.database.together(work)
            except BaseException:
                self.refs.stand(*before)
                raise
        if refused is not None:
            raise refused
        return placed

    def _placed(
        self,
        sources: tuple[Source, ...],
        step: Step,
        context: Context,
        found: Step | None,
        origin: str | None,
    ) -> Step:
        """Store the rows of pictures, stages and steps after the head."""
        for ref, _ in context.new.values():
            self.store.database.insert_image(ref.model_dump())
        stages = self._kept_stages(found, context)
        parent, origins = self.refs.head()[1], _origins(sources)
        for source in sources:
            if source.png is not None and source.ref.pixels not in origins:
                parent = origins[source.ref.pixels] = self._insert(added(source), parent).id
        made = [source.origin or origins.get(source.ref.pixels) for source in sources]
        read = [step_id for step_id in made if step_id is not None]
        parents = tuple(dict.fromkeys([origin, *read] if origin else read))
        return self._insert(replace(step, data_parents=parents), parent, stages)

    def _kept_stages(self, found: Step | None, context: Context) -> tuple[str, ...]:
        """The stages that a step uses: those of the step it repeats, or its own, which are stored now."""
        if found is not None:
            return tuple(str(row["key"]) for row in self.store.database.stages_of(found.id))
        return context.stages.keep() if context.stages else ()

    def _insert(self, step: Step, parent: str | None, stages: tuple[str, ...] = ()) -> Step:
        placed = replace(step, parent=parent, id="")
        self.store.database.insert_step(placed.to_row(), made=placed.images(), stages=stages)
        return placed

    # --- looking back ------------------------------------------------------------------------

    def step(self, name: str | None) -> Step:
        """A step by id; NotFoundError if the branch is empty."""
        if name is None:
            raise NotFoundError("the branch has no step yet", hint="add or generate a picture first")
        return Step.from_row(self.store.database.get_step(name))

    def recorded(self, step: Step) -> dict[str, object]:
        """A step's arguments as a verb takes them, with the pictures of the steps that it read.

        InputError for arguments of a stranger that name a file in the place of a picture.
        """
        arguments.check_recorded(self.toolbox.get(step.tool), step.args)
        makers = [self.step(parent) for parent in step.data_parents if self.store.database.has_step(parent)]
        origins = {pixels: maker.id for maker in reversed(makers) for pixels in maker.images()}

        def restored(value: object) -> object:
            if isinstance(value, dict) and set(value) == {"$image"}:
                ref = self.pictures.reference(value["$image"])
                return self.pictures.bound(ref, origins.get(ref.pixels))
            if isinstance(value, dict):
                return {name: restored(item) for name, item in value.items()}
            return [restored(item) for item in value] if isinstance(value, list) else value

        return {name: restored(plain(value)) for name, value in step.args.items()}

    def locate(self, at: object) -> str | None:
        """The id of the step that a result, a step or a name stands for; None stands for HEAD."""
        if isinstance(at, Result | Step):
            return self.step(at.id if isinstance(at, Step) else at.step.id).id
        if at is None or isinstance(at, str):
            return self.refs.resolve("HEAD" if at is None else at)
        raise InputError(f"{type(at).__name__} is not a step", hint="give a result, a step, or its name")

    def moved(self, step_id: str | None) -> Step | None:
        """The step a branch was moved to."""
        return None if step_id is None else self.step(step_id)

    def show(self, step_id: str | None) -> Result:
        """A step's result, read back from the store."""
        return self.result(self.step(step_id), Cache("hit", "read back from the store"))

    def result(self, step: Step, cache: Cache) -> Result:
        """The typed result of a step."""
        return showing.result(self.pictures, step, cache)


def _holding(
    executor: Executor, seeds: tuple[int, ...], sources: Iterable[Source], watch: Watch | None = None
) -> Context:
    """A context that holds the files of new pictures."""
    new = {s.ref.pixels: (s.ref, s.png) for s in sources if s.png is not None}
    past = partial(past_of, executor.store, executor.pictures, executor.toolbox, executor.refs.head()[1])
    return Context(executor.runtime, seeds, executor.pictures.load, watch, new, past)


def _origins(sources: Iterable[Source]) -> dict[str, str]:
    """Pixel digest → the step it came from, for the pictures that came from one."""
    return {source.ref.pixels: source.origin for source in sources if source.origin is not None}


def _blank(call: Call, started: float) -> Step:
    """The step of a call, without what came of it."""
    return Step(
        tool=call.tool.name,
        version=call.tool.version,
        args=call.canonical,
        seeds=call.seeds,
        outputs={},
        usage={},
        status="done",
        fingerprint=call.fingerprint,
        recipe=call.recipe,
        parent=None,
        data_parents=(),
        started=started,
        ended=max(time.time(), math.nextafter(started, math.inf)),  # what is computed takes some time
        context=call.dialogue,
    )


def added(source: Source) -> Step:
    """The step of a picture that is brought in."""
    image: dict[str, Json] = {"$image": source.ref.pixels}
    args: dict[str, Json] = {"image": image, "notes": list(source.notes)}
    now = time.time()
    return Step(
        tool="add",
        version="1",
        args=args,
        seeds=(),
        outputs={"image": image},
        usage={},
        status="done",
        fingerprint="",
        recipe=recipe_digest(("add", "1"), args, (source.ref.pixels,), (), ""),
        parent=None,
        data_parents=(),
        started=now,
        ended=now,
    )


def _seeding(model: BaseModel) -> Json:
    """The arguments that seeds follow from: those that change pixels alone do not change what is drawn."""
    ignored: tuple[str, ...] = getattr(model, "seeds_ignore", ())
    defaults = {name: type(model).model_fields[name].default for name in ignored}
    return canonical(model.model_copy(update=defaults))


def _root(tool: str, version: str, model: BaseModel, fingerprint: str) -> str:
    """What the seeds of a call follow from, beside the session's seed."""
    inputs = [image.pixels for image in images_in(model)]
    return recipe_digest((tool, version), _seeding(model), inputs, (), fingerprint)


def _named(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise TypeError("arguments and results are models")
    return value


def _derived(root: str, index: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{root}/{index}".encode()).digest()[:8], "big") >> 1


def _parsed(seed: str) -> int:
    try:
        return int(seed)
    except ValueError as error:
        raise CorruptStoreError(
            f"the stored session seed is {seed[:40]!r}", hint="open the session with a seed of your own"
        ) from error
