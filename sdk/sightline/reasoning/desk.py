"""Desk: what a strategy works with. Verbs that put steps on a branch of their own, under a hard budget.

Every call reserves what it may take before it runs; one that does not fit ends the work
with what there is. The best candidate so far is always on the desk, so a run that is
stopped has something to give.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from sightline.errors import DeadlineError, InputError, SightlineError
from sightline.reasoning import verify as verifying
from sightline.reasoning.claims import Check
from sightline.reasoning.verify import Judge, Verdict
from sightline.results import Answered, Drawn, Edited, Picture, Result
from sightline.toolset.budgets import Ledger, Spent
from sightline.toolset.deadlines import within
from sightline.toolset.offers import needed
from sightline.tree.execute import Executor
from sightline.tree.promote import promote

T = TypeVar("T", bound=Result)


class BudgetError(SightlineError):
    """The budget is used up; what was done is kept."""

    code = "budget"


@dataclass(frozen=True)
class Thought:
    """A step of a chain as people read it: what was done and why, the step, and its picture if it has one."""

    text: str
    step: str
    picture: Picture | None = None

    def __str__(self) -> str:
        shown = f" [{self.picture.alias}]" if self.picture is not None and self.picture.alias else ""
        return f"{self.text}{shown}"


@dataclass(frozen=True)
class Candidate:
    """Something that may be the result: an answer or a picture, and how good it seems (0 … 1)."""

    answer: str | None = None
    picture: Picture | None = None
    score: float = 0.0
    verdict: Verdict | None = None


@dataclass
class Desk:
    """The verbs of a strategy; `path` numbers the tries that led here, each with seeds of its own."""

    executor: Executor
    ledger: Ledger
    judge: Judge | None = None
    path: tuple[int, ...] = ()
    thoughts: list[Thought] = field(default_factory=list)
    offered: list[Candidate] = field(default_factory=list)

    @property
    def best(self) -> Candidate | None:
        """The best candidate that was offered, the first of equals."""
        return max(self.offered, key=lambda candidate: candidate.score, default=None)

    def offer(self, candidate: Candidate) -> Candidate:
        """Put a candidate on the desk."""
        self.offered.append(candidate)
        return candidate

    def varied(self, number: int) -> Desk:
        """The same desk for try `number`, the first being 0: other seeds, the same books and thoughts."""
        return replace(self, path=(*self.path, number)) if number else self

    def quiet(self) -> Desk:
        """The same desk whose candidates count for nothing: for work in between."""
        return replace(self, offered=[])

    # --- verbs -------------------------------------------------------------------------------

    def generate(self, prompt: str, *, why: str = "", **options: object) -> Drawn:
        """Draw."""
        return cast(Drawn, self._seeded("generate", {"prompt": prompt, **options}, why or f"draw: {prompt}"))

    def edit(self, picture: Picture, instruction: str, *, why: str = "", **options: object) -> Edited:
        """Edit."""
        args = {"image": picture, "instruction": instruction, **options}
        return cast(Edited, self._seeded("edit", args, why or f"edit: {instruction}"))

    def ask(self, picture: Picture, question: str, choices: Sequence[str] = (), *, why: str = "") -> Answered:
        """Ask about a picture; what a check asks is no thought of its own."""
        args = {"image": picture, "question": question, "choices": tuple(choices)}
        said = cast(Answered, self.call("understand", args))
        if why:
            self.think(f"{why}: {question} → {said.text}", said)
        return said

    def make(self, tool: str, args: Mapping[str, object], *, why: str = "") -> Result:
        """Call any tool of the toolbox."""
        made = self.call(tool, args)
        self.think(why or tool, made)
        return made

    def promote(self, draft: Picture) -> Drawn:
        """Draw a draft at full quality."""
        return cast(Drawn, self._booked(lambda: promote(self.executor, draft), Spent(steps=1, images=1)))

    def verify(
        self, picture: Picture, claim: str | Sequence[Check], *, before: Picture | None = None
    ) -> Verdict:
        """Check a claim about a picture; see `reasoning.verify`."""
        info = self.executor.runtime.info
        return verifying.verify(self.ask, info, picture, claim, before=before, judge=self.judge)

    def bring(self, image: object) -> Picture:
        """A picture of the session by whatever names it; a new one is brought in first."""
        source = self.executor.pictures.source(image)
        if source.png is None:
            return self.executor.pictures.bound(source.ref, source.origin)
        return self._booked(lambda: self.executor.bring(source), Spent(steps=1)).image

    def call(self, tool: str, args: Mapping[str, object], seed: int | None = None) -> Result:
        """Call a tool as a step of the branch; BudgetError before it runs if it does not fit."""
        call = self.executor.prepare(tool, args, seed)
        return self._booked(lambda: self.executor.finish(call), needed(self.executor, call.tool, call.args))

    def think(self, text: str, made: Result) -> None:
        """Add a thought to the chain."""
        picture = made.images[0] if made.images else None
        self.thoughts.append(Thought(text, made.step.id, picture))

    # --- books -------------------------------------------------------------------------------

    def _seeded(self, tool: str, args: Mapping[str, object], why: str) -> Result:
        own = dict(args)
        seed = own.pop("seed", None)
        if seed is not None and not isinstance(seed, int):
            raise InputError(f"seed is {seed!r}", hint="give a whole number")
        if seed is None and self.path:
            seed = self.seed()
        made = self.call(tool, own, seed)
        self.think(why, made)
        return made

    def seed(self) -> int:
        """Another seed for every path, the same each time a session of this seed runs."""
        told = f"{self.executor.seed}/{self.path}".encode()
        return int.from_bytes(hashlib.sha256(told).digest()[:6])

    def _booked(self, work: Callable[[], T], need: Spent) -> T:
        refusal = self.ledger.reserve(need)
        if refusal is not None:
            raise BudgetError(refusal, hint="give it more, or ask for less")
        took = Spent(steps=1)
        try:
            made = within(self.ledger.seconds_left(), work)
            took = _took(made)
            return made
        except DeadlineError as error:
            raise BudgetError("its seconds are over", hint="give it more time") from error
        finally:
            self.ledger.settle(need, took)


def _took(made: Result) -> Spent:
    """What a call really took; what was found again took no model."""
    if made.cache.status == "hit":
        return Spent(steps=1)
    names = ("prompt_tokens", "completion_tokens", "image_tokens")
    return Spent(steps=1, images=len(made.images), tokens=int(sum(made.usage.get(name, 0) for name in names)))
