"""Equal work is found again: across branches, sessions, processes and threads; never for a stateful tool."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import sightline as sl
from sightline_tools.tool import Picture, ToolArgs
from sightline_tools.toolbox import Toolbox, default_toolbox

PROGRAM = """
import json, sys
import sightline as sl

path, options = sys.argv[1], json.loads(sys.argv[2])
runtime = sl.FakeRuntime()
where = {"store": path} if sys.argv[3:] else {}
with sl.Session(options.pop("name", path), runtime=runtime, **where) as s:
    drawn = s.generate("a red star", seed=3, **options)
    print(json.dumps([drawn.cache.status, runtime.calls, drawn.image.ref.pixels]))
"""


def elsewhere(path, shared=False, **options):
    """Draw in another process: how much was found, what was computed, and the picture."""
    command = [sys.executable, "-c", PROGRAM, str(path), json.dumps(options), *(["shared"] if shared else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_another_process_finds_what_was_done(tmp_path, fake):
    """Whole steps and features alike."""
    path = tmp_path / "s"
    with sl.Session(path, runtime=fake) as s:
        drawn = s.generate("a red star", seed=3)
    assert elsewhere(path) == ["hit", [], drawn.image.ref.pixels]
    assert elsewhere(path, size=[32, 32])[:2] == ["partial", ["decode_features"]]
    with sl.Session(path, runtime=fake) as s:
        assert s.generate("a red star", seed=3, size=(32, 32)).cache.status == "hit"


def test_sessions_of_one_store_share_their_work(tmp_path):
    """Another name, another process, the same store."""
    first = elsewhere(tmp_path / "all", shared=True, name="cats")
    assert first[0] == "miss"
    assert elsewhere(tmp_path / "all", shared=True, name="dogs") == ["hit", [], first[2]]
    assert elsewhere(tmp_path / "all", shared=True, name="birds", draft=True)[0] == "partial"


def test_every_branch_finds_what_another_did(session, fake):
    """A recipe knows no branch; the found step stands on the branch that asked."""
    star = session.generate("a star", seed=1)
    edited = session.edit(star, "make the background black", seed=2)
    session.branch("alt", at=star)
    session.checkout("alt")
    calls = len(fake.calls)
    again = session.edit(star, "make the background black", seed=2)
    assert (again.cache.status, len(fake.calls)) == ("hit", calls)
    assert (again.image.ref, again.step.parent) == (edited.image.ref, star.step.id)
    assert (again.step.recipe, again.step.seconds, dict(again.step.usage)) == (edited.step.recipe, 0, {})


def test_a_found_step_keeps_the_features_of_what_it_repeats(session):
    """A sweep of the first must not take them from the second."""
    first, second = (session.generate("a star", seed=1) for _ in range(2))
    rows = [session._store.database.stages_of(result.step.id) for result in (first, second)]
    assert rows[0] == rows[1] != []


@pytest.mark.parametrize("times", range(3))
def test_threads_that_ask_the_same_at_once_get_the_same(tmp_path, times):
    """Whoever computes, all pictures are equal, every step is on the branch, and the store is whole."""
    runtime = sl.FakeRuntime(delay=0.02)
    together = threading.Barrier(4)
    with sl.Session(tmp_path / "s", runtime=runtime, seed=5) as s:

        def draw(n):
            together.wait()
            return s.generate("a star", n=n, seed=1)

        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(draw, (2, 2, 2, 3)))
        assert len({tuple(p.ref.pixels for p in result.images[:2]) for result in made}) == 1
        assert {step.id for step in s.log()} == {result.step.id for result in made}
        assert s.generate("a star", n=2, seed=1).cache.status == "hit"
        assert s.verify_store().problems == ()


class Clock:
    """A tool that gives something else each time; counts its runs."""

    def __init__(self, **options):
        self.runs = 0

        @sl.tool(version="1", **options)
        def clock(args: ToolArgs, ctx: sl.ToolContext) -> Picture:
            """Make a picture of how often it ran."""
            self.runs += 1
            return Picture(image=ctx.save(np.full((2, 2, 3), self.runs, np.uint8)))

        self.toolbox = Toolbox(clock)


@pytest.mark.parametrize(("stateful", "runs"), [(True, 3), (False, 1)])
def test_a_stateful_tool_runs_every_time(fake, stateful, runs):
    """Its steps are recorded, with what came out, but never served."""
    clock = Clock(stateful=stateful)
    with sl.Session(runtime=fake, toolbox=clock.toolbox) as s:
        made = [s.call("clock") for _ in range(3)]
        assert clock.runs == runs
        assert [int(result.image.numpy()[0, 0, 0]) for result in made] == (
            [1, 2, 3] if stateful else [1, 1, 1]
        )
        assert [result.cache.status for result in made] == ["miss", *["miss" if stateful else "hit"] * 2]
        assert len(s.log()) == 3
        told = s.explain(made[-1])
        assert ("stateful" in told.cache.why) == ("stateful" in made[-1].cache.why) == stateful


def test_a_stateful_tool_is_served_no_features_either(fake):
    """It sees the bare runtime, so that nothing it draws comes from the store."""
    from sightline_tools.vision import GenerateArgs, generate

    @sl.tool(version="1", runtime=True, seeded=True, stateful=True)
    def sketch(args: GenerateArgs, ctx: sl.ToolContext) -> Picture:
        """Draw, whatever was drawn before."""
        return Picture(image=generate.run(args, ctx).images[0])

    with sl.Session(runtime=fake, toolbox=default_toolbox().with_tools(sketch)) as s:
        for _ in range(2):
            assert s.call("sketch", prompt="a star").cache.status == "miss"
        assert fake.calls == ["generate_features", "decode_features"] * 2
        assert s._store.database.stages() == []


def test_a_stateful_pure_tool_needs_no_model():
    """The recipe of a tool that does not use the model has no fingerprint."""

    with sl.Session(toolbox=Clock(stateful=True).toolbox) as s:
        assert s.call("clock").step.fingerprint == ""


def test_old_calls_have_the_recipes_they_had(session):
    """The recipe of a call without younger arguments is that of the first release, and so are its seeds."""
    from sightline.tree.recipe import canonical, recipe_digest

    drawn = session.generate("a star", guidance=1.5)
    args = {"n": 1, "steps": None, "guidance": canonical(1.5), "size": None, "prompt": "a star"}
    fingerprint = session.runtime.info.fingerprint
    assert drawn.step.args == args
    assert drawn.step.recipe == recipe_digest(("generate", "1"), args, (), drawn.seeds, fingerprint)
    assert drawn.seeds == (3374297270933274034,)  # of session seed 7, as the first release chose it
    assert drawn.step.recipe == "ac6b8c4d8623c7e7f56a6c2fd0817236c813b4fb25d230f78914fceb1a4c5b42"


def test_a_step_under_the_recipe_of_another_call_does_not_serve(fake):
    """A recipe says where to look; what is found must be the same call."""
    with sl.Session(runtime=sl.FakeRuntime(), seed=1) as other:
        wanted = other.generate("a blue ring")
    with sl.Session(runtime=fake, seed=1) as s:
        drawn = s.generate("a red star")
        forged = replace(drawn.step, recipe=wanted.step.recipe, parent=drawn.step.id, id="")
        s._executor.store.database.insert_step(forged.to_row(), made=forged.images())
        asked = s.generate("a blue ring")
        assert asked.step.recipe == forged.recipe
        assert asked.cache.status == "miss"
        assert asked.image.ref == wanted.image.ref
