"""Calls of one message at the same time, as far as they do not need each other; answers in order."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sightline.toolset.calls import ToolCall
from sightline.toolset.deadlines import within
from sightline.toolset.messages import ToolMessage
from sightline.toolset.running import Turn
from sightline.tree import cancelling

Answer = Callable[[ToolCall, Turn], ToolMessage]

_GRACE = 5.0
"""Seconds that stopped calls get to say that they were."""
_LOOK = 0.05
"""Seconds between two looks whether a call that waits for its turn was stopped."""


def answered(
    calls: Sequence[ToolCall], answer: Answer, *, alone: Callable[[ToolCall], bool], parallel: int
) -> list[ToolMessage]:
    """The answers to calls, in their order, which is that of their steps; at most `parallel` at a time.

    A call that is to run `alone` (asked when all before it are done) runs after them and
    before all others.
    """
    waiting, done = deque(calls), list[ToolMessage]()
    while waiting:
        group = [waiting.popleft()]
        if not alone(group[0]):
            while waiting and not alone(waiting[0]):
                group.append(waiting.popleft())
        done += _at_once(group, answer, parallel)
    return done


def at_once() -> None:
    """The turn of a call that waits for no other."""


def _at_once(group: list[ToolCall], answer: Answer, parallel: int) -> list[ToolMessage]:
    if len(group) == 1 or parallel == 1:
        return [answer(call, at_once) for call in group]
    return within(None, partial(_pooled, group, answer, parallel), grace=_GRACE)


def _pooled(group: list[ToolCall], answer: Answer, parallel: int) -> list[ToolMessage]:
    ended = [threading.Event() for _ in group]

    def one(index: int) -> ToolMessage:
        try:
            return answer(group[index], partial(_wait, ended[:index]))
        finally:
            ended[index].set()

    with ThreadPoolExecutor(min(parallel, len(group)), "sightline-tools") as pool:
        running = [pool.submit(contextvars.copy_context().run, one, index) for index in range(len(group))]
        return [each.result() for each in running]


def _wait(before: list[threading.Event]) -> None:
    """Wait until all calls before have ended; each of them ends in its own time."""
    for each in before:
        while not each.wait(_LOOK):
            cancelling.current().check()
