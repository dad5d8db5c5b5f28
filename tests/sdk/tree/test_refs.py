"""Names of steps and pictures, dropping branches, and two writers on one branch."""

import json

import numpy as np
import pytest

import sightline as sl


@pytest.fixture
def two(tmp_path, fake):
    """Two sessions that write to one store, as two processes do."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=7) as one:
        one.generate("a star")
        with sl.Session(tmp_path / "s", runtime=fake) as other:
            yield one, other


def test_every_form_of_a_name_means_its_step(session):
    """HEAD, branches, tags, ids, aliases and digests name steps; ~ goes back."""
    a, b = session.generate("a star"), session.generate("a ring")
    c = session.understand(b, "what shape is it ?")
    session.tag("first", at=a)
    session.branch("alt", at=b)
    session.tag("alt", at=a)
    digest = f"sha256:{b.image.ref.pixels}"
    meant = {
        "HEAD": c,
        "main~0": c,
        "main~": b,
        "HEAD~2": a,
        "first": a,
        "@first": a,
        "alt": b,
        "@alt": a,
        "alt~1": a,
        "img1": a,
        "img2": b,
        "img2~": a,
        digest: b,
        digest[:15]: b,
        b.step.id[:10]: b,
    }
    assert {name: session.at(name).id for name in meant} == {
        name: made.step.id for name, made in meant.items()
    }


def test_a_picture_found_again_keeps_its_name_and_its_first_step(session):
    """The second step that gives a picture makes no new alias; the name means the first."""
    a = session.generate("a star")
    again = session.generate("a star")
    assert (a.alias, again.alias, again.image.alias) == ("img1", "img1", "img1")
    assert session.at("img1").id == a.step.id
    four = session.generate("a ring", n=2)
    assert [picture.alias for picture in four.images] == ["img2", "img3"]
    assert session.understand(a, "what is it ?").alias is None
    for shown, said in ((a, "img1 64x64"), (four, "img2, img3 64x64"), (four.image, "img2 ")):
        assert said in repr(shown)


def test_pictures_are_given_by_name(session, tmp_path, monkeypatch):
    """A text of that form is a picture of the session wherever one is taken; a file needs a Path."""
    a = session.generate("a red star")
    for name in ("img1", f"sha256:{a.image.ref.pixels[:12]}"):
        asked = session.understand(name, "what color is the star ?")
        assert (asked.text, asked.step.data_parents) == ("red", (a.step.id,))
        assert session.add(name).image.ref == a.image.ref
    assert session.grid(["img1", "img1"]).image.width > 64
    monkeypatch.chdir(tmp_path)
    a.image.pil().resize((9, 9)).save("img1", format="PNG")
    assert session.add(tmp_path / "img1").image.size == (9, 9)


def test_aliases_survive_reopening(tmp_path, fake):
    """The number of a picture is stored, and never given to another."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        a = s.generate("a star")
        s.undo()
        s.generate("a ring")
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        assert s.show("img2").alias == "img2"
        assert s.show("img1").image.ref == a.image.ref
        assert s.generate("a heart").alias == "img3"


WRONG = {
    "img0": sl.NotFoundError,
    "img7": sl.NotFoundError,
    "sha256:abc": sl.InputError,
    "sha256:" + "0" * 64: sl.NotFoundError,
    "sha256:WXYZ": sl.InputError,
    "@main": sl.NotFoundError,
    "@": sl.NotFoundError,
    "HEAD~~": sl.InputError,
    "HEAD~9": sl.NotFoundError,
    "img1~x": sl.InputError,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_name_is_told_with_a_hint(session, name):
    """What names nothing is named in the error."""
    session.generate("a star")
    with pytest.raises(WRONG[name]) as caught:
        session.show(name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["img7", "sha256:00000000", "sha256:xyz"])
def test_a_wrong_name_of_a_picture_is_refused_before_anything_is_computed(session, fake, name):
    """No file of that name is looked for, and nothing is recorded."""
    calls = len(fake.calls)
    with pytest.raises(sl.InputError, match="picture"):
        session.understand(name, "what is it ?")
    assert (len(fake.calls), session.log()) == (calls, [])


def test_a_name_that_has_a_meaning_cannot_be_given(session):
    """Branches and tags cannot hide pictures or HEAD."""
    session.generate("a star")
    for name in ("img1", "img12", "HEAD", "@x", "a~1", "sha256:ab"):
        with pytest.raises(sl.InputError):
            session.branch(name)
        with pytest.raises(sl.InputError):
            session.tag(name)


def test_a_tag_names_a_step(session):
    """Where there is no step yet, nothing is named."""
    with pytest.raises(sl.InputError, match="no step"):
        session.tag("good")
    assert session.tags == {}


@pytest.mark.parametrize("name", [5, None, b"alt", ("alt",)])
def test_a_name_is_a_text(session, name):
    """Anything else is an InputError of every verb that takes the name of a branch or a tag."""
    a = session.generate("a star")
    verbs = (session.branch, session.tag, session.checkout, session.drop)
    for verb in (*verbs, lambda given: session.cherry_pick(a, onto=given or 5)):
        with pytest.raises(sl.InputError) as caught:
            verb(name)
        assert caught.value.hint
    assert list(session.branches) == ["main"]


def test_checking_out_a_step_says_how_to_work_from_it(session):
    """Only branches are checked out; the hint makes one."""
    session.generate("a star")
    session.tag("good")
    for name in ("@good", "img1", "HEAD~0"):
        with pytest.raises(sl.NotFoundError, match="names a step") as caught:
            session.checkout(name)
        assert f"branch('try', at='{name}')" in caught.value.hint


def test_a_dropped_branch_leaves_its_steps(session):
    """The branch is gone, its name is free, and the reflog names what it held."""
    a = session.generate("a star")
    session.branch("alt")
    session.checkout("alt")
    b = session.generate("a ring")
    session.undo()
    session.redo()
    session.checkout("main")
    session.drop("alt")
    assert list(session.branches) == ["main"]
    last = session.reflog(1)[0]
    assert (last.branch, last.before, last.after, last.why) == ("alt", b.step.id, None, "drop")
    assert session.show(b).image.ref == b.image.ref
    session.branch("alt", at=last.before)
    assert session.branches["alt"] == b.step.id
    assert session.verify_store().problems == ()
    assert a.step.id == session.head[1]


def test_a_new_branch_of_an_old_name_has_nothing_to_redo(session):
    """What a dropped branch could redo is forgotten with it."""
    session.generate("a star")
    session.branch("alt")
    session.checkout("alt")
    session.undo()
    session.checkout("main")
    session.drop("alt")
    session.branch("alt", at="img1~0")
    session.checkout("alt")
    session.undo()
    session.redo()
    with pytest.raises(sl.InputError, match="only 0 of"):
        session.redo()


@pytest.mark.parametrize("name", ["main", "nope", "@good", ""])
def test_what_cannot_be_dropped_is_refused(session, name):
    """The current branch, tags and unknown names stay as they are."""
    session.generate("a star")
    session.tag("good")
    with pytest.raises(sl.InputError) as caught:
        session.drop(name)
    assert caught.value.hint
    assert list(session.branches) == ["main"]


def test_a_branch_that_another_writer_moved_is_not_dropped_unseen(two):
    """StaleHeadError tells both heads; then it has been seen and can be dropped."""
    one, other = two
    one.branch("alt")
    other.checkout("alt")
    new = other.generate("a ring")
    other.checkout("main")
    with pytest.raises(sl.StaleHeadError) as caught:
        one.drop("alt")
    assert caught.value.found == new.step.id
    one.drop("alt")
    assert list(one.branches) == ["main"]


def test_the_branch_another_writer_works_on_is_not_dropped(two):
    """HEAD of the store names it: it is somebody's current branch."""
    one, other = two
    one.branch("alt")
    other.checkout("alt")
    with pytest.raises(sl.InputError, match="current"):
        one.drop("alt")
    other.generate("a ring")


def test_a_writer_whose_branch_was_dropped_loses_nothing(two):
    """The step is stored and named; another branch can be checked out and goes on."""
    one, other = two
    one.branch("alt")
    other.checkout("alt")
    one.checkout("main")
    one.drop("alt")
    with pytest.raises(sl.NotFoundError, match="another writer dropped") as caught:
        other.generate("a ring")
    assert "reflog" in caught.value.hint
    with pytest.raises(sl.NotFoundError, match="another writer dropped"):
        other.undo()
    other.checkout("main")
    assert other.generate("a ring").cache.status == "hit"
    assert other.verify_store().problems == ()


@pytest.mark.parametrize("verb", ["undo", "redo", "generate", "cherry_pick"])
def test_a_stale_writer_is_told_once_and_loses_nothing(two, verb):
    """Nothing moves where another writer was first; the same call then works on what it left."""
    one, other = two
    verbs = {
        "undo": lambda: one.undo(),
        "redo": lambda: one.redo(),
        "generate": lambda: one.generate("a heart"),
        "cherry_pick": lambda: one.cherry_pick("img1"),
    }
    other.checkout("main")
    ring = other.generate("a ring")
    other.undo()
    other.redo()
    tip = other.branches["main"]
    with pytest.raises(sl.StaleHeadError) as caught:
        verbs[verb]()
    assert caught.value.found == ring.step.id
    assert one.head == ("main", tip)
    assert one.branches["main"] == tip
    if verb == "redo":
        with pytest.raises(sl.InputError, match="only 0 of"):
            one.redo()
    else:
        verbs[verb]()
    assert one.verify_store().problems == ()


def test_checking_out_a_branch_sees_where_others_left_it(two):
    """A checkout takes the branch as it is now."""
    one, other = two
    other.checkout("main")
    ring = other.generate("a ring")
    one.checkout("main")
    assert one.head == ("main", ring.step.id)
    one.generate("a heart")


def test_what_can_be_redone_is_what_follows(two):
    """Steps that another writer's undo left are no redo of a branch that has gone elsewhere."""
    one, _ = two
    star = one.head[1]
    one.undo()
    ring = one.generate("a ring")
    one._store.database.put_ref("redo", "main", json.dumps([star]))  # as a kill between two writes leaves it
    with pytest.raises(sl.InputError, match="only 0 of"):
        one.redo()
    one.undo()
    assert one.redo().id == ring.step.id


def counted(session):
    """Objects, and rows of every table, of a session's store."""
    names = ("steps", "images", "made", "texts", "aliases", "refs", "moves", "stages")
    rows = {
        name: session._store.database._select(f"SELECT COUNT(*) AS n FROM {name}")[0]["n"] for name in names
    }
    return len(list(session._store.objects.digests())), rows


@pytest.mark.parametrize("at", ["HEAD", "HEAD~1", "HEAD~19"])
def test_a_branch_copies_nothing(tmp_path, fake, at):
    """A branch from any step, the last one too, is one pointer and one line of the reflog."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        a = s.generate("a star")
        for number in range(19):
            a = s.crop(a, (0, 0, 63 - number, 63 - number))
        (objects, rows), there = counted(s), s.show(at)
        s.branch("alt", at=at)
        s.checkout("alt")
        assert counted(s) == (objects, rows | {"refs": rows["refs"] + 1, "moves": rows["moves"] + 1})
        assert s.show("alt") == there
        assert np.array_equal(s.show("alt").image.numpy(), there.image.numpy())
