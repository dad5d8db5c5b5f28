"""Desk: what a strategy works with. Verbs that put steps on a branch of their own, under a hard budget.

Every call reserves what it may take before it runs; one that does not fit ends the work
with what there is. Whatever could be the result is offered at once, so a run that is
stopped has something to give.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar, cast

from sightline.errors import BudgetError, DeadlineError, InputError
from sightline.reasoning import verify as verifying
from sightline.reasoning.claims import Check
from sightline.reasoning.verify import Judge, Verdict
from sightline.results import Answered, Drawn, Edited, Picture, Result
from sightline.toolset.budgets import Ledger, Spent
from sightline.toolset.deadlines import within
from sightline.toolset.offers import Offer, needed, ready
from sightline.tree import cancelling
from sightline.tree.execute import Executor
from sightline.tree.promote import promote
from sightline_runtime.protocol import TextRequest, TextResult

T = TypeVar("T")

Stop = Literal["done", "budget", "rounds", "refused"]
"""Why work ended: by itself, by its budget, by its rounds, or because it could not go on."""

UNCHECKED = 0.25
"""The score of a picture that waits for its verdict."""


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
    """Something that may be the result: an answer or a picture, and how good it seems (0 … 1).

    `partial` is work that is not finished: a draft, or the first of several changes. `plan` is
    the plan that led here, as data; `stopped` and `why` tell of a strategy that did not
    end by itself.
    """

    answer: str | None = None
    picture: Picture | None = None
    score: float = 0.0
    verdict: Verdict | None = None
    partial: bool = False
    plan: Mapping[str, object] | None = None
    stopped: Stop = "done"
    why: str = "the strategy ended"


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
        """The best candidate that was offered, finished ones before others, the first of equals."""
        return max(self.offered, key=lambda each: (not each.partial, each.score), default=None)

    def offer(self, candidate: Candidate, instead: Candidate | None = None) -> Candidate:
        """Put a candidate on the desk, in the place of another if that is what it was."""
        if instead is not None:
            self.offered[:] = [each for each in self.offered if each is not instead]
        self.offered.append(candidate)
        return candidate

    def varied(self, number: int) -> Desk:
        """The same desk for try `number`, the first being 0: other seeds, the same books and thoughts.

        Who pursues a goal several times numbers all tries, also the first: so no two tries of
        strategies inside one another have the same seeds. The first of all has the session's own.
        """
        return replace(self, path=(*self.path, number))

    def quiet(self) -> Desk:
        """The same desk whose candidates count for nothing: for work in between."""
        return replace(self, offered=[])

    # --- verbs -------------------------------------------------------------------------------

    def generate(self, prompt: str, *, why: str = "", **options: object) -> Drawn:
        """Draw."""
        return cast(Drawn, self.seeded("generate", {"prompt": prompt, **options}, why or f"draw: {prompt}"))

    def edit(self, picture: Picture, instruction: str, *, why: str = "", **options: object) -> Edited:
        """Edit."""
        args = {"image": picture, "instruction": instruction, **options}
        return cast(Edited, self.seeded("edit", args, why or f"edit: {instruction}"))

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

    def judged(
        self, picture: Picture, claim: str, *, before: Picture | None = None, partial: bool = False
    ) -> Candidate:
        """Offer a picture, then check it: it is there even if the budget ends before the verdict."""
        waiting = self.offer(Candidate(picture=picture, score=UNCHECKED, partial=partial))
        verdict = self.verify(picture, claim, before=before)
        return self.offer(replace(waiting, score=verdict.probability, verdict=verdict), instead=waiting)

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

    def act(self, offer: Offer, args: Mapping[str, object], *, why: str = "") -> Result:
        """Do a call as a chatbot writes it, pictures by their names.

        RefusedError or InputError, which a chatbot can mend, for one that cannot be done.
        """
        checked = ready(self.executor, offer, args)
        made = self._booked(lambda: checked.work()(), checked.need)
        if not isinstance(made, Result):
            raise InputError(f"{offer.name} makes no step", hint="call a tool")
        self.think(why or offer.name, made)
        return made

    def write(self, request: TextRequest) -> TextResult:
        """Have the session's model write a text that is no step, such as a plan; its tokens are booked."""
        runtime = self.executor.runtime

        def work() -> TextResult:
            job = runtime.generate_text(request)
            with cancelling.current().covering(job):
                return job.result()

        return self._booked(work, Spent(tokens=_longest(request, runtime.info.feature_shape[0])))

    def consult(self, work: Callable[[], T], tokens: Callable[[T], int]) -> T:
        """Ask somebody elsewhere, in the seconds that are left; what it took is known, and booked, after."""
        refusal = self.ledger.reserve(Spent(tokens=1))
        if refusal is not None:
            raise _over(refusal)
        took = Spent()
        try:
            made = within(self.ledger.seconds_left(), work)
            took = Spent(tokens=tokens(made))
            return made
        except DeadlineError as error:
            raise self._late(error) from error
        finally:
            self.ledger.settle(Spent(tokens=1), took)

    def think(self, text: str, made: Result) -> None:
        """Add a thought to the chain."""
        picture = made.images[0] if made.images else None
        self.thoughts.append(Thought(text, made.step.id, picture))

    # --- books -------------------------------------------------------------------------------

    def seeded(self, tool: str, args: Mapping[str, object], why: str) -> Result:
        """Call a tool that draws, with the seeds of this try."""
        own = dict(args)
        seed = own.pop("seed", None)
        if seed is not None and not isinstance(seed, int):
            raise InputError(f"seed is {seed!r}", hint="give a whole number")
        if seed is None:
            seed = self.seed()
        made = self.call(tool, own, seed)
        self.think(why, made)
        return made

    def seed(self) -> int | None:
        """Another seed for every try, the same each time a session of this seed runs; None for the first."""
        if not any(self.path):
            return None
        told = f"{self.executor.seed}/{self.path}".encode()
        return int.from_bytes(hashlib.sha256(told).digest()[:6])

    def _booked(self, work: Callable[[], T], need: Spent) -> T:
        refusal = self.ledger.reserve(need)
        if refusal is not None:
            raise _over(refusal)
        took = Spent(steps=need.steps)
        try:
            made = within(self.ledger.seconds_left(), work)
            took = _took(made, need)
            return made
        except DeadlineError as error:
            raise self._late(error) from error
        finally:
            self.ledger.settle(need, took)

    def _late(self, error: DeadlineError) -> BudgetError | DeadlineError:
        """The budget's own end, or a deadline that somebody else set."""
        left = self.ledger.seconds_left()
        return error if left is None or left > 0 else _over("its seconds are over")


def _over(what: str) -> BudgetError:
    return BudgetError(f"the budget is used up: {what}", hint="give it more, or ask for less")


def _longest(request: TextRequest, picture: int) -> int:
    """Tokens that a text may take: one is at least a byte."""
    said = sum(len(message.text.encode()) for message in request.messages)
    return said + len(request.images) * picture + request.max_tokens


def _took(made: object, need: Spent) -> Spent:
    """What a call really took; what was found again took no model."""
    if isinstance(made, TextResult):
        usage = made.usage
        return Spent(tokens=usage.prompt_tokens + usage.completion_tokens + usage.image_tokens)
    if not isinstance(made, Result) or made.cache.status == "hit":
        return Spent(steps=need.steps)
    names = ("prompt_tokens", "completion_tokens", "image_tokens")
    images = len(made.images) if need.images else 0  # a picture that is brought in is not made
    return Spent(steps=1, images=images, tokens=int(sum(made.usage.get(name, 0) for name in names)))
