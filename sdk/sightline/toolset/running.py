"""One call from its arguments to its outcome: checked, approved, within budget and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from sightline.errors import BudgetError, DeadlineError, InputError, SightlineError
from sightline.results import Result
from sightline.toolset.budgets import Budget, Ledger, Spent
from sightline.toolset.calls import decoded
from sightline.toolset.deadlines import within
from sightline.toolset.faults import RefusedError, fault_of
from sightline.toolset.offers import Offer, Ready, ready
from sightline.toolset.outcomes import Fault, Outcome
from sightline.toolset.previews import EDGE
from sightline.toolset.telling import cut, data, told
from sightline.toolset.verbs import Told
from sightline.tree.execute import Executor


@dataclass(frozen=True)
class Invocation:
    """A call of a tool: the name it was called by, its arguments as given, and what is offered there."""

    name: str
    arguments: Mapping[str, object]
    offer: Offer


Approve = Callable[[Invocation], bool | str | None]
"""Says of a checked call whether it may run: True; False or a reason why not; None to decide later.

Calls of one message ask from several threads.
"""

Go = Callable[[Invocation], Outcome]
"""Does a call and gives its outcome; raises nothing."""

Wrap = Callable[[Invocation, Go], Outcome]
"""Stands around every call: looks at it, changes it, does it or not."""


@dataclass(frozen=True)
class Terms:
    """On what terms calls run.

    A call gets `timeout` seconds, or those of its tool in `timeouts`, by the session's name
    of the tool; None is no limit. At most `parallel` calls of a message run at a time;
    previews are at most `edge` pixels wide and high, 0 for none.
    """

    ledger: Ledger = field(default_factory=lambda: Ledger(Budget()))
    approve: Approve | None = None
    timeout: float | None = 300.0
    timeouts: Mapping[str, float | None] = field(default_factory=dict)
    parallel: int = 4
    edge: int = EDGE
    wraps: tuple[Wrap, ...] = ()

    def __post_init__(self) -> None:
        limits = [limit for limit in (self.timeout, *self.timeouts.values()) if limit is not None]
        if not all(limit > 0 for limit in limits):
            raise InputError(
                f"a timeout is {min(limits):g}", hint="use seconds above 0, or None for no limit"
            )
        if self.parallel < 1 or not 0 <= self.edge <= EDGE:
            what = f"parallel is {self.parallel}, previews is {self.edge}"
            raise InputError(what, hint=f"use at least one call at a time, and 0 to {EDGE} pixels")


Turn = Callable[[], None]
"""Waits until the call may put its step on the branch."""


def run(executor: Executor, offer: Offer, arguments: object, terms: Terms, turn: Turn) -> Outcome:
    """Do a call of a tool; whatever goes wrong is an outcome too."""
    tried = list[Invocation]()

    def attempt(invocation: Invocation) -> Outcome:
        tried.append(invocation)
        return _attempt(executor, terms, turn, invocation)

    go: Go = attempt
    for wrap in reversed(terms.wraps):
        go = partial(_through, wrap, go)
    try:
        _refuse_overspent(terms.ledger, Spent(steps=1))
        outcome = go(Invocation(offer.name, decoded(arguments), offer))
        if not isinstance(outcome, Outcome):
            raise TypeError(f"a wrap of {offer.name} gave {type(outcome).__name__}, not an Outcome")
    except Exception as error:  # noqa: BLE001 - a chatbot must get an answer
        outcome = Outcome.failed(fault_of(error, offer.name, offer.input_schema))
    if not tried:  # what was answered without the tool is a step too, so that every loop ends
        terms.ledger.note(Spent(steps=1))
    return outcome


def _through(wrap: Wrap, go: Go, invocation: Invocation) -> Outcome:
    return wrap(invocation, go)


def _attempt(executor: Executor, terms: Terms, turn: Turn, invocation: Invocation) -> Outcome:
    """Check, ask, and run a call."""
    offer, ledger = invocation.offer, terms.ledger
    try:
        checked = ready(executor, offer, invocation.arguments)
        _refuse_overspent(ledger, checked.need)
        _ask(terms.approve, invocation)
        lacking = ledger.reserve(checked.need)
        if lacking:
            raise _overspent(lacking)
    except Exception as error:  # noqa: BLE001 - a chatbot must get an answer
        ledger.note(Spent(steps=1))
        return Outcome.failed(fault_of(error, offer.name, offer.input_schema))
    took = Spent(steps=1)
    try:
        done = _done(checked, _seconds(terms, offer), turn)
        took = _cost(done)
        return _outcome(executor, done, terms.edge)
    except Exception as error:  # noqa: BLE001 - a chatbot must get an answer
        return Outcome.failed(_late(ledger, error) or fault_of(error, offer.name, offer.input_schema))
    finally:
        ledger.settle(checked.need, took)


def _done(checked: Ready, seconds: float | None, turn: Turn) -> Result | Told:
    """Do the work in time, then end the call when its turn has come."""
    try:
        end = within(seconds, checked.work)
    except SightlineError as error:
        turn()
        return checked.fail(error)
    turn()
    return end()


def _ask(approve: Approve | None, invocation: Invocation) -> None:
    """Ask whether a call may run; RefusedError if not, or not yet."""
    verdict = True if approve is None else approve(invocation)
    if verdict is None:
        wait = "go on with something else, or tell the user that you wait"
        raise RefusedError(Fault("waiting", f"{invocation.name} waits for the user's approval", wait))
    if verdict is not True:
        why = f": {verdict}" if isinstance(verdict, str) else ""
        hint = "do not call it again like this; ask the user what to do"
        raise RefusedError(Fault("declined", f"the user declined {invocation.name}{why}", hint))


def _outcome(executor: Executor, done: Result | Told, edge: int) -> Outcome:
    if isinstance(done, Result):
        return told(executor, done, edge)
    values = data(executor, done.values)
    structured = values if isinstance(values, Mapping) else {}
    return Outcome(cut(done.text), structured, done.previews if edge else ())


def _cost(done: Result | Told) -> Spent:
    """What a call took; what was found again cost no tokens, but its pictures count."""
    if not isinstance(done, Result):
        return Spent(steps=1)
    kinds = ("prompt_tokens", "completion_tokens", "image_tokens")
    tokens = int(sum(done.usage.get(kind, 0) for kind in kinds))
    return Spent(steps=1, images=len(done.images), tokens=tokens)


def _seconds(terms: Terms, offer: Offer) -> float | None:
    limits = [terms.timeouts.get(offer.source.name, terms.timeout), terms.ledger.seconds_left()]
    given = [limit for limit in limits if limit is not None]
    return min(given) if given else None


def _late(ledger: Ledger, error: Exception) -> Fault | None:
    """The fault of a call that the budget's seconds stopped."""
    left = ledger.seconds_left()
    if isinstance(error, DeadlineError) and left is not None and left <= 0:
        return fault_of(_overspent("its seconds are over"), "", {})
    return None


def _refuse_overspent(ledger: Ledger, need: Spent) -> None:
    lacking = ledger.lacking(need)
    if lacking:
        raise _overspent(lacking)


def _overspent(lacking: str) -> BudgetError:
    hint = "call no more tools of this kind; answer with what there is"
    return BudgetError(f"the budget is used up: {lacking}", hint=hint)
