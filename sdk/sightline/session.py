"""Session: the verbs, each a few lines that call the room where the work is done.

A session is a git-like tree of immutable steps over a store. Every verb checks
its arguments, runs (or finds again) one step, moves the current branch, and
returns a result. An error leaves the branch where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast, overload

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from sightline import importing, local, provenance
from sightline.archive import Archive, pack
from sightline.errors import InputError
from sightline.lineage import Lineage
from sightline.reasoning.typed import T, Typed, schema_text, typed
from sightline.results import Answered, Drawn, Edited, Made, Picture, Result
from sightline.store.database import Store
from sightline.store.opening import open_session
from sightline.store.sweep import DEFAULT_AGE, Swept, gc
from sightline.streaming import Stream
from sightline.toolset.budgets import Budget, Ledger
from sightline.toolset.running import Approve, Terms
from sightline.toolset.toolset import Toolset, toolset
from sightline.tree import history
from sightline.tree.bisection import Bisection, Check, bisect
from sightline.tree.branching import free_branch
from sightline.tree.cherry import cherry_pick
from sightline.tree.diff import Difference, diff
from sightline.tree.drift import Drift, drift
from sightline.tree.execute import Executor
from sightline.tree.explain import Explanation, explain
from sightline.tree.flatten import Flattened, flatten
from sightline.tree.outline import Outline, outline
from sightline.tree.promote import promote
from sightline.tree.recipe import checked_seed
from sightline.tree.recording import workflow_of
from sightline.tree.recreation import Recreation, recreate
from sightline.tree.replay import Replay, replay
from sightline.tree.rerun import Rerun, rerun
from sightline.tree.search import Found, find
from sightline.tree.steps import Step
from sightline.tree.verify import Report, verify
from sightline.tree.view import View, at
from sightline.tree.workflow import Workflow
from sightline_runtime.protocol import Runtime
from sightline_tools.image import Image
from sightline_tools.region import Region
from sightline_tools.toolbox import Toolbox, default_toolbox

if TYPE_CHECKING:
    from typing_extensions import TypeForm

ImageLike = Picture | Result | Image | Step | str | Path | bytes | PILImage.Image | npt.NDArray[np.uint8]
"""Whatever a verb takes as a picture: one of the session, also by name (`img3`, `sha256:…`), or a new
one (a file, bytes, an array), which is added first."""

Ref = Result | Step | str
"""Whatever names a step: a result, a step, or a text such as `HEAD`, `main`, `alt~2`, `@tag`, `img3`,
`sha256:…`, or the beginning of an id."""

Box = tuple[float, float, float, float]
"""(left, top, right, bottom), in parts of the picture (all ≤ 1) or in pixels."""

RegionLike = Region | Box | Sequence[tuple[float, float]] | ImageLike
"""A part of a picture: a box, the corners of a polygon, or a mask picture, white where to change."""


class Session:
    """A multi-turn visual session; use it as a context manager or call `close`.

    `path` is a folder that is made if needed, None keeps everything in memory. With `store`
    (a folder, or postgresql://user:password@host/database) it is the name of one of the many
    sessions that a store holds; they share pictures and work that was done. `objects` is where
    the bytes of pictures are kept, if not beside the database: a folder or an fsspec URL.
    `runtime` is a loaded model, None loads the embedded one at first use.
    `seed` makes a session reproducible: the same verbs give the same pictures.
    Without `files` a text in the place of a picture never names a file: for calls of strangers.
    """

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
        if runtime is not None and not _is_runtime(runtime):
            raise InputError(f"{runtime!r} is not a runtime", hint="give what sightline.load returns")
        start = None if seed is None else checked_seed(seed)
        self._store: Store = open_session(path, store, objects)
        self._executor = Executor(
            self._store,
            runtime or local.Lazy(),
            default_toolbox() if toolbox is None else toolbox,
            seed=start,
            files=files,
        )

    # --- looking, drawing, editing -----------------------------------------------------------

    def generate(
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
        args = {"prompt": prompt, "n": n, "steps": steps, "guidance": guidance, "size": size}
        args |= {"decode_seed": decode_seed, "draft": draft}
        return cast(Drawn, self._run("generate", args, seed=seed))

    @overload
    def understand(
        self,
        image: ImageLike,
        question: str,
        *,
        choices: Sequence[str] = (),
        max_tokens: int = 64,
        output: None = None,
    ) -> Answered: ...
    @overload
    def understand(
        self,
        image: ImageLike,
        question: str,
        *,
        choices: Sequence[str] = (),
        max_tokens: int = 64,
        output: TypeForm[T],
    ) -> Typed[T]: ...
    def understand(
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
        args = {"image": image, "question": question, "choices": choices, "max_tokens": max_tokens}
        if output is None:
            return cast(Answered, self._run("understand", args))
        asked = self._run("understand", {**args, "output": schema_text(output)})
        return typed(cast(Answered, asked), output)

    def edit(
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
        options = {"n": n, "steps": steps, "guidance": guidance, "size": size}
        options |= {"decode_seed": decode_seed, "draft": draft}
        where = {"region": region, "feather": feather}
        args: dict[str, object] = {"image": image, "instruction": instruction, **options, **where}
        return cast(Edited, self._run("edit", args, seed=seed))

    def promote(self, draft: Ref | Picture) -> Drawn:
        """Decode a draft, or one of its pictures, at full quality from the same features.

        InputError for what is no draft; ModelError if another model drew it, or if its
        features are gone and do not come out as they were.
        """
        return cast(Drawn, promote(self._executor, draft))

    # --- pure tools --------------------------------------------------------------------------

    def crop(self, image: ImageLike, box: Box) -> Made:
        """Cut a rectangle out of a picture."""
        return cast(Made, self._run("crop", {"image": image, "box": box}))

    def resize(
        self,
        image: ImageLike,
        *,
        width: int | None = None,
        height: int | None = None,
        scale: float | None = None,
        resample: str = "lanczos",
    ) -> Made:
        """Change a picture's size."""
        args = {"image": image, "width": width, "height": height, "scale": scale, "resample": resample}
        return cast(Made, self._run("resize", args))

    def annotate(self, image: ImageLike, marks: Sequence[Mapping[str, object]]) -> Made:
        """Draw boxes with labels: each mark has `box`, and may have `label` and `color`."""
        return cast(Made, self._run("annotate", {"image": image, "marks": marks}))

    def grid(
        self, images: Sequence[ImageLike] | Result, *, columns: int | None = None, padding: int = 4
    ) -> Made:
        """Lay pictures out in rows: a list of them, or all of one result."""
        args = {"images": images, "columns": columns, "padding": padding}
        return cast(Made, self._run("grid", args))

    def composite(
        self, base: ImageLike, top: ImageLike, *, left: int = 0, above: int = 0, alpha: float = 1.0
    ) -> Made:
        """Put one picture on another, `left` and `above` pixels from its corner."""
        args = {"base": base, "top": top, "left": left, "above": above, "alpha": alpha}
        return cast(Made, self._run("composite", args))

    def compare(self, a: ImageLike, b: ImageLike) -> Made:
        """Measure and show in what two pictures of one size differ."""
        return cast(Made, self._run("compare", {"a": a, "b": b}))

    def call(self, tool: str, **args: object) -> Result:
        """Call any tool of the toolbox by name."""
        return self._run(tool, args)

    def add(self, source: ImageLike) -> Made:
        """Bring a picture in: a path, bytes, a Pillow image or a numpy array."""
        return self._executor.add(source)

    # --- the tree ----------------------------------------------------------------------------

    @property
    def branches(self) -> Mapping[str, str | None]:
        """Every branch and the step it stands at."""
        return self._executor.refs.branches()

    @property
    def tags(self) -> Mapping[str, str | None]:
        """Every tag and the step it names."""
        return self._executor.refs.tags()

    @property
    def head(self) -> tuple[str, str | None]:
        """The current branch and its step."""
        return self._executor.refs.head()

    def branch(self, name: str, *, at: Ref | None = None) -> None:
        """Make a branch at a step (the current one by default); does not switch to it."""
        self._executor.refs.branch(name, self._executor.locate(at))

    def checkout(self, name: str) -> None:
        """Switch to a branch."""
        self._executor.refs.checkout(name)

    def drop(self, name: str) -> None:
        """Remove a branch that is not the current one; its steps stay, the reflog names them.

        StaleHeadError if another writer moved it since this session saw it.
        """
        self._executor.refs.drop(name)

    def tag(self, name: str, *, at: Ref | None = None) -> None:
        """Name a step for good."""
        self._executor.refs.tag(name, self._executor.locate(at))

    def undo(self, n: int = 1) -> Step | None:
        """Move the branch back `n` steps; nothing is deleted. Gives the step it now stands at."""
        return self._executor.moved(self._executor.refs.undo(n))

    def redo(self, n: int = 1) -> Step | None:
        """Take back an undo."""
        return self._executor.moved(self._executor.refs.redo(n))

    def cherry_pick(self, step: Ref, *, onto: str | None = None) -> Result:
        """Put a step's call on top of another branch (the current one by default); nothing is computed."""
        return cherry_pick(self._executor, self._executor.locate(step), onto)

    # --- looking back ------------------------------------------------------------------------

    def log(
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
        chosen = history.Filter(tool, since, text)
        return history.log(self._store, self._executor.locate(branch), limit, chosen)

    def reflog(self, limit: int | None = None) -> list[history.Move]:
        """Every move of the branches and tags of this session, newest first: nothing is ever lost."""
        return history.reflog(self._store, limit)

    def tree(self, *, everything: bool = False) -> Outline:
        """All branches as one tree, to print or to read; `everything` shows what is on no branch too."""
        return outline(self._executor, everything=everything)

    def show(self, step: Ref) -> Result:
        """Look at a step again; nothing is computed."""
        return self._executor.show(self._executor.locate(step))

    def at(self, step: Ref) -> View:
        """The session as it was at a step, to look at and to branch from."""
        return at(self._executor, self._executor.locate(step))

    def diff(self, a: Ref, b: Ref) -> Difference:
        """What two steps, or the branches that end at them, differ in: parameters, texts, pixels."""
        return diff(self._executor, self._executor.locate(a), self._executor.locate(b))

    def bisect(self, good: Ref, bad: Ref, check: Check | str) -> Bisection:
        """Find the first step from `good` to `bad` that fails a check, with few checks; moves nothing.

        `check` tells of a result whether it is good; a text is a question to the model,
        and P(yes) of at least one half is good.
        """
        return bisect(self._executor, self._executor.locate(good), self._executor.locate(bad), check)

    def rerun(
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
        name = free_branch(self._executor, branch, ref, "rerun")
        return rerun(self._executor, self._executor.locate(ref), changes or {}, name)

    def flatten(
        self, ref: Ref | None = None, *, branch: str | None = None, one_call: bool = False
    ) -> Flattened:
        """Redo the edits that led to a picture from the first one, at full quality, on a branch of their own.

        `one_call` joins their instructions into a single edit, for models that follow
        several at once; the embedded one seldom does.
        """
        name = free_branch(self._executor, branch, ref, "flat")
        return flatten(self._executor, self._executor.locate(ref), name, one_call=one_call)

    def recipe(self, ref: Ref | None = None) -> Workflow:
        """The branch that ends at a step (the current one) as data, to run on other pictures."""
        return workflow_of(self._executor, self._executor.locate(ref))

    def replay(self, ref: Ref | None = None, *, verify: bool = True) -> Replay:
        """Compute a branch (the current one), or one step, again and compare; moves and stores nothing.

        `verify` measures how far pictures that differ are apart, and blames the first stage
        that gave something else; without it only digests are compared.
        """
        return replay(self._executor, ref, verify=verify)

    def drift(self, ref: Ref | None = None) -> Drift:
        """How far a chain of edits has come from its first picture where nothing was to change.

        The chain is that of the newest edit at or before a step, HEAD by default.
        """
        return drift(self._store, self._executor.locate(ref))

    # --- taking away and bringing back -------------------------------------------------------

    def export(self, path: str | Path, *, branch: str | None = None) -> Path:
        """Write the session, or one branch with all it was made from, as one file for `import_session`."""
        return pack(self._store, Path(path), branch=branch)

    def recreate(
        self, source: Lineage | str | Path, *, inputs: Mapping[str, ImageLike] | None = None
    ) -> Recreation:
        """Make a picture again from its lineage, or from its file, and say whether it is the same.

        `inputs` gives the pictures that were brought in from outside, by pixel digest or the
        beginning of one; NotFoundError names those that are missing.
        """
        lineage = source if isinstance(source, Lineage) else provenance.read(source)
        return recreate(self._executor, lineage, inputs or {})

    def explain(self, step: Ref | None = None) -> Explanation:
        """Say why a step (the current one by default) was served from the memo, in part, or not at all."""
        return explain(self._executor, self._executor.locate(step))

    # --- the rest ----------------------------------------------------------------------------

    @property
    def runtime(self) -> Runtime:
        """The runtime that does the work."""
        return self._executor.runtime

    @property
    def stream(self) -> Stream:
        """The model verbs as streams of events, to iterate over: `s.stream.generate("a star")`."""
        return Stream(self._executor)

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
    ) -> Toolset:
        """What a chatbot may call here: the toolbox and the verbs of the session, in every vendor's form.

        `include` and `exclude` are names of tools (`*` stands for any letters), `prefix` stands
        before each name. `approve` is asked before each call, `budget` limits what all calls
        take. A call gets `timeout` seconds, or those of its tool in `timeouts`; `parallel` calls
        of a message run at a time. Previews are at most `previews` pixels a side, 0 for none.
        """
        ledger = Ledger(Budget() if budget is None else budget)
        terms = Terms(ledger, approve, timeout, timeouts or {}, parallel, previews)
        return toolset(self._executor, terms, include, exclude, prefix)

    @property
    def name(self) -> str:
        """The name of the session in its store; `main` where it is the only one."""
        return self._store.session

    @property
    def path(self) -> Path | None:
        """Where the session is stored, None in memory."""
        return self._store.path

    def report(self, path: str | Path) -> Path:
        """Write the whole session as one HTML file that opens offline."""
        from sightline.report import write_report

        return write_report(self._executor, Path(path))

    def find(self, what: ImageLike, *, limit: int = 10) -> list[Found]:
        """Find steps by the words of their prompts and answers, or pictures by one that they resemble.

        A text is words, unless it names a picture (`img3`); a file to compare is given as a Path.
        InputError if pictures are to be compared by a model that cannot.
        """
        return find(self._executor, what, limit)

    def gc(self, *, dry_run: bool = True, older_than: float = DEFAULT_AGE) -> Swept:
        """Remove what no branch, tag, redo or recent move of any session of the store leads to.

        What is younger than `older_than` seconds is kept. A dry run, the default, only tells.
        """
        return gc(self._store, dry_run=dry_run, older_than=older_than)

    def verify_store(self) -> Report:
        """Derive every digest again; `problems` is empty when the store is whole."""
        return verify(self._store)

    def close(self) -> None:
        """Close the store; a runtime that was given stays open."""
        self._store.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, tool: str, args: Mapping[str, object], *, seed: int | None = None) -> Result:
        return self._executor.run(tool, args, seed=seed)

    def _take_in(self, archive: Archive) -> None:
        """Fill the store, and look anew at what it holds."""
        importing.fill(self._store, archive)
        before = self._executor
        self._executor = Executor(self._store, before.runtime, before.toolbox, seed=None)


def _is_runtime(value: object) -> bool:
    """Whether a value has all parts of a runtime; reading `info`, as isinstance does, might load a model."""
    return all(hasattr(type(value), name) for name in vars(Runtime) if not name.startswith("_"))
