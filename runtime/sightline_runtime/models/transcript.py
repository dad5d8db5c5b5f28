"""The one form in which the embedded model reads a dialogue to write its next tool call.

    <tools> line <assistant> call <end> result <user> line <assistant> call <end> result … <user> line
    <assistant>

Lines are the user's. A result is what came of the call, shortly: an answer ("three", "red"),
or the picture that is looked at now ("picture two"). What comes in from outside, also
"picture two", stands before the mark of the line that it comes with. The first line has no
mark of its own if nothing comes before it, so a single line reads as it would alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sightline_runtime.models import words as w

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Transcript:
    """Token ids, and which of them the model writes itself: calls with their ends."""

    ids: list[int]
    written: list[bool]


@dataclass
class _Exchange:
    """What came in, the line, the call, and its result, all as token ids; None is not there yet."""

    given: list[int] = field(default_factory=list)
    line: list[int] | None = None
    call: list[int] | None = None
    result: list[int] | None = None


def _exchanges(said: Sequence[tuple[Role, list[int]]]) -> list[_Exchange]:
    """Messages as exchanges; a note of the system right after a call is its result, any other comes in."""
    found = [_Exchange()]
    for role, ids in said:
        last = found[-1]
        if role == "assistant":
            last.call = [*(last.call or []), *ids]
        elif role == "system" and last.call is not None and last.result is None:
            last.result = ids
        else:
            if last.call is not None or last.line is not None:
                last = _Exchange()
                found.append(last)
            if role == "user":
                last.line = ids
            else:
                last.given += ids
    return found


def _tokens(exchanges: Sequence[_Exchange]) -> Transcript:
    ids, written = [w.TOOLS], [False]
    for exchange in exchanges:
        ids += exchange.given
        if exchange.line is not None:
            ids += [*([w.USER] if len(ids) > 1 else []), *exchange.line, w.ASSISTANT]
        written += [False] * (len(ids) - len(written))
        if exchange.call is not None:
            ids += [*exchange.call, w.END]
            written += [True] * (len(ids) - len(written))
            ids += exchange.result or []
    return Transcript(ids, written + [False] * (len(ids) - len(written)))


def transcript(said: Sequence[tuple[Role, list[int]]], most: int) -> Transcript:
    """The dialogue in at most so many tokens: the oldest exchanges are left out.

    The last exchange is kept however long it is.
    """
    exchanges = _exchanges(said)
    whole = _tokens(exchanges)
    while len(whole.ids) > most and len(exchanges) > 1:
        exchanges = exchanges[1:]
        whole = _tokens(exchanges)
    return whole
