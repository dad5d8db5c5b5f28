"""Archives: a session goes into one file and comes back as it was; what is not whole is refused."""

import json
import shutil
import stat
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import sightline as sl
from sightline.errors import InputError, NotFoundError
from sightline.lineage import digests_in
from sightline.tree.recipe import recipe_digest

WORDS = ("a red star", "a blue circle", "a green square")


@pytest.fixture
def filled(fake):
    """A session with branches, a tag, an undone step, a failed one, and pictures of every kind."""
    with sl.Session(runtime=fake, seed=7) as s:
        s.add(np.dstack([np.zeros((5, 6, 3), np.uint8), np.arange(30, dtype=np.uint8).reshape(5, 6)]))
        a = s.generate("a red star in the center", n=2)
        s.tag("first", at=a)
        s.edit(a, "make the star blue", region=(0, 0, 0.5, 1))
        s.understand(a, "what color is the star ?", choices=["red", "blue"])
        s.branch("alt", at=a)
        s.checkout("alt")
        s.edit(a, "make the star green")
        s.grid([a.image, s.generate("a ring")])
        s.undo()
        yield s


def state(s):
    """All that a session is: its steps, pointers, what can be redone, and every pixel."""
    steps = {step.id: step for branch in s.branches for step in s.log(branch=branch)}
    pixels = {name: s.show(name).images for name in steps}
    shown = {name: [picture.numpy().tobytes() for picture in made] for name, made in pixels.items()}
    return steps, dict(s.branches), dict(s.tags), s.head, shown


@pytest.fixture
def packed(filled, tmp_path):
    """The filled session as a file."""
    return filled.export(tmp_path / "run.slz")


@pytest.mark.parametrize("kept", [True, False], ids=["on disk", "in memory"])
def test_a_session_comes_back_as_it_was(filled, packed, tmp_path, fake, kept):
    """Steps with their ids, branches, tags, HEAD, redo, pixels and seed; the store is whole."""
    with sl.import_session(packed, tmp_path / "again" if kept else None, runtime=fake) as s:
        assert state(s) == state(filled)
        assert s.verify_store().problems == ()
        assert s.redo().tool == "grid"
        assert s.replay().ok
        assert s.generate("a heart").seeds == filled.generate("a heart").seeds


def test_the_same_session_gives_the_same_file(filled, packed, tmp_path):
    """Byte for byte, also over a file that is there, and from what was imported."""
    first = packed.read_bytes()
    assert filled.export(packed).read_bytes() == first
    with sl.import_session(packed) as s:
        assert s.export(tmp_path / "b.slz").read_bytes() == first


def test_nothing_in_it_says_where_it_was(filled, packed, tmp_path):
    """No path, no key, no address of a store, and no pickle."""
    with zipfile.ZipFile(packed) as file:
        texts = b"".join(file.read(name) for name in file.namelist() if not name.startswith("objects"))
    assert str(tmp_path).encode() not in texts
    assert {name.split("/")[0] for name in zipfile.ZipFile(packed).namelist()} == {
        "manifest.json",
        "steps.jsonl",
        "images.jsonl",
        "refs.json",
        "objects",
    }


def test_one_branch_brings_what_it_was_made_from(filled, tmp_path):
    """The other branch stays behind, and so do pictures that only it has."""
    filled.checkout("main")
    with sl.import_session(filled.export(tmp_path / "alt.slz", branch="alt")) as s:
        assert s.head == ("alt", filled.branches["alt"])
        assert [step.id for step in s.log()] == [step.id for step in filled.log(branch="alt")]
        assert dict(s.tags) == dict(filled.tags)
        assert set(s.branches) == {"alt"}
        assert s.verify_store().problems == ()


def test_a_picture_from_another_branch_comes_along(session, tmp_path):
    """A branch that used a picture of another one holds the step that made it."""
    a = session.generate("a red star")
    session.branch("alt")
    b = session.generate("a blue ring")
    session.checkout("alt")
    session.grid([a.image, b.image])
    with sl.import_session(session.export(tmp_path / "alt.slz", branch="alt")) as s:
        assert s.show(b.step.id).image.ref == b.image.ref
        assert s.verify_store().problems == ()


def test_importing_twice_changes_nothing(filled, packed, tmp_path, fake):
    """What is there is shared: no step, object or branch more."""
    with sl.import_session(packed, tmp_path / "s", runtime=fake) as s:
        before, objects = state(s), s.verify_store().objects
    with sl.import_session(packed, tmp_path / "s", runtime=fake) as s:
        assert state(s) == before
        assert s.verify_store().objects == objects


def test_importing_into_a_session_moves_nothing_of_it(packed, tmp_path, fake):
    """Branches whose names are taken get others; HEAD stays; equal work is found again."""
    with sl.Session(tmp_path / "mine", runtime=fake, seed=7) as s:
        mine = s.generate("a heart").step.id
        s.tag("first")
    with sl.import_session(packed, tmp_path / "mine", runtime=fake) as s:
        assert s.head == ("main", mine)
        assert set(s.branches) == {"main", "alt", "imported/main"}
        assert set(s.tags) == {"first", "imported/first"}
        fake.calls.clear()
        assert s.generate("a red star in the center", n=2).cache.status == "hit"
        assert fake.calls == []


def test_many_sessions_of_a_store_can_be_filled(packed, tmp_path):
    """An archive becomes a session of a shared store; its steps are shared with the first one."""
    for name in ("cats", "dogs"):
        with sl.import_session(packed, name, store=tmp_path / "store") as s:
            assert s.name == name
            assert len(s.log()) > 2
            assert s.verify_store().problems == ()
            s.undo()
            moved = s.head
    with sl.import_session(packed, "dogs", store=tmp_path / "store") as s:
        assert s.head == moved


def test_what_a_dropped_branch_could_redo_stays_behind(filled, tmp_path):
    """Its steps come along, as nothing of a session is left out."""
    filled.checkout("main")
    steps = {step["id"] for step in filled._store.database.steps()}
    filled.drop("alt")
    with sl.import_session(filled.export(tmp_path / "run.slz")) as s:
        assert set(s.branches) == {"main"}
        assert {step["id"] for step in s._store.database.steps()} == steps


def test_a_session_without_steps_is_one_too(session, tmp_path):
    """Nothing goes in, nothing comes out."""
    with sl.import_session(session.export(tmp_path / "empty.slz")) as s:
        assert s.log() == []


def test_exports_that_cannot_be_are_refused(session, tmp_path):
    """An unknown branch, and a folder in the place of the file; nothing is left behind."""
    with pytest.raises(NotFoundError, match="no branch 'nowhere'"):
        session.export(tmp_path / "a.slz", branch="nowhere")
    (tmp_path / "b.slz").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        session.export(tmp_path / "b.slz")
    assert [path.name for path in tmp_path.iterdir()] == ["b.slz"]


def test_a_damaged_session_is_not_exported(fake, tmp_path):
    """A picture that is lost is told; no half of a file is left."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        s.generate("a star")
        shutil.rmtree(tmp_path / "s" / "objects")
        with pytest.raises(sl.CorruptStoreError):
            s.export(tmp_path / "a.slz")
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["draw", "edit", "ask", "undo", "branch", "crop"]), st.integers(0, 2)),
        max_size=10,
    )
)
def test_whatever_was_done_survives_the_way(tmp_path, fake, moves):
    """Random sessions: exported and imported they are the same."""
    with sl.Session(runtime=fake, seed=1) as s:
        for number, (move, which) in enumerate(moves):
            last = s.log(1)
            made = next((step for step in s.log() if step.images()), None)
            if move == "draw" or made is None:
                s.generate(WORDS[which])
            elif move == "edit":
                s.edit(made, f"make it {['red', 'blue', 'green'][which]}")
            elif move == "ask":
                s.understand(made, "how many objects are there ?")
            elif move == "crop":
                s.crop(made, (0, 0, 0.5, 0.5 + which / 4))
            elif move == "undo" and last:
                s.undo()
            else:
                s.branch(f"b{number}")
                s.checkout(f"b{number}")
        with sl.import_session(s.export(tmp_path / "run.slz")) as again:
            assert state(again) == state(s)
            assert again.verify_store().problems == ()


# --- hostile files -----------------------------------------------------------------------------


def rewritten(source, target, change):
    """A copy of an archive whose members {name: bytes} were changed; digests of texts are made right."""
    with zipfile.ZipFile(source) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members = change(members)
    import hashlib

    manifest = json.loads(members["manifest.json"])
    for name in manifest["digests"]:
        manifest["digests"][name] = hashlib.sha256(members.get(name, b"")).hexdigest()
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return target


def with_member(name, data=b"x", **told):
    """A change of the zip itself: one more member."""

    def change(path):
        info = zipfile.ZipInfo(name)
        info.compress_type = told.get("packing", zipfile.ZIP_STORED)
        info.external_attr = told.get("kind", stat.S_IFREG) << 16
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(info, data)

    return change


def doubled(path):
    """The same name a second time."""
    with pytest.warns(UserWarning, match="Duplicate name"):
        with_member("refs.json", b"{}")(path)


HOSTILE_ZIPS = {
    "a path upwards": with_member("../evil.txt"),
    "a path from the root": with_member("/etc/evil"),
    "a folder": with_member("objects/"),
    "a stranger": with_member("readme.txt"),
    "a link": with_member("objects/aa/" + "0" * 62, b"/etc/passwd", kind=stat.S_IFLNK),
    "a name twice": doubled,
    "an object nobody names": with_member("objects/aa/" + "0" * 62),
    "a bomb as an object": with_member("objects/aa/" + "0" * 62, bytes(10**7), packing=zipfile.ZIP_DEFLATED),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "no zip": lambda path: path.write_bytes(b"GIF89a"),
    "empty": lambda path: path.write_bytes(b""),
    "a byte changed": lambda path: path.write_bytes(path.read_bytes().replace(b"IDAT", b"IDAX", 1)),
}


def text(name, old, new):
    """A change of a text."""

    def change(members):
        assert old in members[name]
        return members | {name: members[name].replace(old, new)}

    return change


def without(prefix):
    """A change that leaves members out."""
    return lambda members: {name: data for name, data in members.items() if not name.startswith(prefix)}


def swapped(members):
    """The bytes of one picture under the name of another."""
    first, second, *_ = [name for name in members if name.startswith("objects")]
    return members | {first: members[second]}


def huge(members):
    """A picture whose header says that it is enormous."""
    line = json.loads(members["images.jsonl"].splitlines()[0])
    line |= {"width": 10**6, "height": 10**6}
    lines = [json.dumps(line).encode(), *members["images.jsonl"].splitlines()[1:]]
    return members | {"images.jsonl": b"\n".join(lines)}


HOSTILE_TEXTS = {
    "a step that was changed": text("steps.jsonl", b"make the star green", b"make the star brown"),
    "a step of the wrong type": text("steps.jsonl", b'"seeds":[', b'"seeds":[7,'),
    "a step with more": text("steps.jsonl", b'{"args"', b'{"path":"/","args"'),
    "deep arguments": text("steps.jsonl", b'"instruction":"make the star green"', b'"x":' + b"[" * 90_000),
    "not JSON": text("refs.json", b"{", b"["),
    "a branch to nowhere": text("refs.json", b'"branches":{', b'"branches":{"x":"' + b"0" * 64 + b'",'),
    "a branch with a bad name": text("refs.json", b'"alt"', b'"../alt"'),
    "another form": text("manifest.json", b"sightline.session/1", b"sightline.session/9"),
    "no steps": lambda members: members | {"steps.jsonl": b""},
    "no pictures": without("objects"),
    "no manifest text": lambda members: members | {"images.jsonl": b""},
    "pictures exchanged": swapped,
    "a picture that says it is enormous": huge,
    "a text that unpacks without end": lambda members: members | {"steps.jsonl": b"\n" * 10},
}


@pytest.mark.parametrize("change", HOSTILE_ZIPS.values(), ids=HOSTILE_ZIPS.keys())
def test_hostile_zips_are_refused_before_anything_is_written(packed, tmp_path, change):
    """Paths, links, bombs, doubles: an InputError, and no file anywhere."""
    change(packed)
    with pytest.raises(InputError) as caught:
        sl.import_session(packed, tmp_path / "new")
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["run.slz"]


@pytest.mark.parametrize("change", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS.keys())
def test_archives_that_are_not_whole_are_refused_before_anything_is_written(packed, tmp_path, change):
    """Whatever does not fit together, though its zip is fine."""
    bad = rewritten(packed, tmp_path / "bad.slz", change)
    with pytest.raises((InputError, sl.CorruptStoreError)):
        sl.import_session(bad, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_text_that_is_a_bomb_is_refused_unread(packed, tmp_path):
    """What would unpack to far more than it is."""
    with zipfile.ZipFile(packed) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(tmp_path / "bomb.slz", "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            if not name.startswith("objects"):
                file.writestr(name, data + (b"\n" * 30_000_000 if name == "steps.jsonl" else b""))
    with pytest.raises(InputError, match="would unpack to"):
        sl.import_session(tmp_path / "bomb.slz")


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    """NotFoundError, and no session is made."""
    with pytest.raises(NotFoundError, match="there is no file"):
        sl.import_session(tmp_path / "none.slz", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_writing_that_fails_leaves_the_session_as_it_was(packed, tmp_path, fake, monkeypatch):
    """Rows and pointers come in one transaction: none of them is there after a failure."""
    from sightline.store.database import Database

    with sl.Session(tmp_path / "mine", runtime=fake) as s:
        s.generate("a heart")
        before = state(s)

    def full(*_):
        raise sl.StoreError("the disk is full")

    monkeypatch.setattr(Database, "settle", full)
    with pytest.raises(sl.StoreError, match="full"):
        sl.import_session(packed, tmp_path / "mine", runtime=fake)
    monkeypatch.undo()
    with sl.Session(tmp_path / "mine", runtime=fake) as s:
        assert state(s) == before
        assert s.verify_store().problems == ()


@pytest.mark.parametrize(
    ("tool", "forged"),
    [
        ("crop", {"image": "secret.png"}),
        ("grid", {"images": ["secret.png"]}),
        ("edit", {"region": "secret.png"}),
        ("edit", {"region": {"box": None, "polygon": None, "mask": "secret.png"}}),
    ],
)
def test_steps_that_name_files_are_never_run(fake, tmp_path, monkeypatch, tool, forged):
    """An archive of a stranger may hold a step that Sightline would not write; it opens no file."""
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "secret.png")
    monkeypatch.chdir(tmp_path)
    with sl.Session(runtime=fake, seed=1) as s:
        star = s.generate("a star")
        calls = {"crop": {"box": (0, 0, 0.5, 0.5), "image": star}, "grid": {"images": [star]}}
        calls["edit"] = {"image": star, "instruction": "make it blue", "draft": True}
        step = s.call(tool, **calls[tool]).step
        args = {**step.args, **forged}
        named, shown = (step.tool, step.version), list(digests_in(args))
        recipe = recipe_digest(named, args, shown, step.seeds, step.fingerprint)
        bad = replace(step, args=args, recipe=recipe, id="")
        s._executor.store.database.insert_step(bad.to_row(), made=bad.images(), stages=())
        s.branch("bad", at=bad.id)
        archive = s.export(tmp_path / "bad.slz", branch="bad")
    with sl.import_session(archive, runtime=fake) as s:
        assert [step.verdict for step in s.replay().steps] == ["same", "failed"]
        for verb in (s.recipe, lambda: s.rerun(changes={"HEAD~1": {"seed": 5}}), lambda: s.promote("HEAD")):
            with pytest.raises(InputError):
                verb()
        assert s.verify_store().steps == 2
