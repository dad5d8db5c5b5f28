"""The asynchronous twin of a toolset."""

import asyncio
import inspect
import time

import pytest
from tests.sdk.toolset.conftest import call_of

import sightline as sl
from sightline.toolset.awaited import AsyncToolset
from sightline.toolset.toolset import Toolset

CALL = call_of("chat", "generate", {"prompt": "a star", "steps": 100})


def test_the_twin_has_the_same_signatures():
    """Every public name, with the same parameters and the same docstring."""
    members = [
        {name: value for name, value in vars(cls).items() if name[0] != "_"}
        for cls in (Toolset, AsyncToolset)
    ]
    assert members[0].keys() == members[1].keys()
    for name, member in members[0].items():
        twin = members[1][name]
        assert inspect.getdoc(member) == inspect.getdoc(twin), name
        if callable(member):
            assert str(inspect.signature(member).parameters) == str(inspect.signature(twin).parameters), name


def test_calls_are_awaited(fake):
    """One, all of a message, and one that waited."""

    async def main():
        async with sl.AsyncSession(runtime=fake) as s:
            ts = s.toolset(include=["generate", "pictures"], prefix="x_").renamed({"x_pictures": "list"})
            assert [len(form()) for form in (ts.openai, ts.anthropic, ts.json_schema)] == [2, 2, 2]
            assert [offer.name for offer in ts.tools] == ["x_generate", "list"]
            one = await ts.only("x_*").handle(call_of("plain", "x_generate", {"prompt": "a star"}))
            two = await ts.wrapped(lambda call, go: go(call)).handle_all([call_of("anthropic", "list", {})])
            assert ts.follow_up([one]) is None
            assert ts.spent.steps == 2
            assert [offer.name for offer in ts.without("list").prefixed("y_").tools] == ["y_x_generate"]
            asked = s.toolset(approve=lambda _: None)
            waits = await asked.handle(call_of("plain", "pictures", {}))
            return one, two, await asked.resume(waits.pending, approved=True)

    one, [two], three = asyncio.run(main())
    assert one["structured"]["images"][0]["alias"] == "img1"
    assert two["content"][0]["content"][0]["text"].startswith("1 of 1 pictures")
    assert three.outcome.fault is None


def test_cancelling_the_await_stops_the_work():
    """The model stops, and no step is on the branch."""

    async def main():
        async with sl.AsyncSession(runtime=sl.FakeRuntime(delay=60)) as s:
            task = asyncio.create_task(s.toolset().handle(CALL))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return s.head[1]

    started = time.monotonic()
    assert asyncio.run(main()) is None
    assert time.monotonic() - started < 20
