"""The asynchronous twin."""

import asyncio
import inspect

import sightline as sl
from sightline.aio import AsyncSession
from sightline.awaited.streams import AsyncStreams
from sightline.chat.streams import Streams
from sightline.session import Session


def public(cls):
    """The public methods and properties of a class."""
    named = [name for base in reversed(cls.__mro__) for name in vars(base) if not name.startswith("_")]
    return {name: inspect.getattr_static(cls, name) for name in named}


def test_the_twin_has_the_same_signatures():
    """Every verb of Session is one of AsyncSession, with the same parameters and the same docstring."""
    for sync, twin in ((Session, AsyncSession), (Streams, AsyncStreams)):
        assert public(sync).keys() == public(twin).keys()
        for name, member in public(sync).items():
            assert inspect.getdoc(member) == inspect.getdoc(public(twin)[name]), name
            if callable(member):
                assert str(inspect.signature(member).parameters) == str(
                    inspect.signature(public(twin)[name]).parameters
                ), name
    assert str(inspect.signature(Session)) == str(inspect.signature(AsyncSession))


def test_the_twin_works(fake):
    """Draw, ask, edit, stream, look back: awaited."""

    async def main():
        async with sl.AsyncSession(runtime=fake, seed=7) as s:
            a = await s.generate("a red star")
            assert (await s.understand(a, "what color is the star ?")).text == "red"
            await s.edit(a, "make the star blue")
            kinds = [type(event).__name__ async for event in s.stream.generate("a ring", steps=3)]
            assert kinds[-1] == "Done"
            assert [step.tool for step in await s.log()] == ["generate", "edit", "understand", "generate"]

    asyncio.run(main())


def test_the_sync_session_works_inside_a_running_loop(fake):
    """A notebook's loop is running: the plain session works there."""

    async def main():
        with sl.Session(runtime=fake) as s:
            return s.generate("a star").image.size

    assert asyncio.run(main()) == (64, 64)


def test_leaving_an_async_stream_stops_it():
    """Breaking out of `async for` leaves no step."""

    async def main():
        async with sl.AsyncSession(runtime=sl.FakeRuntime(delay=0.3), seed=1) as s:
            events = s.stream.generate("a star", steps=50)
            async for _ in events:
                break
            await events.aclose()
            return s.head[1]

    assert asyncio.run(main()) is None
