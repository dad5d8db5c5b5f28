"""Looking, drawing, editing, and the pure tools: what makes steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast, overload

from sightline.reasoning.typed import T, Typed, schema_text, typed
from sightline.results import Answered, Drawn, Edited, Made, Picture, Result
from sightline.toolset.budgets import Budget, Ledger
from sightline.toolset.running import Approve, Terms
from sightline.toolset.toolset import Toolset, toolset
from sightline.tree.promote import promote

if TYPE_CHECKING:
    from typing_extensions import TypeForm

from sightline.verbs.base import Verbs
from sightline.verbs.kinds import Box, ImageLike, Ref, RegionLike


class Making(Verbs):
    """The verbs that make steps, and what offers them to others."""

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
