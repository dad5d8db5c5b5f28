"""AsyncSession: the session for asyncio, a thin twin.

Every verb runs the sync one in a thread (context variables travel along), so the
event loop stays free while the model works. Cancelling an await, or a stream,
cancels the work and waits until it has ended. A test compares the signatures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar, overload

from sightline.lineage import Lineage
from sightline.reasoning.typed import Typed
from sightline.results import Answered, Drawn, Edited, Made, Picture, Result
from sightline.session import Box, ImageLike, Ref, RegionLike, Session
from sightline.store.sweep import DEFAULT_AGE, Swept
from sightline.streaming import Events, Stream, StreamEvent
from sightline.toolset.awaited import AsyncToolset
from sightline.toolset.budgets import Budget
from sightline.toolset.running import Approve
from sightline.tree.bisection import Bisection, Check
from sightline.tree.cancelling import Cancellation
from sightline.tree.diff import Difference
from sightline.tree.drift import Drift
from sightline.tree.explain import Explanation
from sightline.tree.flatten import Flattened
from sightline.tree.history import Move
from sightline.tree.outline import Outline
from sightline.tree.recreation import Recreation
from sightline.tree.replay import Replay
from sightline.tree.rerun import Rerun
from sightline.tree.search import Found
from sightline.tree.steps import Step
from sightline.tree.verify import Report
from sightline.tree.view import View
from sightline.tree.workflow import Workflow
from sightline_runtime.protocol import Runtime
from sightline_tools.toolbox import Toolbox

if TYPE_CHECKING:
    from typing_extensions import TypeForm

P = ParamSpec("P")
T = TypeVar("T")


async def _awaited(verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a verb in a thread; cancelling the await cancels the verb and waits until it has ended."""
    stop = Cancellation()
    work = asyncio.create_task(asyncio.to_thread(stop.run, partial(verb, *args, **kwargs)))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.cancel()
        await asyncio.gather(work, return_exceptions=True)
        raise


class AsyncStream:
    """The streams of a session, for `async for`; a call is checked when its first event is asked for."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def generate(
        self, prompt: str, *, seed: int | None = None, preview_every: int = 4, **options: object
    ) -> AsyncIterator[StreamEvent]:
        """Draw; options are those of `Session.generate`."""
        return _stepped(
            partial(self._stream.generate, prompt, seed=seed, preview_every=preview_every, **options)
        )

    def edit(
        self,
        image: object,
        instruction: str,
        *,
        seed: int | None = None,
        preview_every: int = 4,
        **options: object,
    ) -> AsyncIterator[StreamEvent]:
        """Edit; options are those of `Session.edit`."""
        return _stepped(
            partial(self._stream.edit, image, instruction, seed=seed, preview_every=preview_every, **options)
        )

    def understand(self, image: object, question: str, **options: object) -> AsyncIterator[StreamEvent]:
        """Answer; options are those of `Session.understand`."""
        return _stepped(partial(self._stream.understand, image, question, **options))


async def _stepped(start: Callable[[], Events]) -> AsyncIterator[StreamEvent]:
    """Take each event in a thread; leaving early closes the stream and so cancels the work."""
    events = await _awaited(start)
    try:
        while (event := await asyncio.to_thread(next, events, None)) is not None:
            yield event
    finally:
        await asyncio.to_thread(events.close)


class AsyncSession:
    """A session whose verbs are awaited; see `Session`."""

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        store: str | Path | None = None,
        objects: str | Path | None = None,
        runtime: Runtime | None = None,
        seed: int | None = None,
        toolbox: Toolbox | None = None,
        files: bool = True,
    ) -> None:
        self._session = Session(
            path, store=store, objects=objects, runtime=runtime, seed=seed, toolbox=toolbox, files=files
        )

    async def generate(
        self,
        prompt: str,
        *,
        n: int = 1,
        seed: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        size: tuple[int, int] | None = None,
        decode_seed: int | None = None,
        draft: bool = False,
    ) -> Drawn:
        """Draw `n` pictures of a prompt.

        `decode_seed` gives the same pictures in other details, a `draft` quickly and roughly:
        see `promote`. Neither changes the features, which are kept, and so made once.
        """
        return await _awaited(
            self._session.generate,
            prompt,
            n=n,
            seed=seed,
            steps=steps,
            guidance=guidance,
            size=size,
            decode_seed=decode_seed,
            draft=draft,
        )

    @overload
    async def understand(
        self,
        image: ImageLike,
        question: str,
        *,
        choices: Sequence[str] = (),
        max_tokens: int = 64,
        output: None = None,
    ) -> Answered: ...
    @overload
    async def understand(
        self,
        image: ImageLike,
        question: str,
        *,
        choices: Sequence[str] = (),
        max_tokens: int = 64,
        output: TypeForm[T],
    ) -> Typed[T]: ...
    async def understand(
        self,
        image: ImageLike,
        question: str,
        *,
        choices: Sequence[str] = (),
        max_tokens: int = 64,
        output: TypeForm[T] | None = None,
    ) -> Answered | Typed[T]:
        """Answer a question about a picture: in words, by the probabilities of `choices`, or as an `output`.

        `output` is the type of the answer's `value`: a Literal, an Enum, bool, int, float, str,
        a list of these, or a pydantic model whose fields' descriptions are the questions.
        """
        if output is None:
            return await _awaited(
                self._session.understand, image, question, choices=choices, max_tokens=max_tokens
            )
        ask = self._session.understand
        return await _awaited(
            lambda: ask(image, question, choices=choices, max_tokens=max_tokens, output=output)
        )

    async def edit(
        self,
        image: ImageLike,
        instruction: str,
        *,
        n: int = 1,
        seed: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        size: tuple[int, int] | None = None,
        decode_seed: int | None = None,
        draft: bool = False,
        region: RegionLike | None = None,
        feather: int | None = None,
    ) -> Edited:
        """Change a picture as an instruction says.

        With a `region` every pixel outside stays exactly as it is, and the change fades in
        over `feather` pixels from its edge inwards; the picture keeps its size.
        """
        return await _awaited(
            self._session.edit,
            image,
            instruction,
            n=n,
            seed=seed,
            steps=steps,
            guidance=guidance,
            size=size,
            decode_seed=decode_seed,
            draft=draft,
            region=region,
            feather=feather,
        )

    async def promote(self, draft: Ref | Picture) -> Drawn:
        """Decode a draft, or one of its pictures, at full quality from the same features.

        InputError for what is no draft; ModelError if another model drew it, or if its
        features are gone and do not come out as they were.
        """
        return await _awaited(self._session.promote, draft)

    async def crop(self, image: ImageLike, box: Box) -> Made:
        """Cut a rectangle out of a picture."""
        return await _awaited(self._session.crop, image, box)

    async def resize(
        self,
        image: ImageLike,
        *,
        width: int | None = None,
        height: int | None = None,
        scale: float | None = None,
        resample: str = "lanczos",
    ) -> Made:
        """Change a picture's size."""
        return await _awaited(
            self._session.resize, image, width=width, height=height, scale=scale, resample=resample
        )

    async def annotate(self, image: ImageLike, marks: Sequence[Mapping[str, object]]) -> Made:
        """Draw boxes with labels: each mark has `box`, and may have `label` and `color`."""
        return await _awaited(self._session.annotate, image, marks)

    async def grid(
        self, images: Sequence[ImageLike] | Result, *, columns: int | None = None, padding: int = 4
    ) -> Made:
        """Lay pictures out in rows: a list of them, or all of one result."""
        return await _awaited(self._session.grid, images, columns=columns, padding=padding)

    async def composite(
        self, base: ImageLike, top: ImageLike, *, left: int = 0, above: int = 0, alpha: float = 1.0
    ) -> Made:
        """Put one picture on another, `left` and `above` pixels from its corner."""
        return await _awaited(self._session.composite, base, top, left=left, above=above, alpha=alpha)

    async def compare(self, a: ImageLike, b: ImageLike) -> Made:
        """Measure and show in what two pictures of one size differ."""
        return await _awaited(self._session.compare, a, b)

    async def call(self, tool: str, **args: object) -> Result:
        """Call any tool of the toolbox by name."""
        return await _awaited(self._session.call, tool, **args)

    async def add(self, source: ImageLike) -> Made:
        """Bring a picture in: a path, bytes, a Pillow image or a numpy array."""
        return await _awaited(self._session.add, source)

    @property
    def branches(self) -> Mapping[str, str | None]:
        """Every branch and the step it stands at."""
        return self._session.branches

    @property
    def tags(self) -> Mapping[str, str | None]:
        """Every tag and the step it names."""
        return self._session.tags

    @property
    def head(self) -> tuple[str, str | None]:
        """The current branch and its step."""
        return self._session.head

    async def branch(self, name: str, *, at: Ref | None = None) -> None:
        """Make a branch at a step (the current one by default); does not switch to it."""
        await _awaited(self._session.branch, name, at=at)

    async def checkout(self, name: str) -> None:
        """Switch to a branch."""
        await _awaited(self._session.checkout, name)

    async def drop(self, name: str) -> None:
        """Remove a branch that is not the current one; its steps stay, the reflog names them.

        StaleHeadError if another writer moved it since this session saw it.
        """
        await _awaited(self._session.drop, name)

    async def tag(self, name: str, *, at: Ref | None = None) -> None:
        """Name a step for good."""
        await _awaited(self._session.tag, name, at=at)

    async def undo(self, n: int = 1) -> Step | None:
        """Move the branch back `n` steps; nothing is deleted. Gives the step it now stands at."""
        return await _awaited(self._session.undo, n)

    async def redo(self, n: int = 1) -> Step | None:
        """Take back an undo."""
        return await _awaited(self._session.redo, n)

    async def cherry_pick(self, step: Ref, *, onto: str | None = None) -> Result:
        """Put a step's call on top of another branch (the current one by default); nothing is computed."""
        return await _awaited(self._session.cherry_pick, step, onto=onto)

    async def log(
        self,
        limit: int | None = None,
        *,
        branch: Ref | None = None,
        tool: str | Sequence[str] | None = None,
        since: datetime | timedelta | None = None,
        text: str | None = None,
    ) -> list[Step]:
        """The steps of a branch (the current one by default), newest first, at most `limit`.

        Kept are those of a tool or of several, that ended since a time (or so long ago),
        and that hold a text in what was asked or answered.
        """
        return await _awaited(self._session.log, limit, branch=branch, tool=tool, since=since, text=text)

    async def reflog(self, limit: int | None = None) -> list[Move]:
        """Every move of the branches and tags of this session, newest first: nothing is ever lost."""
        return await _awaited(self._session.reflog, limit)

    async def tree(self, *, everything: bool = False) -> Outline:
        """All branches as one tree, to print or to read; `everything` shows what is on no branch too."""
        return await _awaited(self._session.tree, everything=everything)

    async def show(self, step: Ref) -> Result:
        """Look at a step again; nothing is computed."""
        return await _awaited(self._session.show, step)

    async def at(self, step: Ref) -> View:
        """The session as it was at a step, to look at and to branch from."""
        return await _awaited(self._session.at, step)

    async def diff(self, a: Ref, b: Ref) -> Difference:
        """What two steps, or the branches that end at them, differ in: parameters, texts, pixels."""
        return await _awaited(self._session.diff, a, b)

    async def bisect(self, good: Ref, bad: Ref, check: Check | str) -> Bisection:
        """Find the first step from `good` to `bad` that fails a check, with few checks; moves nothing.

        `check` tells of a result whether it is good; a text is a question to the model,
        and P(yes) of at least one half is good.
        """
        return await _awaited(self._session.bisect, good, bad, check)

    async def rerun(
        self,
        ref: Ref | None = None,
        *,
        changes: Mapping[Ref, Mapping[str, object]] | None = None,
        branch: str | None = None,
    ) -> Rerun:
        """Run the branch that ends at a step (the current one) again with changes, onto a new branch.

        `changes` is {step: {argument: value}}; `seed` is an argument of what draws, `image`
        that of a picture that was brought in. Only what depends on the changes is computed.
        No other branch moves; `branch` names the new one. A failure midway leaves it with
        what was done. InputError, before anything is computed, for a change that cannot be.
        """
        return await _awaited(self._session.rerun, ref, changes=changes, branch=branch)

    async def flatten(
        self, ref: Ref | None = None, *, branch: str | None = None, one_call: bool = False
    ) -> Flattened:
        """Redo the edits that led to a picture from the first one, at full quality, on a branch of their own.

        `one_call` joins their instructions into a single edit, for models that follow
        several at once; the embedded one seldom does.
        """
        return await _awaited(self._session.flatten, ref, branch=branch, one_call=one_call)

    async def recipe(self, ref: Ref | None = None) -> Workflow:
        """The branch that ends at a step (the current one) as data, to run on other pictures."""
        return await _awaited(self._session.recipe, ref)

    async def replay(self, ref: Ref | None = None, *, verify: bool = True) -> Replay:
        """Compute a branch (the current one), or one step, again and compare; moves and stores nothing.

        `verify` measures how far pictures that differ are apart, and blames the first stage
        that gave something else; without it only digests are compared.
        """
        return await _awaited(self._session.replay, ref, verify=verify)

    async def drift(self, ref: Ref | None = None) -> Drift:
        """How far a chain of edits has come from its first picture where nothing was to change.

        The chain is that of the newest edit at or before a step, HEAD by default.
        """
        return await _awaited(self._session.drift, ref)

    async def export(self, path: str | Path, *, branch: str | None = None) -> Path:
        """Write the session, or one branch with all it was made from, as one file for `import_session`."""
        return await _awaited(self._session.export, path, branch=branch)

    async def recreate(
        self, source: Lineage | str | Path, *, inputs: Mapping[str, ImageLike] | None = None
    ) -> Recreation:
        """Make a picture again from its lineage, or from its file, and say whether it is the same.

        `inputs` gives the pictures that were brought in from outside, by pixel digest or the
        beginning of one; NotFoundError names those that are missing.
        """
        return await _awaited(self._session.recreate, source, inputs=inputs)

    async def explain(self, step: Ref | None = None) -> Explanation:
        """Say why a step (the current one by default) was served from the memo, in part, or not at all."""
        return await _awaited(self._session.explain, step)

    @property
    def runtime(self) -> Runtime:
        """The runtime that does the work."""
        return self._session.runtime

    @property
    def stream(self) -> AsyncStream:
        """The model verbs as streams of events, to iterate over: `s.stream.generate("a star")`."""
        return AsyncStream(self._session.stream)

    def toolset(
        self,
        *,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        prefix: str = "",
        approve: Approve | None = None,
        budget: Budget | None = None,
        timeout: float | None = 300.0,
        timeouts: Mapping[str, float | None] | None = None,
        parallel: int = 4,
        previews: int = 512,
    ) -> AsyncToolset:
        """What a chatbot may call here: the toolbox and the verbs of the session, in every vendor's form.

        `include` and `exclude` are names of tools (`*` stands for any letters), `prefix` stands
        before each name. `approve` is asked before each call, `budget` limits what all calls
        take. A call gets `timeout` seconds, or those of its tool in `timeouts`; `parallel` calls
        of a message run at a time. Previews are at most `previews` pixels a side, 0 for none.
        """
        inner = self._session.toolset(
            include=include,
            exclude=exclude,
            prefix=prefix,
            approve=approve,
            budget=budget,
            timeout=timeout,
            timeouts=timeouts,
            parallel=parallel,
            previews=previews,
        )
        return AsyncToolset(inner, _awaited)

    @property
    def name(self) -> str:
        """The name of the session in its store; `main` where it is the only one."""
        return self._session.name

    @property
    def path(self) -> Path | None:
        """Where the session is stored, None in memory."""
        return self._session.path

    async def report(self, path: str | Path) -> Path:
        """Write the whole session as one HTML file that opens offline."""
        return await _awaited(self._session.report, path)

    async def find(self, what: ImageLike, *, limit: int = 10) -> list[Found]:
        """Find steps by the words of their prompts and answers, or pictures by one that they resemble.

        A text is words, unless it names a picture (`img3`); a file to compare is given as a Path.
        InputError if pictures are to be compared by a model that cannot.
        """
        return await _awaited(self._session.find, what, limit=limit)

    async def gc(self, *, dry_run: bool = True, older_than: float = DEFAULT_AGE) -> Swept:
        """Remove what no branch, tag, redo or recent move of any session of the store leads to.

        What is younger than `older_than` seconds is kept. A dry run, the default, only tells.
        """
        return await _awaited(self._session.gc, dry_run=dry_run, older_than=older_than)

    async def verify_store(self) -> Report:
        """Derive every digest again; `problems` is empty when the store is whole."""
        return await _awaited(self._session.verify_store)

    async def close(self) -> None:
        """Close the store; a runtime that was given stays open."""
        await _awaited(self._session.close)

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
