"""Calls of one session at the same time, other writers, and pictures of other sessions."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sightline as sl
from sightline_tools.tool import Picture, ToolArgs
from sightline_tools.toolbox import Toolbox


class Level(ToolArgs):
    """How bright."""

    level: int


def grey(level):
    """A small picture of one colour."""
    return np.full((4, 4, 3), level, np.uint8)


def test_awaited_together_every_step_is_on_the_branch():
    """Eight pictures added at once are eight steps, one after the other."""

    async def main():
        async with sl.AsyncSession(runtime=sl.FakeRuntime()) as s:
            await asyncio.gather(*(s.add(grey(level)) for level in range(8)))
            return await s.log()

    steps = asyncio.run(main())
    assert len(steps) == 8
    assert [step.parent for step in steps] == [*(step.id for step in steps[1:]), None]


def test_calls_that_end_together_lose_no_step(tmp_path, fake):
    """Eight calls compute side by side and end in the same moment: all are on the branch, in one line."""
    together = threading.Barrier(8, timeout=60)

    @sl.tool(version="1")
    def meet(args: Level, ctx: sl.ToolContext) -> Picture:
        """Make a grey picture once all others have."""
        made = Picture(image=ctx.save(grey(args.level)))
        together.wait()
        return made

    with sl.Session(tmp_path / "s", runtime=fake, toolbox=Toolbox(meet)) as s:
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda level: s.call("meet", level=level), range(8)))
        assert {step.id for step in s.log()} == {result.step.id for result in made}
        assert s.verify_store().problems == ()


def test_a_stale_writer_repeats_the_call_and_goes_on(tmp_path, fake):
    """After StaleHeadError the new head is seen, and the same call lands on it, found again."""
    with sl.Session(tmp_path / "s", runtime=fake) as one, sl.Session(tmp_path / "s", runtime=fake) as two:
        first = one.generate("a star")
        with pytest.raises(sl.StaleHeadError):
            two.generate("a ring")
        assert two.head == ("main", first.step.id)
        assert two.log()[0].id == first.step.id
        again = two.generate("a ring")
        assert (again.cache.status, again.step.parent) == ("hit", first.step.id)


def test_results_of_another_session_are_brought_in(session, fake):
    """A foreign result is taken as a picture; its step is not: it is not in this store."""
    with sl.Session(runtime=fake, seed=99) as other:
        star = other.generate("a red star")
        assert session.understand(star, "what color is the star ?").text == "red"
        assert [step.tool for step in session.log()] == ["understand", "add"]
        session.crop(star, (0, 0, 0.5, 0.5))
        for refused in (session.show, session.replay, lambda at: session.branch("x", at=at)):
            with pytest.raises(sl.NotFoundError, match="no step"):
                refused(star)
    assert session.log()[0].data_parents == (session.log()[2].id,)
    assert session.verify_store().problems == ()


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.edit(grey(0), ""),
        lambda s: s.understand(grey(0), "what ?", choices=("a", "a")),
        lambda s: s.edit(grey(0), "star " * 1000),
        lambda s: s.composite(grey(0), grey(1), alpha=7),
    ],
)
def test_a_refused_call_brings_no_picture_in(session, call):
    """An error leaves branch and store as they were, also where the call came with a new picture."""
    with pytest.raises(sl.InputError):
        call(session)
    report = session.verify_store()
    assert (session.log(), report.steps, report.images, report.objects) == ([], 0, 0, 0)


def test_a_picture_given_twice_is_brought_in_once(session):
    """Both arguments come from one step."""
    made = session.composite(grey(0), grey(0))
    assert [step.tool for step in session.log()] == ["composite", "add"]
    assert made.step.data_parents == (session.log()[1].id,)
