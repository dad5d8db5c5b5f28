"""Verify a claim about a picture: atomic checks, P(yes) from logits, one calibrated verdict.

The model that drew a picture is asked about it through another ability, understanding;
a second judge that shares no weights with it may be heard too. Where the two disagree,
the verdict becomes less sure, never surer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sightline.errors import InputError
from sightline.reasoning import claims, instructions, phrases
from sightline.reasoning.calibration import Calibration, of_model
from sightline.reasoning.claims import Check
from sightline.results import Answered, Picture
from sightline_runtime.protocol import RuntimeInfo
from sightline_tools.locality import locality

Ask = Callable[[Picture, str, Sequence[str]], Answered]
"""Asks a question about a picture with choices, as a step of a session."""

_KEPT_SHARE = 0.12
"""An edit that changes more of the picture than that, unasked, has redrawn it."""


class Judge(Protocol):
    """Somebody else who looks: gives the probability that a picture shows a claim."""

    @property
    def name(self) -> str:
        """What the judge is called in a verdict."""

    def probability(self, pixels: npt.NDArray[np.uint8], claim: str) -> float:
        """P(the picture shows the claim), 0 … 1; pixels (h, w, 3) uint8."""


@dataclass(frozen=True)
class Checked:
    """A check that was made: P(yes), what the model would have said, and the step that asked."""

    check: Check
    p_yes: float
    answer: str
    step: str = ""

    def __str__(self) -> str:
        return f"{self.p_yes:4.0%}  {self.check.question} → {self.answer}"


@dataclass(frozen=True)
class Verdict:
    """What a claim came to.

    `passed` is None where it cannot be told. `probability` is calibrated if `calibrated`
    says so; `score` is the plain product of P(yes) over the checks. `second` is what the
    second judge thinks, `kept` P(nothing else changed) if there was a picture before.
    """

    claim: str
    passed: bool | None
    probability: float
    score: float
    checks: tuple[Checked, ...]
    judge: str
    calibrated: bool
    kept: float | None = None
    second: float | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def failed(self) -> tuple[Checked, ...]:
        """The checks that the model doubts, the most doubtful first."""
        return tuple(sorted((c for c in self.checks if c.p_yes < 0.5), key=lambda c: c.p_yes))

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that are the evidence."""
        return tuple(checked.step for checked in self.checks if checked.step)

    def __str__(self) -> str:
        word = {True: "passed", False: "failed", None: "unknown"}[self.passed]
        lines = [f"{word} p={self.probability:.2f}  {self.claim!r} ({self.judge})"]
        return "\n  ".join([*lines, *map(str, self.checks)])


def verify(
    ask: Ask,
    info: RuntimeInfo,
    picture: Picture,
    claim: str | Sequence[Check],
    *,
    before: Picture | None = None,
    judge: Judge | None = None,
    calibration: Calibration | None = None,
) -> Verdict:
    """Check a claim, or your own checks; with `before` the claim is the instruction of an edit.

    With `before`, what the instruction does not name must have stayed. InputError for
    an empty claim.
    """
    known = calibration or of_model(info.family, info.fingerprint)
    text = claim if isinstance(claim, str) else "; ".join(map(str, claim))
    checked = tuple(_made(ask, picture, check) for check in _checks(claim, before is not None, known.exact))
    if not checked:
        raise InputError("there is nothing to check", hint="give a claim or at least one check")
    kept = None if before is None else _kept(ask, before, picture, text)
    score = math.prod(each.p_yes for each in checked) * (1.0 if kept is None else kept)
    own = known.probability(score)
    second = None if judge is None else judge.probability(picture.numpy()[..., :3], text)
    probability = own if second is None else _agreed(own, second)
    return Verdict(
        claim=text,
        passed=known.passed(probability),
        probability=probability,
        score=score,
        checks=checked,
        judge=info.model if judge is None else f"{info.model} and {judge.name}",
        calibrated=known.measured,
        kept=kept,
        second=second,
        warnings=() if known.measured else ("this model is not calibrated: p is its own opinion",),
    )


def _checks(claim: str | Sequence[Check], edited: bool, exact: bool) -> Sequence[Check]:
    if not isinstance(claim, str):
        return claim
    if not phrases.plain(claim):
        raise InputError("the claim is empty", hint="say what the picture should show")
    return instructions.outcome(claim) if edited else claims.split(claim, exact=exact)


def _made(ask: Ask, picture: Picture, check: Check) -> Checked:
    said = ask(picture, check.question, check.choices)
    p_yes = sum(said.probabilities.get(choice, 0.0) for choice in check.expected)
    return Checked(check, min(1.0, p_yes), said.text, said.step.id)


def _agreed(own: float, second: float) -> float:
    """Two opinions as one: their mean in log-odds if they agree, else pulled towards one half."""
    if (own > 0.5) == (second > 0.5):
        return own if abs(own - 0.5) >= abs(second - 0.5) else (own + second) / 2
    return 0.5 + (own - 0.5) * (1 - min(1.0, 2 * abs(second - 0.5)))


# --- what must not change ------------------------------------------------------------------------


def _kept(ask: Ask, before: Picture, after: Picture, instruction: str) -> float:
    """P(all that an instruction does not name is as before): by questions, and by pixels."""
    kept = 1.0
    if not instructions.touches_background(instruction):
        kept *= _same(ask, before, after, claims.background("white"), 0)
        kept *= _undisturbed(before, after)
    change = instructions.count_change(instruction)
    if change is not None:
        kept *= _same(ask, before, after, claims.total(7), change)
    return kept


def _same(ask: Ask, before: Picture, after: Picture, check: Check, change: int) -> float:
    """P(the answer about both is the same, or moved by `change` places among the choices)."""
    first, then = (ask(one, check.question, check.choices).probabilities for one in (before, after))
    choices = check.choices
    pairs = (
        (choice, choices[i + change]) for i, choice in enumerate(choices) if 0 <= i + change < len(choices)
    )
    return min(1.0, sum(first.get(a, 0.0) * then.get(b, 0.0) for a, b in pairs))


def _undisturbed(before: Picture, after: Picture) -> float:
    """Near 1 where little of the picture moved, near 0 where it was redrawn."""
    found = locality(before.numpy()[..., :3], after.numpy()[..., :3])
    moved = found.share * found.inside + (1 - found.share) * found.outside
    return 1 / (1 + math.exp((moved - 2 * _KEPT_SHARE) / (_KEPT_SHARE / 4)))
