"""From a picture back to its lineage, and from its file to the same picture in a new session."""

import io
import json
import sqlite3

import numpy as np
import pytest
from PIL import Image

import sightline as sl
from sightline import provenance
from sightline.errors import InputError, NotFoundError

PHOTO = np.random.default_rng(3).integers(0, 256, (40, 30, 3), np.uint8)


@pytest.fixture
def made(session):
    """A picture with two roots, a region with a mask, and n > 1 on the way."""
    photo = session.add(PHOTO)
    session.generate("a heart")  # no ancestor of it
    stars = session.generate("a red star in the center", n=2)
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 20:44] = 255
    blue = session.edit(stars.images[1], "make the star blue", region=mask, feather=2)
    session.understand(blue, "what color is the star ?")
    return session.grid([photo, blue])


def test_a_lineage_holds_all_ancestors_and_nothing_else(made, session):
    """By data, not by the order of the branch: no heart, no question; each after what it read."""
    told = made.image.lineage()
    assert [step.tool for step in told.steps] == ["add", "generate", "add", "edit", "grid"]
    assert told.verified
    assert told.pixels == made.image.ref.pixels
    seen = set()
    for step in told.steps:
        assert set(step.inputs()) <= seen
        seen |= set(step.images)
    drawn = told.steps[1]
    assert (drawn.model, drawn.fingerprint) == ("fake", session.runtime.info.fingerprint)
    assert len(drawn.seeds) == 2


def test_a_saved_file_can_be_made_again_elsewhere(made, session, tmp_path):
    """A new session with another seed gives the same pixels, given the pictures from outside."""
    file = made.save(tmp_path / "grid.png")
    roots = provenance.read(file).missing()
    mask = session.show(next(step for step in session.log() if step.tool == "edit")).step.args["region"][
        "mask"
    ]
    assert roots == (session.show("img1").image.ref.pixels, mask["$image"])
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    inputs = {roots[0]: tmp_path / "photo.png", roots[1][:12]: session.show(f"sha256:{roots[1]}").image}
    with sl.Session(runtime=sl.FakeRuntime(), seed=99) as other:
        again = other.recreate(file, inputs=inputs)
        assert again.same
        assert all(step.same for step in again.steps)
        assert again.picture.ref.pixels == made.image.ref.pixels
        assert repr(again).startswith("<Recreation same>")
        assert [step.tool for step in other.log()][::-1] == ["add", "generate", "add", "edit", "grid"]


def test_missing_pictures_are_all_named_before_anything_runs(made, tmp_path):
    """Each digest in full; a wrong picture is told from a missing one; nothing was computed or added."""
    file = made.save(tmp_path / "grid.png")
    first, second = provenance.read(file).missing()
    fake = sl.FakeRuntime()
    with sl.Session(runtime=fake) as other:
        with pytest.raises(NotFoundError, match=f"{first}, {second}"):
            other.recreate(file)
        with pytest.raises(InputError, match=f"the picture given for {first[:8]} is"):
            other.recreate(file, inputs={first: 255 - PHOTO})
        assert fake.calls == []
        assert other.log() == []


def test_another_model_is_said_and_its_picture_kept(session, tmp_path):
    """The picture differs, the step says why, and later steps build on what there is."""

    class Newer(sl.FakeRuntime):
        info = sl.FakeRuntime().info.__class__(
            **{**sl.FakeRuntime().info.__dict__, "fingerprint": "e" * 64, "model": "newer"}
        )

        def _draw(self, text, source, seed):
            return 255 - super()._draw(text, source, seed)

    file = session.edit(session.generate("a star"), "make the star blue").save(tmp_path / "a.webp")
    with sl.Session(runtime=Newer()) as other:
        again = other.recreate(file)
        assert not again.same
        assert "the model was fake, is newer" in again.steps[0].detail
        assert len(other.log()) == 2


def test_a_lineage_that_is_not_verified_is_not_run(session, tmp_path):
    """Text of one picture in the file of another: told, not believed."""
    told = session.generate("a star").image.lineage()
    provenance.save(PHOTO, tmp_path / "a.png", told)
    assert not provenance.read(tmp_path / "a.png").verified
    with pytest.raises(InputError, match="does not belong"):
        session.recreate(tmp_path / "a.png")


@pytest.mark.parametrize(
    "change",
    [
        {"tool": "nonsense"},
        {"args": {"prompt": "a star", "path": "/etc"}},
        {"args": {"prompt": "a star", "n": {"$float": "one"}}},
        {"args": {"prompt": {"$image": "../../etc"}}},
        {"seeds": ("9" * 19,)},
        {"seeds": ()},
    ],
)
def test_steps_that_cannot_be_run_are_input_errors(session, change):
    """A record may be whole and still ask for what there is not."""
    told = session.generate("a star").image.lineage()
    step = told.steps[0].model_copy(update=change)
    with pytest.raises(sl.SightlineError):
        session.recreate(told.model_copy(update={"steps": (step,)}))
    with pytest.raises(InputError, match="holds no step"):
        session.recreate(told.model_copy(update={"steps": ()}))


def test_a_shortened_lineage_goes_on_from_a_given_picture(session):
    """What was left out is asked for like a picture from outside."""
    star = session.generate("a red star")
    blue = session.edit(star, "make the star blue")
    told = blue.image.lineage()
    short = told.model_copy(update={"steps": told.steps[1:], "left_out": 1})
    assert short.missing() == (star.image.ref.pixels,)
    with sl.Session(runtime=sl.FakeRuntime()) as other:
        again = other.recreate(short, inputs={star.image.ref.pixels: star.image})
        assert again.same


def test_nothing_in_a_file_says_where_it_was(fake, tmp_path):
    """No path of a source, store or model; what was asked stands in it."""
    Image.fromarray(PHOTO).save(tmp_path / "secret-name.png")
    with sl.Session(tmp_path / "secret-store", runtime=fake) as s:
        file = s.crop(tmp_path / "secret-name.png", (0, 0, 0.5, 0.5)).save(tmp_path / "a.png")
    assert b"secret" not in file.read_bytes()
    assert str(tmp_path).encode() not in file.read_bytes()
    assert b'"box"' in file.read_bytes()


def test_lineage_can_be_left_out(session, tmp_path):
    """`provenance=False` writes pixels alone, and saving over a file with a lineage takes that away."""
    star = session.generate("a star")
    star.save(tmp_path / "a.png")
    star.save(tmp_path / "a.png", provenance=False)
    with pytest.raises(NotFoundError):
        provenance.read(tmp_path / "a.png")
    with pytest.warns(UserWarning, match="JPEG"):
        star.save(tmp_path / "a.jpg")
    assert star.image.save(tmp_path / "b.jpg", provenance=False).exists()


def test_a_stale_lineage_does_not_travel(session, tmp_path):
    """A file that is added and saved again tells of its own way, not of the file's."""
    file = session.generate("a star").save(tmp_path / "a.png")
    with sl.Session(runtime=sl.FakeRuntime()) as other:
        added = other.add(file)
        again = provenance.read(added.save(tmp_path / "b.png"))
    assert [step.tool for step in again.steps] == ["add"]
    assert again.verified


def test_a_damaged_step_costs_the_lineage_not_the_picture(fake, tmp_path):
    """The picture is saved, and a warning says that its lineage is not."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        star = s.generate("a star")
        s.edit(star, "make the star blue")
        blue = s.show("HEAD")
        with sqlite3.connect(tmp_path / "s" / "session.db") as raw:
            raw.execute("UPDATE steps SET seeds = '[\"1\"]' WHERE tool = 'generate'")
        raw.close()
        with pytest.warns(UserWarning, match=r"a\.png is saved without its lineage"):
            blue.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_long_chains_have_a_lineage_too(session):
    """Three hundred steps, each from the one before: no recursion, all in order."""
    at = session.add(PHOTO)
    for number in range(300):
        at = session.crop(at, (0, 0, 30, 40)) if number % 2 else session.resize(at, width=30, height=40)
    told = at.image.lineage()
    assert told.steps[0].tool == "add"
    assert told.steps[-1].images == (at.image.ref.pixels,)


def test_the_embedded_models_picture_is_made_again_to_the_bit(embedded, tmp_path):
    """Draw, edit a region of it, save: another session makes the very same pixels from the file alone."""
    with sl.Session(runtime=embedded, seed=5) as s:
        drawn = s.generate("a red circle left of a blue square", steps=6)
        file = s.edit(drawn, "make the circle green", region=(0, 0, 0.5, 1), steps=6).save(
            tmp_path / "a.webp"
        )
    assert json.dumps(provenance.read(file).model_dump(mode="json")).count("embedded") == 2
    with sl.Session(runtime=embedded, seed=6) as other:
        assert other.recreate(file).same


def test_a_picture_of_no_session_has_no_lineage(session):
    """It says so; its file is written without one."""
    bare = sl.Picture(session.generate("a star").image.ref, lambda ref: PHOTO)
    with pytest.raises(NotFoundError, match="bound to no session"):
        bare.lineage()
    assert io.BytesIO(bare._repr_png_()).read(4) == b"\x89PNG"


@pytest.mark.parametrize("named", ["secret.png", "img1"])
def test_a_lineage_that_names_a_file_opens_nothing(session, tmp_path, monkeypatch, named):
    """A picture of a record is a digest; a text in its place would be read from the reader's disk."""
    Image.fromarray(PHOTO).save(tmp_path / "secret.png")
    monkeypatch.chdir(tmp_path)
    told = session.crop(session.generate("a star"), (0, 0, 20, 20)).image.lineage()
    forged = told.steps[1].model_copy(update={"args": told.steps[1].args | {"image": named}})
    with sl.Session(runtime=sl.FakeRuntime()) as other:
        with pytest.raises(InputError, match="image of a recorded crop is no picture"):
            other.recreate(told.model_copy(update={"steps": (told.steps[0], forged)}))
        assert other.log() == []
