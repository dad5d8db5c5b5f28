"""Writing and scoring text, token by token, whatever model reads the prompt.

A family reads a prompt into a `Reading`; here tokens are chosen, streamed and added
up. One row at a time, noise from (seed, "text", place): an answer does not depend on
what else the engine does.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self

import torch
from torch import Tensor

from sightline_runtime.engine import noise
from sightline_runtime.engine.grammar import Guide
from sightline_runtime.engine.served import Check, Work
from sightline_runtime.protocol import Job, TextDelta, TextRequest, TextResult, Usage


class Reading(Protocol):
    """A prompt that was read: what may come next, and how to read on."""

    @property
    def scores(self) -> Tensor:
        """Log-probabilities (v,) of the next token."""

    def advance(self, token: int) -> None:
        """Read one more token."""

    def fork(self) -> Self:
        """A copy that reads on by itself."""


@dataclass(frozen=True)
class Voice:
    """How a family's tokens become text, and which of them end an answer."""

    text: Callable[[Sequence[int]], str]
    ends: tuple[int, ...]


def write(
    reading: Reading,
    ends: Sequence[int],
    *,
    limit: int,
    choose: Callable[[Tensor, int], int],
    tick: Callable[[list[int]], None],
    guide: Guide | None = None,
) -> tuple[list[int], list[float], bool]:
    """Write until an end token: tokens, log-probabilities of all that was chosen, and whether it ended.

    `choose` picks a token from scores (v,) at a place; `tick` gets the tokens so far. With a
    `guide` the scores are those of the tokens that it allows, and nothing more to write is an end.
    """
    tokens, logs = list[int](), list[float]()
    for place in range(limit):
        scores = reading.scores if guide is None else guide.masked(reading.scores, limit - place)
        token = choose(scores, place)
        logs.append(float(scores[token]))
        if token in ends:
            return tokens, logs, True
        tokens.append(token)
        if guide is not None:
            guide.advance(token)
        tick(tokens)
        if guide is not None and guide.done:
            return tokens, logs, True
        if place + 1 < limit:  # nobody asks what would come after the last one
            reading.advance(token)
    return tokens, logs, False


def choice(temperature: float, seed: int) -> Callable[[Tensor, int], int]:
    """The likeliest token at temperature 0, else one sampled with noise of (seed, "text", place)."""

    def choose(scores: Tensor, place: int) -> int:
        if temperature > 0:
            drawn = torch.from_numpy(noise.gumbel(seed, "text", len(scores), place))
            scores = scores / temperature + drawn.to(scores)
        return int(scores.argmax())

    return choose


def score(reading: Reading, answer: Sequence[int], end: int) -> float:
    """The log-probability of a whole answer, end token included."""
    ahead = reading.fork()
    total = 0.0
    for token in answer:
        total += float(ahead.scores[token])
        ahead.advance(token)
    return total + float(ahead.scores[end])


def answer(
    job: Job[TextResult],
    check: Check,
    request: TextRequest,
    reading: Callable[[], Reading],
    voice: Voice,
    *,
    usage: Usage,
    guide: Guide | None = None,
) -> TextResult:
    """Read a prompt and write the answer as a stream; `usage` is what the prompt cost."""
    started = time.monotonic()
    added: list[str] = []
    said = ""

    def add(text: str) -> None:
        nonlocal said
        added.append(text[len(said) :])
        if added[-1]:
            job.emit(TextDelta(added[-1]))
            said = text

    def tick(tokens: list[int]) -> None:
        check()
        text = voice.text(tokens)
        add(said if text.endswith("�") else text)  # half a character waits for the rest

    tokens, logs, ended = write(
        reading(),
        voice.ends,
        limit=request.max_tokens,
        choose=choice(request.temperature, request.seed),
        tick=tick,
        guide=guide,
    )
    add(voice.text(tokens))
    *whole, rest = added
    pieces = tuple(zip([*whole[:-1], whole[-1] + rest] if whole else (), logs, strict=False))
    cost = usage + Usage(completion_tokens=len(tokens), seconds=time.monotonic() - started)
    finish: Literal["stop", "length"] = "stop" if ended else "length"
    return TextResult(said, math.exp(sum(logs)), {}, finish, (), cost, pieces)


def choose(
    check: Check,
    choices: dict[str, list[int]],
    reading: Callable[[], Reading],
    end: int,
    *,
    usage: Usage,
) -> TextResult:
    """Read a prompt and score each choice as the whole answer."""
    started = time.monotonic()
    read = reading()
    totals = []
    for tokens in choices.values():
        check()
        totals.append(score(read, tokens, end))
    shares = torch.tensor(totals, dtype=torch.float64).softmax(0).tolist()
    probabilities = dict(zip(choices, shares, strict=True))
    best = max(probabilities, key=lambda name: probabilities[name])
    cost = usage + Usage(
        completion_tokens=sum(map(len, choices.values())), seconds=time.monotonic() - started
    )
    return TextResult(best, probabilities[best], probabilities, "stop", (), cost)


def work(
    request: TextRequest,
    choices: dict[str, list[int]],
    reading: Callable[[], Reading],
    voice: Voice,
    *,
    usage: Usage,
    guide: Guide | None = None,
    warnings: tuple[str, ...] = (),
) -> Work[TextResult]:
    """The work of a checked request: score the choices if there are any, else write the answer."""

    def run(job: Job[TextResult], check: Check) -> TextResult:
        if choices:
            result = choose(check, choices, reading, voice.ends[0], usage=usage)
        else:
            result = answer(job, check, request, reading, voice, usage=usage, guide=guide)
        return replace(result, warnings=warnings)

    return run
