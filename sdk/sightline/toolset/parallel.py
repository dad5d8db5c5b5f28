"""Calls of one message at the same time, as far as they do not need each other; answers in order."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sightline.toolset.calls import ToolCall
from sightline.toolset.deadlines import within
from sightline.toolset.messages import ToolMessage

Answer = Callable[[ToolCall], ToolMessage]

_GRACE = 5.0
"""Seconds that stopped calls get to say that they were."""


def answered(
    calls: Sequence[ToolCall], answer: Answer, *, alone: Callable[[ToolCall], bool], parallel: int
) -> list[ToolMessage]:
    """The answers to calls, in their order; at most `parallel` run at a time.

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


def _at_once(group: list[ToolCall], answer: Answer, parallel: int) -> list[ToolMessage]:
    if len(group) == 1 or parallel == 1:
        return [answer(call) for call in group]
    return within(None, partial(_pooled, group, answer, parallel), grace=_GRACE)


def _pooled(group: list[ToolCall], answer: Answer, parallel: int) -> list[ToolMessage]:
    with ThreadPoolExecutor(min(parallel, len(group)), "sightline-tools") as pool:
        running = [pool.submit(contextvars.copy_context().run, answer, call) for call in group]
        return [each.result() for each in running]
