"""Finding steps by their words, and pictures by a picture they resemble."""

import operator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sightline as sl
from sightline.errors import InputError, NotFoundError
from sightline.store.words import words_in
from sightline.tree.search import pooled
from sightline_runtime.testing import colored
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import Scene, Thing


def test_steps_are_found_by_prompts_questions_and_answers(session):
    """Newest first, on every branch, also after an undo; a limit takes the newest."""
    dog = session.generate("a blue star")
    asked = session.understand(dog, "is the star blue ?")
    session.undo(2)
    edited = session.edit(dog, "make it green")
    assert [found.step for found in session.find("STAR blue")] == [asked.step, dog.step]
    assert [found.step for found in session.find("blue", limit=1)] == [asked.step]
    assert [found.step for found in session.find("gre")] == [edited.step]
    assert session.find("dog") == session.find(" ") == session.find("?") == []
    (found,) = session.find("green")
    assert (found.picture, found.score) == (None, 1.0)
    assert "make it green" in repr(found)


def test_pictures_are_found_by_a_picture(session):
    """The likest first, with the step that made each; whatever stands for a picture can be asked for."""
    red, blue, pink = (session.add(colored(name)) for name in ("red", "blue", "purple"))
    found = session.find(red)
    assert found[0].picture.ref == red.image.ref
    assert found[0].score == pytest.approx(1, abs=1e-3)
    assert {f.step.id for f in found} == {made.step.id for made in (red, blue, pink)}
    assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)
    for same in ("img1", red.image, red.step, colored("red"), f"sha256:{red.image.ref.pixels[:12]}"):
        assert session.find(same, limit=1)[0].picture.ref == red.image.ref
    assert session.show("HEAD").step == pink.step


def test_a_picture_is_embedded_once(session, fake):
    """A second search embeds only what it asks for; another model embeds all anew."""
    for color in ("red", "blue", "green"):
        session.add(colored(color))
    fake.calls.clear()
    session.find(colored("red"))
    assert fake.calls == ["embed_images", "embed_images"]
    session.find(colored("blue"))
    assert fake.calls == ["embed_images"] * 3


def test_vectors_are_small_and_kept(tmp_path, fake):
    """They are in the database, under 4 KB each, for the next process."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        s.add(colored("red"))
        s.find(colored("blue"))
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        (row,) = s._store.database.vectors(fake.info.fingerprint)
        assert 0 < len(row["vector"]) < 4096
        assert s.verify_store().problems == ()


def test_a_damaged_picture_does_not_stop_a_search(tmp_path, fake):
    """The others are found."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        red, blue = s.add(colored("red")), s.add(colored("blue"))
        blob = red.image.ref.blob
        (tmp_path / "s" / "objects" / blob[:2] / blob[2:]).unlink()
        assert [found.step for found in s.find(colored("red"))] == [blue.step]


def test_sessions_of_a_store_are_searched_apart(tmp_path, fake):
    """A search stays in its session."""
    with sl.Session("a", store=tmp_path, runtime=fake) as a, sl.Session("b", store=tmp_path) as b:
        star = a.generate("a star")
        assert b.find("star") == []
        b._executor.runtime = fake
        assert b.find(star) == []


@pytest.mark.parametrize(
    ("what", "error"),
    [("img9", NotFoundError), ("sha256:x", InputError), (3, InputError), (None, InputError)],
)
def test_what_cannot_be_searched_is_refused(session, what, error):
    """A number or an unknown picture is one clear error."""
    with pytest.raises(error):
        session.find(what)


@pytest.mark.parametrize("limit", [0, -1, True, "x", 1.5])
def test_a_limit_is_one_or_more(session, limit):
    """Anything else is refused."""
    with pytest.raises(InputError, match="limit"):
        session.find("star", limit=limit)


def test_a_model_that_cannot_compare_says_so(fake):
    """Words can still be searched."""

    class Blind(sl.FakeRuntime):
        @property
        def info(self):
            return replace(super().info, capabilities=frozenset({"generate"}))

    with sl.Session(runtime=Blind()) as s:
        s.generate("a star")
        assert len(s.find("star")) == 1
        with pytest.raises(InputError, match="compare pictures"):
            s.find("img1")


def test_pictures_alike_are_found_by_the_embedded_model(embedded):
    """Of eight things the one that is alike is found, wherever it stands in the picture."""
    kinds = [(shape, color) for shape in ("star", "ring", "circle", "square") for color in ("red", "blue")]
    with sl.Session(runtime=embedded) as s:
        made = [s.add(painted(*kind, place)).step for place, kind in enumerate(kinds)]
        found = [s.find(painted(*kind, 8 - place), limit=1)[0].step for place, kind in enumerate(kinds)]
    assert sum(map(operator.eq, found, made)) >= 6


def painted(shape, color, place):
    """A picture of one thing."""
    return paint(Scene("white", (Thing(shape, color, "large", place),)))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_a_text_finds_itself(text):
    """Folding words twice changes nothing, and all words of a text are words."""
    words = words_in(text)
    assert words_in(" ".join(words)) == words
    assert all(word.isalnum() for word in words)


@pytest.mark.parametrize("width", [1, 48, 1920, 1921, 5000])
def test_a_vector_has_length_one_and_a_bounded_size(width):
    """Wide features are averaged in groups."""
    features = np.random.default_rng(0).normal(size=(4, width)).astype(np.float32)
    vector = pooled(features)
    assert vector.size <= 1920
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert not np.isnan(pooled(features * 0)).any()
