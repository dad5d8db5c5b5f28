"""How a verb is awaited: in a thread, and stopped with its await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from sightline.session import Session
from sightline.tree.cancelling import Cancellation

if TYPE_CHECKING:
    pass

P = ParamSpec("P")
T = TypeVar("T")


async def awaited(verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a verb in a thread; cancelling the await cancels the verb and waits until it has ended."""
    stop = Cancellation()
    work = asyncio.create_task(asyncio.to_thread(stop.run, partial(verb, *args, **kwargs)))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.cancel()
        await asyncio.gather(work, return_exceptions=True)
        raise


class AsyncVerbs:
    """The base of the awaited verbs: the session behind them."""

    _session: Session
