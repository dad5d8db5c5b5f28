"""The verbs of a session, on the rule-based runtime: what they return and what they record."""

import numpy as np
import pytest
from PIL import Image as PILImage

import sightline as sl
from sightline_runtime.testing import FaultyRuntime
from sightline_runtime.world import judge


def seen(result):
    """What the judge reads in a result's first picture."""
    return {(thing.color, thing.shape) for thing in judge.read(result.image.numpy()).things}


def test_the_promised_session_runs(tmp_path, fake):
    """The example of the front page works, verb by verb."""
    with sl.Session(tmp_path / "cats.sightline", runtime=fake, seed=7) as s:
        a = s.generate("a red circle left of a blue square")
        q = s.understand(a, "what color is the square ?")
        q2 = s.understand(a, "is there a ring ?", choices=["yes", "no"])
        b = s.edit(a, "make the circle green")
        assert (q.text, q2.text) == ("blue", "no")
        assert 0 < q.confidence <= 1
        assert q2.probabilities["no"] > q2.probabilities["yes"]
        assert seen(b) == {("green", "circle"), ("blue", "square")}
        assert b.before.ref == a.image.ref
        s.branch("alt", at=a)
        s.checkout("alt")
        assert s.undo() is None
        img = s.add(PILImage.new("RGB", (20, 10), "red"))
        c = s.crop(img, box=(0, 0, 0.5, 0.5))
        assert c.image.size == (10, 5)
        assert [step.tool for step in s.log()] == ["crop", "add"]
        assert s.report(tmp_path / "run.html").stat().st_size > 1000
        events = list(s.stream.generate("a star", steps=20))
        assert isinstance(events[-1], sl.Done)
        assert any(isinstance(event, sl.Preview) for event in events)
        assert any(isinstance(event, sl.Progress) for event in events)


def test_a_result_stands_for_its_picture(session, tmp_path):
    """Results, pictures, references, steps, paths, bytes and arrays are all taken as pictures."""
    a = session.generate("a red star")
    file = a.save(tmp_path / "star.png")
    array = a.image.numpy()
    for source in (a, a.image, a.image.ref, a.step, file, str(file), file.read_bytes(), array, a.image.pil()):
        assert session.understand(source, "what color is the star ?").text == "red"


def test_the_same_seed_gives_the_same_session(fake):
    """Two sessions with one seed draw the same pictures; another seed draws others."""
    drawn = []
    for seed in (7, 7, 8):
        with sl.Session(runtime=fake, seed=seed) as s:
            drawn.append(s.generate("a star").image.ref.pixels)
    assert drawn[0] == drawn[1] != drawn[2]


def test_each_picture_of_several_can_be_drawn_alone(session):
    """The seed of picture 3 of 4 draws picture 3 again."""
    four = session.generate("a ring", n=4, seed=5)
    assert four.seeds[0] == 5
    assert len({picture.ref.pixels for picture in four.images}) == 4
    alone = session.generate("a ring", seed=four.seeds[2])
    assert alone.image.ref == four.images[2].ref


def test_equal_work_is_found_again(session, fake):
    """The second call of a recipe computes nothing, also on another branch."""
    a = session.generate("a star")
    first = session.edit(a, "make the background black")
    calls = len(fake.calls)
    session.branch("other", at=a)
    session.checkout("other")
    again = session.edit(a, "make the background black")
    assert (first.cache.status, again.cache.status) == ("miss", "hit")
    assert len(fake.calls) == calls
    assert again.image.ref == first.image.ref
    assert again.step.parent == a.step.id


def test_previews_do_not_change_the_recipe(session, fake):
    """A streamed drawing is found again by a plain call."""
    streamed = list(session.stream.generate("a star", preview_every=1))[-1].result
    assert session.generate("a star").cache.status == "hit"
    assert session.generate("a star").image.ref == streamed.image.ref


def test_a_session_reopens_where_it_was(tmp_path, fake):
    """Branch, steps, seed and pictures survive closing."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=3) as s:
        a = s.generate("a heart")
        s.branch("alt")
        s.checkout("alt")
        s.generate("a cross")
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        assert s.head[0] == "alt"
        assert [step.tool for step in s.log()] == ["generate", "generate"]
        assert s.generate("a heart").cache.status == "hit"
        assert np.array_equal(s.show(a.step.id).image.numpy(), s.show(s.log()[-1]).image.numpy())


def test_undo_moves_the_branch_and_redo_takes_it_back(session):
    """Nothing is deleted by undo; a new step forgets what could be redone."""
    a, b = session.generate("a star"), session.generate("a ring")
    assert session.undo().id == a.step.id
    assert session.redo().id == b.step.id
    session.undo(2)
    with pytest.raises(sl.InputError, match="undo"):
        session.undo()
    session.redo()
    session.generate("a heart")
    with pytest.raises(sl.InputError, match="redone"):
        session.redo()
    assert session.show(b).image.ref == b.image.ref


def test_data_parents_are_the_steps_that_made_the_pictures(session):
    """Chronology and data are two kinds of parents."""
    a, b = session.generate("a star"), session.generate("a ring")
    both = session.grid([a, b])
    crop = session.crop(a, box=(0, 0, 0.5, 0.5))
    assert both.step.data_parents == (a.step.id, b.step.id)
    assert crop.step.data_parents == (a.step.id,)
    assert crop.step.parent == both.step.id


def test_replay_computes_again_and_moves_nothing(session):
    """Replay finds every step the same and leaves head and store as they were."""
    a = session.generate("a star", n=2)
    session.edit(a, "make the star blue")
    session.understand(a, "what color is the star ?")
    head, steps = session.head, session.verify_store().steps
    replayed = session.replay()
    assert replayed.ok
    assert [one.verdict for one in replayed.steps] == ["same", "same", "same"]
    assert (session.head, session.verify_store().steps) == (head, steps)


def test_replay_stores_nothing_whatever_happens(tmp_path, fake):
    """Replays that fail leave no step and no picture, and the other steps are still compared."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=1) as s:
        a = s.generate("a star")
        s.edit(a, "make the star blue")
        s.generate("a ring")
        blob = a.image.ref.blob
        (tmp_path / "s" / "objects" / blob[:2] / blob[2:]).unlink()
        before = s.verify_store()
    with sl.Session(tmp_path / "s", runtime=FaultyRuntime(fake, {"decode_features": 1})) as s:
        assert [one.verdict for one in s.replay().steps] == ["failed", "failed", "same"]
        assert s.verify_store() == before


def test_replay_goes_on_after_a_tool_that_is_gone(tmp_path, fake):
    """A step whose tool is not installed differs; the rest is computed again."""
    from tests.tools.test_tool import flip

    from sightline_tools.toolbox import default_toolbox

    with sl.Session(tmp_path / "s", runtime=fake, toolbox=default_toolbox().with_tools(flip)) as s:
        s.call("flip", image=s.generate("a star"))
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        replayed = s.replay()
        assert [one.verdict for one in replayed.steps] == ["same", "failed"]
        assert "flip" in replayed.first_difference.detail


def test_replay_tells_another_model_apart(tmp_path, fake):
    """Under other weights a step is not compared but named."""
    from sightline_runtime.testing import FakeRuntime, with_fingerprint

    class Other(FakeRuntime):
        info = with_fingerprint(fake.info, "f" * 64)

    with sl.Session(tmp_path / "s", runtime=fake) as s:
        s.generate("a star")
    with sl.Session(tmp_path / "s", runtime=Other()) as s:
        assert s.replay().first_difference.verdict == "other model"
        assert s.generate("a star").cache.status == "miss"


BAD_CALLS = {
    "empty prompt": (lambda s, a: s.generate("  "), sl.InputError),
    "empty question": (lambda s, a: s.understand(a, ""), sl.InputError),
    "empty instruction": (lambda s, a: s.edit(a, ""), sl.InputError),
    "long prompt": (lambda s, a: s.generate("star " * 1000), sl.InputError),
    "no steps": (lambda s, a: s.generate("a star", steps=0), sl.InputError),
    "guidance nan": (lambda s, a: s.generate("a star", guidance=float("nan")), sl.InputError),
    "no pictures": (lambda s, a: s.generate("a star", n=0), sl.InputError),
    "bad size": (lambda s, a: s.generate("a star", size=(0, 0)), sl.InputError),
    "bad seed": (lambda s, a: s.generate("a star", seed=-1), sl.InputError),
    "not an image": (lambda s, a: s.understand(b"text", "what ?"), sl.ImageError),
    "truncated": (lambda s, a: s.add(b"\x89PNG\r\n\x1a\n\0\0"), sl.ImageError),
    "0x0": (lambda s, a: s.add(np.zeros((0, 0, 3), np.uint8)), sl.ImageError),
    "missing file": (lambda s, a: s.edit("nowhere.png", "make it red"), sl.NotFoundError),
    "not a source": (lambda s, a: s.add(42), sl.InputError),
    "unknown branch": (lambda s, a: s.checkout("nope"), sl.NotFoundError),
    "unknown step": (lambda s, a: s.show("deadbeef"), sl.NotFoundError),
    "unknown tool": (lambda s, a: s.call("drawn"), sl.NotFoundError),
    "unknown argument": (lambda s, a: s.call("crop", image=a, edges=3), sl.InputError),
    "taken branch": (lambda s, a: s.branch("main"), sl.InputError),
    "bad branch name": (lambda s, a: s.branch("no blanks"), sl.InputError),
    "log of nothing": (lambda s, a: s.log(limit=0), sl.InputError),
    "half a character": (lambda s, a: s.generate("\ud800 star"), sl.InputError),
    "a step name of strange digits": (lambda s, a: s.log(branch="HEAD~²"), sl.InputError),
    "a name of half a character": (lambda s, a: s.show("\ud800"), sl.NotFoundError),
    "undo of a text": (lambda s, a: s.undo("2"), sl.InputError),
    "redo of a text": (lambda s, a: s.redo("2"), sl.InputError),
    "log of a text": (lambda s, a: s.log("2"), sl.InputError),
    "a picture as a step": (lambda s, a: s.branch("p", at=a.image), sl.InputError),
    "one text as choices": (lambda s, a: s.understand(a, "is it ?", choices="yes"), sl.InputError),
    "a grid of one picture": (lambda s, a: s.grid(a.image), sl.InputError),
    "marks that are none": (lambda s, a: s.annotate(a, 5), sl.InputError),
    "seed of a truth value": (lambda s, a: s.generate("a star", seed=True), sl.InputError),
    "text where a picture is needed": (
        lambda s, a: s.understand(s.show("HEAD"), "?"),
        sl.InputError,
    ),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls_give_one_clear_error_and_lose_nothing(session, name):
    """Every bad call raises an error of the tree with a hint; head, store and session stay good."""
    a = session.generate("a red star")
    session.understand(a, "how big ?")
    head = session.head
    call, kind = BAD_CALLS[name]
    with pytest.raises(kind) as caught:
        call(session, a)
    assert isinstance(caught.value, sl.SightlineError)
    assert caught.value.hint
    assert caught.value.code
    assert session.head == head
    assert session.verify_store().problems == ()
    assert session.understand(a, "what color is the star ?").text == "red"


@pytest.mark.parametrize("seed", ["abc", 1.5, -1, True, 2**63])
def test_a_bad_session_seed_is_refused_before_anything_is_stored(tmp_path, fake, seed):
    """The folder is not made, so that the next session is not spoilt."""
    with pytest.raises(sl.InputError, match="seed"):
        sl.Session(tmp_path / "s", runtime=fake, seed=seed)
    assert not (tmp_path / "s").exists()


def test_a_runtime_is_not_a_name():
    """A model's name where a loaded model belongs is told at once."""
    with pytest.raises(sl.InputError, match="embedded") as caught:
        sl.Session(runtime="embedded")
    assert "load" in caught.value.hint


def test_numbers_of_numpy_are_numbers(session):
    """Seeds, counts and sizes may come out of an array."""
    plain = session.generate("a star", seed=3, n=2, steps=4, size=(64, 64))
    sizes = np.array([64, 64])
    drawn = session.generate("a star", seed=np.int64(3), n=np.int32(2), steps=np.int64(4), size=tuple(sizes))
    assert drawn.cache.status == "hit"
    assert drawn.images[1].ref == plain.images[1].ref


def test_a_grid_takes_all_pictures_of_a_result(session):
    """Four drawn pictures make a sheet of two by two."""
    four = session.generate("a star", n=4)
    assert session.grid(four, padding=0).image.size == (128, 128)


def test_tags_are_listed(session):
    """A tag names its step for good."""
    star = session.generate("a star")
    session.tag("good")
    session.generate("a ring")
    assert session.tags == {"good": star.step.id}


def test_a_failing_engine_is_recorded_and_survived(fake):
    """An engine failure is one error, a failed step off the branch, and the next call works."""
    with sl.Session(runtime=FaultyRuntime(fake, {"decode_features": 1}), seed=1) as s:
        with pytest.raises(sl.EngineError) as caught:
            s.generate("a star")
        assert caught.value.retryable
        assert s.head[1] is None
        assert s.generate("a star").cache.status == "miss"
        assert s.verify_store().problems == ()


def test_leaving_a_stream_cancels_the_work():
    """Breaking out of a stream leaves no step on the branch."""
    with sl.Session(runtime=sl.FakeRuntime(delay=0.5), seed=1) as s:
        for event in s.stream.generate("a star", n=4, steps=50, preview_every=0):
            assert isinstance(event, sl.Progress)
            break
        assert s.head[1] is None
        assert s.generate("a ring", steps=1).image.size == (64, 64)


def test_third_party_tools_run_in_a_session(fake):
    """A tool of one's own is called by name and recorded like any other."""
    from tests.tools.test_tool import flip

    from sightline_tools.toolbox import default_toolbox

    with sl.Session(runtime=fake, toolbox=default_toolbox().with_tools(flip)) as s:
        star = s.generate("a star", seed=2)
        flipped = s.call("flip", image=star)
        assert np.array_equal(flipped.image.numpy(), star.image.numpy()[:, ::-1])
        assert flipped.step.data_parents == (star.step.id,)


def test_a_fault_of_a_tool_is_an_error_of_the_tree(session):
    """What a foreign tool raises is named after the tool, and kept as a failed step off the branch."""
    from sightline_tools.tool import Picture, ToolArgs
    from sightline_tools.toolbox import default_toolbox

    @sl.tool(version="1")
    def broken(args: ToolArgs, ctx: sl.ToolContext) -> Picture:
        """Divide by nothing."""
        raise ZeroDivisionError("division by zero")

    with sl.Session(runtime=session.runtime, toolbox=default_toolbox().with_tools(broken)) as s:
        with pytest.raises(sl.EngineError, match="broken failed: ZeroDivisionError") as caught:
            s.call("broken")
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert (s.log(), s.verify_store().steps) == ([], 1)


def test_results_show_themselves(session):
    """A result prints as one line, and as pictures in a notebook."""
    a = session.generate("a red star")
    assert "generate" in repr(a)
    assert "data:image/png" in a._repr_mimebundle_()["text/html"]
    assert a.image._repr_png_()[:4] == b"\x89PNG"
    answer = session.understand(a, "what color is the star ?")
    assert "'red' p=0.90" in repr(answer)
    assert str(answer) == "red"


def test_display_never_raises(tmp_path, fake):
    """A picture that cannot be read any more is shown as its text."""
    with sl.Session(runtime=fake) as s:
        closed = s.generate("a star")
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        damaged = s.generate("a star")
        blob = damaged.image.ref.blob
        (tmp_path / "s" / "objects" / blob[:2] / blob[2:]).write_bytes(b"rubbish")
        for result, said in ((closed, "closed"), (damaged, "digest")):
            bundle = result._repr_mimebundle_()
            assert "generate" in bundle["text/plain"]
            assert said in bundle["text/html"]
            assert result.image._repr_png_() is None


def test_saving_as_something_impossible_is_an_input_error(session, tmp_path):
    """An unknown ending or a folder in the way is named."""
    a = session.generate("a star")
    with pytest.raises(sl.InputError):
        a.save(tmp_path / "picture.nonsense")
    with pytest.raises(sl.InputError):
        session.report(tmp_path)


def test_an_empty_toolbox_has_no_tools(fake):
    """A toolbox that is given is used, even an empty one."""
    from sightline_tools.toolbox import Toolbox

    with sl.Session(runtime=fake, toolbox=Toolbox()) as s, pytest.raises(sl.NotFoundError):
        s.generate("a star")
