"""The verbs that make steps, awaited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, overload

from sightline.reasoning.typed import Typed
from sightline.results import Answered, Drawn, Edited, Made, Picture, Result
from sightline.toolset.awaited import AsyncToolset
from sightline.toolset.budgets import Budget
from sightline.toolset.running import Approve
from sightline.verbs.kinds import Box, ImageLike, Ref, RegionLike

if TYPE_CHECKING:
    from typing_extensions import TypeForm

from sightline.awaited.base import AsyncVerbs, awaited

T = TypeVar("T")


class AsyncMaking(AsyncVerbs):
    """See `verbs.making`."""

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
        return await awaited(
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
            return await awaited(
                self._session.understand, image, question, choices=choices, max_tokens=max_tokens
            )
        ask = self._session.understand
        return await awaited(
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
        return await awaited(
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
        return await awaited(self._session.promote, draft)

    async def crop(self, image: ImageLike, box: Box) -> Made:
        """Cut a rectangle out of a picture."""
        return await awaited(self._session.crop, image, box)

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
        return await awaited(
            self._session.resize, image, width=width, height=height, scale=scale, resample=resample
        )

    async def annotate(self, image: ImageLike, marks: Sequence[Mapping[str, object]]) -> Made:
        """Draw boxes with labels: each mark has `box`, and may have `label` and `color`."""
        return await awaited(self._session.annotate, image, marks)

    async def grid(
        self, images: Sequence[ImageLike] | Result, *, columns: int | None = None, padding: int = 4
    ) -> Made:
        """Lay pictures out in rows: a list of them, or all of one result."""
        return await awaited(self._session.grid, images, columns=columns, padding=padding)

    async def composite(
        self, base: ImageLike, top: ImageLike, *, left: int = 0, above: int = 0, alpha: float = 1.0
    ) -> Made:
        """Put one picture on another, `left` and `above` pixels from its corner."""
        return await awaited(self._session.composite, base, top, left=left, above=above, alpha=alpha)

    async def compare(self, a: ImageLike, b: ImageLike) -> Made:
        """Measure and show in what two pictures of one size differ."""
        return await awaited(self._session.compare, a, b)

    async def call(self, tool: str, **args: object) -> Result:
        """Call any tool of the toolbox by name."""
        return await awaited(self._session.call, tool, **args)

    async def add(self, source: ImageLike) -> Made:
        """Bring a picture in: a path, bytes, a Pillow image or a numpy array."""
        return await awaited(self._session.add, source)

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
        return AsyncToolset(inner, awaited)
