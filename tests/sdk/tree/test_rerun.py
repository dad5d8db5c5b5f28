"""Rerun: exactly what depends on a change is computed again, and gives what a fresh run would."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sightline as sl
from sightline.store.opening import open_store
from sightline.tree.cancelling import Cancellation
from sightline.tree.execute import Executor
from sightline.tree.recipe import dialogue_digest
from sightline.tree.rerun import rerun
from sightline_runtime.protocol import Job
from sightline_runtime.testing import FakeRuntime
from sightline_tools.tool import Pictures, ToolArgs
from sightline_tools.toolbox import default_toolbox


class Moody(FakeRuntime):
    """Answers until it is told not to; may cancel what runs instead."""

    silent = False
    stop = None

    def generate_text(self, request):
        """Answer, fail, or have the work cancelled."""
        if self.stop is not None:
            self.stop.cancel()
        if self.silent:
            job = Job()
            job.fail(sl.EngineError("no answer came", hint="ask again"))
            return job
        return super().generate_text(request)


RED = np.full((64, 64, 3), (220, 40, 40), np.uint8)
GREEN = np.full((64, 64, 3), (40, 220, 40), np.uint8)


def line(session, branch):
    """What the steps of a branch are and gave, oldest first."""
    return [(step.tool, step.recipe, step.outputs) for step in session.log(branch=branch)[::-1]]


@pytest.fixture
def story(session):
    """A line of six steps: two pictures, an edit, a question, a star, a sheet of three."""
    two = session.generate("a red circle left of a blue square", n=2)
    edited = session.edit(two.images[1], "make the circle green")
    asked = session.understand(edited, "what color is the circle ?")
    star = session.generate("a star")
    session.grid([two.images[0], edited, star])
    return two, edited, asked, star


def test_only_the_dependents_of_a_change_are_computed(session, fake, story):
    """An edit is changed: it, the question about it, and the sheet are computed, nothing else."""
    two, edited, asked, star = story
    head, branches = session.head, dict(session.branches)
    fake.calls.clear()
    done = session.rerun(changes={edited: {"instruction": "make the circle yellow"}})
    assert fake.calls == ["generate_features", "decode_features", "generate_text"]
    assert done.invalidated == (edited.step.id, asked.step.id, head[1])
    assert [session.show(step).step.tool for step in done.recomputed] == ["edit", "understand", "grid"]
    assert done.reused == (two.step.id, done.steps[star.step.id])
    assert session.show(done.steps[asked.step.id]).text == "yellow"
    assert (session.head, done.branch) == (head, "main-rerun")
    assert session.branches == branches | {"main-rerun": done.head}
    assert session.verify_store().problems == ()


def test_a_rerun_without_changes_reuses_all(session, fake, story):
    """No change, or one that changes nothing, computes nothing and ends at the same step."""
    _, edited, _, star = story
    fake.calls.clear()
    for changes in (None, {}, {edited: {"instruction": "make the circle green"}, star: {"n": 1}}):
        done = session.rerun(changes=changes)
        assert (done.head, done.recomputed, done.invalidated) == (session.head[1], (), ())
        assert len(done.reused) == 5
    assert fake.calls == []
    assert sorted(session.branches) == ["main", "main-rerun", "main-rerun-2", "main-rerun-3"]


def test_a_change_that_leads_to_equal_pictures_stops_there(session, fake):
    """What an edit that leaves its picture as it was leads to is found, not computed."""
    star = session.generate("a red star")
    same = session.edit(star, "remove the ring")
    session.understand(same, "what color is the star ?")
    fake.calls.clear()
    done = session.rerun(changes={same: {"instruction": "remove the blue ring"}})
    assert fake.calls == ["generate_features"]
    assert (len(done.invalidated), len(done.recomputed), len(done.reused)) == (2, 1, 2)


def test_the_second_rerun_finds_the_work_of_the_first(session, fake, story):
    """The same change again computes nothing."""
    change = {story[1]: {"instruction": "make the circle yellow"}}
    session.rerun(changes=change)
    fake.calls.clear()
    again = session.rerun(changes=change)
    assert (fake.calls, again.recomputed) == ([], ())


def test_steps_are_named_in_every_way(session, story):
    """A result, a step, an id, its beginning, a tag, a place before the head and a picture name steps."""
    _, edited, _, _ = story
    session.tag("edited", at=edited)
    step = edited.step
    for name in (edited, step, step.id, step.short, "@edited", "HEAD~3", "main~3", edited.alias):
        done = session.rerun(changes={name: {"instruction": "make the circle yellow"}})
        assert done.invalidated[0] == step.id
        session.drop(done.branch)


def test_a_rerun_may_end_earlier_and_elsewhere(session, story):
    """A step in the middle ends the program; the branch has the name that is given."""
    _, edited, _, _ = story
    session.branch("alt", at=edited)
    assert session.rerun("alt", changes={"alt": {"steps": 2}}).branch == "alt-rerun"
    done = session.rerun(edited, changes={edited: {"steps": 3}}, branch="mine")
    assert (done.branch, len(done.reused), len(done.recomputed)) == ("mine", 1, 1)


def test_a_picture_from_outside_can_be_exchanged(session):
    """The picture that was brought in is an argument too: the rest follows."""
    session.add(RED)
    brought = session.log()[0]
    session.crop(brought, (0, 0, 0.5, 0.5))
    done = session.rerun(changes={brought: {"image": GREEN}})
    assert tuple(session.show(done.head).image.numpy()[0, 0]) == (40, 220, 40)
    assert len(done.recomputed) == 2


def test_a_changed_picture_follows_the_step_that_makes_it(session):
    """A picture of an earlier step among the changes is the one that step makes now."""
    star, ring = session.generate("a red star"), session.generate("a red ring")
    asked = session.understand(ring, "what color is the star ?")
    changes = {star: {"prompt": "a blue star"}, asked: {"image": star}}
    done = session.rerun(changes=changes)
    assert session.show(done.head).text == "blue"
    assert ring.step.id in done.steps


def test_given_seeds_are_kept_and_chosen_ones_are_chosen_anew(session):
    """A seed that was given stays, the session's own follow from the changed call."""
    given, chosen = session.generate("a star", seed=5, n=2), session.generate("a ring")
    done = session.rerun(changes={given: {"prompt": "a heart", "n": 3}, chosen: {"prompt": "a cross"}})
    again = session.show(done.steps[given.step.id])
    assert again.seeds[:2] == given.seeds
    assert again.seeds == session.generate("a heart", seed=5, n=3).seeds
    assert session.show(done.head).seeds == session.generate("a cross").seeds != chosen.seeds


def test_a_seed_is_among_the_changes(session):
    """A new seed draws another picture, None lets the session choose."""
    star = session.generate("a star", seed=5)
    assert session.show(session.rerun(changes={star: {"seed": 6}}).head).seeds == (6,)
    own = session.show(session.rerun(changes={star: {"seed": None}}).head)
    assert own.seeds == session.generate("a star").seeds


def test_steps_of_other_branches_are_part_of_the_program(session):
    """What was made from a picture by way of another branch depends on it too, and is computed beside it."""
    star = session.generate("a red star")
    session.branch("alt", at=star)
    session.checkout("alt")
    blue = session.edit(star, "make the star blue")
    session.checkout("main")
    session.crop(blue, (0, 0, 0.5, 0.5))
    done = session.rerun(changes={star: {"prompt": "a red ring"}})
    assert [step.tool for step in session.log(branch=done.branch)] == ["crop", "edit", "generate"]
    assert done.invalidated == (star.step.id, blue.step.id, session.head[1])


def test_copies_on_other_branches_stand_for_their_originals(session, story):
    """A picture that is named by its short name has the newest copy's step as parent: it still depends."""
    two, *_ = story
    session.rerun(changes={story[3]: {"steps": 2}})
    session.crop("img1", (0, 0, 0.5, 0.5))
    done = session.rerun(changes={two: {"steps": 3}})
    assert session.head[1] in done.invalidated


def test_what_was_read_twice_is_mapped_twice(session):
    """Two steps that made the same pixels are told apart when they no longer do."""
    star = session.generate("a red star")
    same = session.edit(star, "remove the ring")
    session.compare(star, same)
    done = session.rerun(changes={same: {"instruction": "make the star blue"}})
    compared = session.show(done.head)
    assert not compared.values["identical"]
    assert compared.step.data_parents == (star.step.id, done.steps[same.step.id])


@pytest.mark.parametrize("whole", [True, False])
def test_a_promoted_draft_follows_its_draft(fake, whole):
    """Another prompt or seed of a draft is another full picture, as promoting the new draft gives."""
    with sl.Session(runtime=fake, seed=3) as s:
        draft = s.generate("a star", n=3, draft=True)
        full = s.promote(draft if whole else draft.images[2])
        s.edit(full, "change the background to black")
        for change in ({"prompt": "a red ring"}, {"seed": 8}, {"prompt": "two hearts", "seed": 9}):
            done = s.rerun(changes={draft: change})
            new = s.show(done.steps[draft.step.id])
            again = s.show(done.steps[full.step.id])
            assert again.step.data_parents == (new.step.id,)
            assert again.seeds == (new.seeds if whole else new.seeds[2:])
            with sl.Session(runtime=FakeRuntime(), seed=3) as t:
                plain = t.generate(**{"prompt": "a star", "n": 3, "draft": True} | change)
                expected = t.promote(plain if whole else plain.images[2])
                assert [p.ref for p in again.images] == [p.ref for p in expected.images]
        if whole:
            assert len(s.show(s.rerun(changes={draft: {"n": 2}}).steps[full.step.id]).images) == 2
        else:
            with pytest.raises(sl.InputError, match="reads picture 3"):
                s.rerun(changes={draft: {"n": 2}})


def test_masks_are_pictures_too(session):
    """A mask that an earlier step made is mapped like any picture."""
    mask = session.add(np.full((64, 64, 3), 255, np.uint8))
    half = session.composite(mask, np.zeros((64, 32, 3), np.uint8))
    star = session.generate("a red star")
    edited = session.edit(star, "change the background to black", region=half)
    narrow = np.zeros((64, 64, 3), np.uint8)
    narrow[:, 60:] = 255
    done = session.rerun(changes={mask: {"image": narrow}})
    assert edited.step.id in done.invalidated
    assert star.step.id not in done.invalidated
    before, after = star.image.numpy(), session.show(done.head).image.numpy()
    assert np.array_equal(after[:, :60], before[:, :60])
    assert (after[:, 60:] != before[:, 60:]).any()


def test_a_dialogue_makes_every_earlier_step_count(fake):
    """A step that read the dialogue depends on all before it, one that did not on its pictures alone."""
    store = open_store()
    run = Executor(store, fake, default_toolbox(), seed=1)
    star = run.run("generate", {"prompt": "a red star"})
    other = run.run("generate", {"prompt": "a ring"})
    asked = {"image": star, "question": "what color is the star ?"}
    run.finish(run.prepare("understand", asked))
    talked = run.finish(run.prepare("understand", asked, dialogue=dialogue_digest([other.step.recipe])))
    done = rerun(run, talked.step.id, {other: {"prompt": "a heart"}}, "new")
    assert done.invalidated == (other.step.id, talked.step.id)
    again = run.step(done.head)
    recipes = [run.step(step).recipe for step in (*done.reused, *done.recomputed) if step != done.head]
    assert again.context == dialogue_digest([recipes[0], recipes[2], recipes[1]])
    assert again.recipe != talked.step.recipe
    store.close()


@pytest.fixture
def moody():
    """A session whose runtime can be told to fail, with a picture, an edit, a question and a crop."""
    runtime = Moody()
    with sl.Session(runtime=runtime, seed=1) as session:
        star = session.generate("a red star")
        blue = session.edit(star, "make the star blue")
        session.understand(blue, "what color is the star ?")
        session.crop(blue, (0, 0, 0.5, 0.5))
        yield session, runtime, star


def test_a_failure_midway_leaves_what_was_done_and_says_where(moody):
    """The new branch holds the steps before the failure; the next try computes only the rest."""
    session, runtime, star = moody
    head, main = session.head, session.log()
    runtime.silent = True
    with pytest.raises(sl.EngineError) as caught:
        session.rerun(changes={star: {"prompt": "a red ring"}})
    assert "stopped at step 3 of 4 (understand " in caught.value.message
    assert caught.value.message.endswith("no answer came")
    assert caught.value.hint == "ask again; the branch 'main-rerun' holds what was done"
    assert [step.tool for step in session.log(branch="main-rerun")] == ["edit", "generate"]
    assert (session.head, session.log()) == (head, main)
    assert session.verify_store().problems == ()
    runtime.silent = False
    runtime.calls.clear()
    assert len(session.rerun(changes={star: {"prompt": "a red ring"}}).recomputed) == 2
    assert runtime.calls == ["generate_text"]


def test_a_cancelled_rerun_leaves_what_was_done(moody):
    """Cancelling in the middle is one error; the branch holds the steps before it."""
    session, runtime, star = moody
    stop = runtime.stop = Cancellation()
    with pytest.raises(sl.CancelledError, match="stopped at step 3 of 4"):
        stop.run(lambda: session.rerun(changes={star: {"prompt": "a red ring"}}))
    runtime.stop = None
    assert len(session.log(branch="main-rerun")) == 2
    assert session.rerun(changes={star: {"prompt": "a red ring"}}).head


def test_a_step_that_makes_too_little_stops_the_rerun(session):
    """A picture that a foreign tool no longer makes is missed when it is read."""

    class Count(ToolArgs):
        """How many."""

        many: int

    @sl.tool(version="1")
    def squares(args: Count, ctx: sl.ToolContext) -> Pictures:
        """Draw grey squares."""
        return Pictures(images=tuple(ctx.save(np.full((8, 8, 3), i, np.uint8)) for i in range(args.many)))

    with sl.Session(runtime=session.runtime, toolbox=default_toolbox().with_tools(squares)) as s:
        three = s.call("squares", many=3)
        s.crop(three.images[2], (0, 0, 0.5, 0.5))
        with pytest.raises(sl.InputError, match=r"step 2 of 2 .* reads picture 3 .* which made 2"):
            s.rerun(changes={three: {"many": 2}})


IMPOSSIBLE = {
    "an unknown step": lambda s, a, b: {"deadbeef": {"n": 1}},
    "a step of another line": lambda s, a, b: {"other": {"n": 2}},
    "something that is no step": lambda s, a, b: {5: {"n": 2}},
    "an unknown argument": lambda s, a, b: {a: {"promt": "a ring"}},
    "a wrong type": lambda s, a, b: {a: {"steps": "many"}},
    "a wrong value": lambda s, a, b: {a: {"prompt": "a ring"}, b: {"steps": 0}},
    "an argument that fits no more": lambda s, a, b: {"HEAD": {"width": -1}},
    "a missing file": lambda s, a, b: {a: {"prompt": "a ring"}, b: {"image": "nowhere.png"}},
    "no picture": lambda s, a, b: {b: {"image": 5}},
    "a seed that is none": lambda s, a, b: {a: {"seed": -1}},
    "a seed of what has none": lambda s, a, b: {"HEAD": {"seed": 1}},
    "a picture that is no longer made": lambda s, a, b: {a: {"n": 1}},
    "one argument twice": lambda s, a, b: {a: {"n": 3}, a.step.id: {"n": 4}},
    "another argument of a picture": lambda s, a, b: {"brought": {"notes": []}},
    "arguments that are none": lambda s, a, b: {a: 5},
    "changes that are none": lambda s, a, b: 5,
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_changes_are_refused_before_anything_is_computed(session, fake, case):
    """Each is one error of the tree with a hint; no branch is made, nothing runs."""
    session.branch("elsewhere")
    session.checkout("elsewhere")
    session.tag("other", at=session.generate("a heart"))
    session.checkout("main")
    session.tag("brought", at=session.add(RED))
    a = session.generate("a red star", n=2)
    b = session.edit(a.images[1], "make the star blue")
    session.resize(b, width=32)
    branches, steps = dict(session.branches), session.verify_store().steps
    fake.calls.clear()
    with pytest.raises(sl.InputError) as caught:
        session.rerun(changes=IMPOSSIBLE[case](session, a, b))
    assert caught.value.hint
    assert (session.branches, session.verify_store().steps, fake.calls) == (branches, steps, [])


def test_an_empty_branch_and_a_taken_name_are_refused(session):
    """There is nothing to run, and no branch is overwritten."""
    with pytest.raises(sl.NotFoundError):
        session.rerun()
    session.generate("a star")
    with pytest.raises(sl.InputError, match="already a branch"):
        session.rerun(branch="main")
    assert list(session.branches) == ["main"]


def test_a_tool_that_is_gone_is_missed_only_where_it_is_needed(tmp_path, fake):
    """Steps that are taken over need no tool; one to compute is refused before anything runs."""
    from tests.tools.test_tool import flip

    with sl.Session(tmp_path / "s", runtime=fake, toolbox=default_toolbox().with_tools(flip)) as s:
        star, ring = s.generate("a star"), s.generate("a ring")
        s.call("flip", image=star)
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        assert len(s.rerun(changes={ring.step.id: {"steps": 2}}).recomputed) == 1
        fake.calls.clear()
        with pytest.raises(sl.NotFoundError, match="flip"):
            s.rerun(changes={star.step.id: {"steps": 2}})
        assert fake.calls == []


# --- rerun ≡ a fresh run of the changed program --------------------------------------------------

PROMPTS = st.sampled_from(["a star", "a red ring", "two hearts", "a cross left of a ring"])
EDITS = st.sampled_from(["make the star blue", "add a heart", "change the background to black"])
SEEDS = st.none() | st.integers(0, 3)
DRAWN = st.tuples(
    st.just("generate"), st.fixed_dictionaries({"prompt": PROMPTS, "n": st.integers(1, 2)}), SEEDS
)
MADE = st.one_of(
    st.tuples(st.just("edit"), st.fixed_dictionaries({"instruction": EDITS}), SEEDS),
    st.tuples(st.just("crop"), st.just({"box": (0.0, 0.0, 0.5, 1.0)}), st.none()),
    st.tuples(st.just("understand"), st.just({"question": "how many objects are there ?"}), st.none()),
    st.tuples(st.just("grid"), st.just({"padding": 1}), st.none()),
)


def perform(session, calls, reads):
    """Run calls, each on a picture of an earlier one; gives their results."""
    results = []
    for (tool, args, seed), read in zip(calls, reads, strict=True):
        shown = [result for result in results if result.images]
        if tool == "generate":
            results.append(session.generate(**args, seed=seed))
            continue
        source = shown[read % len(shown)]
        picture = {"images": source} if tool == "grid" else {"image": source}
        seeded = {"seed": seed} if tool == "edit" else {}
        results.append(getattr(session, tool)(*picture.values(), **args, **seeded))
    return results


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.one_of(DRAWN, MADE), max_size=6),
    DRAWN,
    st.lists(st.integers(0, 5), min_size=7, max_size=7),
    st.integers(0, 6),
    PROMPTS,
    EDITS,
    SEEDS,
)
def test_a_rerun_is_a_fresh_run_of_the_changed_program(calls, first, reads, place, prompt, edit, seed):
    """Recipes and outputs of every step are those of a session that ran the changed program."""
    calls = [first, *calls]
    place %= len(calls)
    tool, args, given_seed = calls[place]
    change = {"generate": {"prompt": prompt}, "edit": {"instruction": edit}, "grid": {"padding": 3}}.get(
        tool, {}
    )
    if tool in ("generate", "edit") and seed != given_seed:
        change |= {"seed": seed}
    changed = [*calls]
    changed[place] = (
        tool,
        args | {k: v for k, v in change.items() if k != "seed"},
        change.get("seed", given_seed),
    )
    reads = reads[: len(calls)]
    with sl.Session(runtime=FakeRuntime(), seed=9) as fresh, sl.Session(runtime=FakeRuntime(), seed=9) as old:
        perform(fresh, changed, reads)
        results = perform(old, calls, reads)
        before = line(old, "main")
        done = old.rerun(changes={results[place]: change})
        assert line(old, done.branch) == line(fresh, "main")
        assert line(old, "main") == before
        assert len(done.reused) + len(done.recomputed) == len(calls)
        assert {done.steps[step] for step in done.invalidated} >= {*done.recomputed}
        assert old.verify_store().problems == ()


@pytest.mark.parametrize("also", ["another picture", "the same picture"])
def test_an_edit_that_left_its_picture_alone_is_still_what_was_read(session, also):
    """The picture then has two makers; the one that nothing else of the call came from is meant."""
    stars = session.generate("a star", n=3)
    same = session.edit(stars.images[2], "do nothing at all")
    assert not same.changed
    first = stars.images[0 if also == "another picture" else 2]
    session.compare(first, same)
    done = session.rerun(changes={same: {"image": stars.images[1]}})
    redone = session.show(done.head).step
    digests = [first.ref.pixels, stars.images[1].ref.pixels]
    assert [redone.args[name]["$image"] for name in ("a", "b")] == digests
    assert len(done.recomputed) == 2
