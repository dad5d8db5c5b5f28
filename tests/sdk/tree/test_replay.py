"""Replay: computed again and compared; how far apart, and which stage is to blame."""

from dataclasses import replace as alter

import numpy as np
import pytest

import sightline as sl
from sightline.store.opening import open_store
from sightline.tree.execute import Executor
from sightline.tree.replay import replay
from sightline_runtime.protocol import Job
from sightline_runtime.testing import FakeRuntime
from sightline_tools.tool import ToolArgs, ToolResult
from sightline_tools.toolbox import default_toolbox


class Drifting(FakeRuntime):
    """A runtime in which one stage begins to give something else."""

    drifts = ""

    def generate_text(self, request):
        """Answer, or say something else."""
        said = super().generate_text(request).result()
        return done(alter(said, text="something else") if self.drifts == "text" else said)

    def generate_features(self, request):
        """Draw, with another plan or other features."""
        made = super().generate_features(request).result()
        if self.drifts == "plan":
            made = alter(made, plans=("another",) * len(made.features))
        if self.drifts in ("plan", "features"):
            made = alter(made, features=tuple(f * 0.9 for f in made.features))
        return done(made)

    def decode_features(self, request):
        """Paint, a little darker."""
        painted = super().decode_features(request).result()
        if self.drifts == "decode":
            painted = alter(painted, images=tuple((p * 0.98).astype(np.uint8) for p in painted.images))
        return done(painted)


def done(result):
    """A job that has ended."""
    job = Job()
    job.finish(result)
    return job


@pytest.fixture
def drifting():
    """A session with a drawing, an edit, a question and a crop, and its runtime."""
    runtime = Drifting()
    with sl.Session(runtime=runtime, seed=7) as session:
        star = session.generate("a red star", n=2)
        session.edit(star, "make the star blue")
        session.understand(star, "what color is the star ?")
        session.crop(star, (0, 0, 0.5, 0.5))
        yield session, runtime


def state(session):
    """Everything that a replay must not change."""
    return session.head, session.branches, session.verify_store(), len(session.reflog())


def test_a_replay_that_gives_the_same_is_ok(drifting):
    """Every step is bitwise the same; nothing moved and nothing was stored."""
    session, _ = drifting
    before = state(session)
    found = session.replay()
    assert found.ok
    assert found.first_difference is None
    assert [(one.step.tool, one.verdict, one.bitwise) for one in found.steps] == [
        (tool, "same", True) for tool in ("generate", "edit", "understand", "crop")
    ]
    assert [(one.max_abs, one.ssim) for one in found.steps] == [(0, 1.0), (0, 1.0), (None, None), (0, 1.0)]
    assert state(session) == before
    assert "<Replay ok: 4 of 4 steps the same>" in repr(found)


@pytest.mark.parametrize(
    ("stage", "blamed", "same"),
    [("plan", "backbone", 2), ("features", "features", 2), ("decode", "decode", 2), ("text", "backbone", 3)],
)
def test_the_first_stage_that_differs_is_blamed(drifting, stage, blamed, same):
    """Kept features tell the backbone, the features and the decoder apart; pure steps stay the same."""
    session, runtime = drifting
    before = state(session)
    runtime.drifts = stage
    found = session.replay()
    assert not found.ok
    assert found.first_difference.blamed == blamed
    assert f"blamed: {blamed}" in repr(found)
    assert sum(one.bitwise for one in found.steps) == same
    assert state(session) == before


def test_differences_are_measured(drifting):
    """A slightly darker picture is close, and how close is told; without verifying it is not looked at."""
    session, runtime = drifting
    runtime.drifts = "decode"
    drawn = session.replay("HEAD~3").steps
    assert len(drawn) == 1
    assert 1 <= drawn[0].max_abs <= 6
    assert 0.95 < drawn[0].ssim < 1
    plain = session.replay(verify=False)
    assert not plain.ok
    assert (plain.steps[0].verdict, plain.steps[0].max_abs, plain.steps[0].blamed) == ("differs", None, None)


def test_without_kept_features_nobody_is_blamed():
    """Where the features are gone nothing can tell the stages apart."""
    runtime, store = Drifting(), open_store()
    run = Executor(store, runtime, default_toolbox(), seed=1)
    star = run.run("generate", {"prompt": "a star"})
    runtime.drifts = "decode"
    assert replay(run, star).steps[0].blamed == "decode"
    store.database.delete_stages([row["key"] for row in store.database.stages()])
    assert replay(run, star).steps[0].blamed is None
    store.close()


def test_a_branch_is_replayed_whole_and_a_step_alone(drifting):
    """The name of a branch means all its steps, that of a step means that step."""
    session, _ = drifting
    session.branch("alt", at="HEAD~1")
    counts = [
        len(session.replay(ref).steps) for ref in (None, "HEAD", "main", "alt", "HEAD~1", session.log()[0])
    ]
    assert counts == [4, 4, 4, 3, 1, 1]


def test_a_changed_tool_is_blamed(tmp_path, fake):
    """A new version of a tool, and one that gives something else under the same version."""
    from tests.tools.test_tool import flip

    def other(args, ctx):
        return repainted(flip, args, ctx)

    def repainted(tool, args, ctx):
        made = tool.run(args, ctx)
        return made.model_copy(update={"image": ctx.save(np.zeros((4, 4, 3), np.uint8))})

    with sl.Session(tmp_path / "s", runtime=fake, toolbox=default_toolbox().with_tools(flip)) as s:
        s.call("flip", image=s.generate("a star"))
    for changed, detail in (
        (alter(flip, version="2"), "version 1, is 2"),
        (alter(flip, function=other), "image"),
    ):
        with sl.Session(tmp_path / "s", runtime=fake, toolbox=default_toolbox().with_tools(changed)) as s:
            found = s.replay().first_difference
            assert (found.step.tool, found.verdict, found.blamed) == ("flip", "differs", "tool")
            assert detail in found.detail
            assert found.ssim is None


def test_what_cannot_be_compared_is_skipped(session):
    """Pictures from outside and stateful tools are no differences."""
    seen = []

    class Nothing(ToolArgs):
        """No arguments."""

    class Count(ToolResult):
        """How often."""

        times: int

    @sl.tool(version="1", stateful=True)
    def count(args: Nothing, ctx: sl.ToolContext) -> Count:
        """Count the calls."""
        seen.append(1)
        return Count(times=len(seen))

    with sl.Session(runtime=session.runtime, toolbox=default_toolbox().with_tools(count)) as s:
        s.add(np.zeros((4, 4, 3), np.uint8))
        s.call("count")
        found = s.replay()
        assert found.ok
        assert [one.verdict for one in found.steps] == ["skipped", "skipped"]
        assert len(seen) == 1


def test_a_replay_of_nothing_is_ok(session):
    """An empty branch has nothing that differs; an unknown name is an error."""
    assert session.replay().steps == ()
    with pytest.raises(sl.NotFoundError):
        session.replay("nowhere")
