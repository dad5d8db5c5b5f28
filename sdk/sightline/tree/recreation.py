"""Make a picture again from its lineage, step by step, and say whether it is the same to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sightline.errors import InputError, NotFoundError
from sightline.lineage import Lineage, LineageStep
from sightline.results import Picture, Result
from sightline.tree import arguments, cancelling
from sightline.tree.execute import Executor
from sightline.tree.recipe import checked_seed, plain


@dataclass(frozen=True)
class RecreatedStep:
    """One step done again: what it made then and now, and why they may differ."""

    step: LineageStep
    result: Result
    same: bool
    detail: str = ""


@dataclass(frozen=True)
class Recreation:
    """A picture made again: the new one, each step on the way, and what the file's was."""

    lineage: Lineage
    picture: Picture
    steps: tuple[RecreatedStep, ...]

    @property
    def same(self) -> bool:
        """Whether the picture has the very pixels that the lineage names."""
        return self.picture.ref.pixels == self.lineage.pixels

    def __repr__(self) -> str:
        lines = [
            f"{done.step.tool:<11} {'same' if done.same else 'differs'} {done.detail}".rstrip()
            for done in self.steps
        ]
        return "\n".join([f"<Recreation {'same' if self.same else 'differs'}>", *lines])


def recreate(executor: Executor, lineage: Lineage, inputs: Mapping[str, object]) -> Recreation:
    """Run the steps of a lineage on the current branch.

    `inputs` gives the pictures that were brought in, by pixel digest or a beginning of
    it; those that the session holds need not be given. A step that gives other pixels is
    built on as it is. Before anything is computed: NotFoundError names the pictures that are
    missing, InputError tells of one that is not what it should be, of a lineage that does
    not belong to its picture or names files, and of one without steps.
    """
    _check(executor, lineage)
    brought = _brought(executor, lineage, inputs)
    added = {digest for step in lineage.steps if step.tool == "add" for digest in step.images}
    pictures = {digest: executor.add(brought[digest]).image for digest in brought if digest not in added}
    done = [_again(executor, step, pictures, brought) for step in lineage.steps]
    return Recreation(lineage, _made(lineage.pixels, pictures), tuple(done))


def _check(executor: Executor, lineage: Lineage) -> None:
    if not lineage.verified:
        raise InputError(
            "the lineage does not belong to the picture it was found with", hint="trust none of it"
        )
    if not lineage.steps:
        raise InputError("the lineage holds no step", hint="all its steps were left out, being too long")
    for step in lineage.steps:
        if step.tool != "add":
            arguments.check_recorded(executor.toolbox.get(step.tool), step.args)


def _brought(executor: Executor, lineage: Lineage, inputs: Mapping[str, object]) -> dict[str, object]:
    """What must be brought in, by the digests in the lineage."""
    found: dict[str, object] = {}
    sources = {name: executor.pictures.incoming(value) for name, value in inputs.items() if name}
    for digest in lineage.missing():
        here = executor.pictures.find(digest)
        if here is not None:
            found[digest] = executor.pictures.bound(here)
        for source in (source for name, source in sources.items() if digest.startswith(name)):
            if source.ref.pixels != digest:
                raise InputError(
                    f"the picture given for {digest[:8]} is {source.ref.pixels[:8]}",
                    hint="give the original, not a copy that was changed or saved with loss",
                )
            found[digest] = source.png
    missing = [digest for digest in lineage.missing() if digest not in found]
    if missing:
        told = ", ".join(missing)
        raise NotFoundError(f"pictures that were brought in are missing: {told}", hint="give each of them")
    return found


def _again(
    executor: Executor, step: LineageStep, pictures: dict[str, Picture], brought: Mapping[str, object]
) -> RecreatedStep:
    """Do one step; the pictures it makes stand for those it made then."""
    cancelling.current().check()
    if step.tool == "add":
        added = executor.add(brought[step.images[0]])
        pictures[step.images[0]] = added.image
        return RecreatedStep(step, added, True)
    call = executor.prepare(
        step.tool, _arguments(step, pictures), seeds=tuple(checked_seed(int(seed)) for seed in step.seeds)
    )
    result = executor.finish(call)
    made = tuple(picture.ref.pixels for picture in result.images)
    pictures.update(zip(step.images, result.images, strict=False))
    if made == step.images:
        return RecreatedStep(step, result, True)
    why = [f"the tool is now version {call.tool.version}"] if call.tool.version != step.version else []
    if call.fingerprint != step.fingerprint:
        then = step.model or step.fingerprint[:8] or "none"
        why.append(f"the model was {then}, is {executor.runtime.info.model}")
    return RecreatedStep(step, result, False, ", ".join(why))


def _arguments(step: LineageStep, pictures: Mapping[str, Picture]) -> dict[str, object]:
    """A step's arguments, with pictures for their digests."""
    try:
        values = {name: plain(value) for name, value in step.args.items()}
    except ValueError as error:  # what stands for a number may be any text
        raise InputError(
            f"the arguments of {step.tool} cannot be read: {error}", hint="trust none of it"
        ) from error
    return {name: _restored(value, pictures) for name, value in values.items()}


def _restored(value: object, pictures: Mapping[str, Picture]) -> object:
    if isinstance(value, dict):
        if set(value) == {"$image"}:
            return _made(str(value["$image"]), pictures).ref
        return {key: _restored(item, pictures) for key, item in value.items()}
    return [_restored(item, pictures) for item in value] if isinstance(value, list) else value


def _made(digest: str, pictures: Mapping[str, Picture]) -> Picture:
    if digest not in pictures:
        raise NotFoundError(f"picture {digest[:8]} was not made again", hint="a step gave fewer pictures")
    return pictures[digest]
