"""What the shipped model can do, on a few cases each; the whole is measured by `sightline eval world`."""

import numpy as np
import pytest

from sightline_runtime.errors import InputError
from sightline_runtime.evaluation.scores import ask, draw, features
from sightline_runtime.protocol import DecodeRequest
from sightline_runtime.world import judge
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import Scene, Thing

SCENE = Scene(
    "white",
    (
        Thing("star", "red", "large", 0),
        Thing("ring", "blue", "small", 4, 2, -1),
        Thing("square", "green", "large", 8),
    ),
)
PICTURE = paint(SCENE)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("how many objects are there ?", "three"),
        ("what color is the star ?", "red"),
        ("what shape is the object in the center ?", "ring"),
        ("is there a green square ?", "yes"),
        ("is there a ring?", "yes"),
        ("are there any hearts ?", "no"),
        ("is the red star left of the blue ring ?", "yes"),
        ("is the red star below the blue ring ?", "no"),
        ("Where is the GREEN box?", "at the bottom right"),
        ("what colour is the background", "white"),
    ],
)
def test_it_answers(embedded, question, answer):
    """Questions of many forms get the true answer, surely."""
    said = ask(embedded, PICTURE, question)
    assert said.text == answer
    assert said.confidence > 0.6


@pytest.mark.parametrize("question", ["where is the yellow heart ?", "what color is the diamond ?"])
def test_it_is_not_sure_about_what_is_not_there(embedded, question):
    """A question about an absent thing has no confident answer."""
    assert ask(embedded, PICTURE, question).confidence < 0.6


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("a red circle left of a blue square", {("red", "circle"), ("blue", "square")}),
        ("Please draw a yellow star and a pink ring!", {("yellow", "star"), ("pink", "ring")}),
        ("2 blue hearts", {("blue", "heart")}),
    ],
)
def test_it_draws(embedded, prompt, wanted):
    """The judge sees what was asked for."""
    seen = judge.read(draw(embedded, prompt, 1)).things
    assert {(thing.color, thing.shape) for thing in seen} == wanted
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("instruction", "changed"),
    [
        ("make the star yellow", Thing("star", "yellow", "large", 0)),
        ("turn the red star into a heart", Thing("heart", "red", "large", 0)),
        ("delete the star", None),
        ("please make the ring huge", Thing("ring", "blue", "large", 4)),
    ],
)
def test_it_edits(embedded, instruction, changed):
    """The asked change is there, and everything else is as it was."""
    others = tuple(thing for thing in SCENE.things if thing.shape not in instruction)
    target = Scene("white", others if changed is None else (changed, *others))
    assert judge.edited(judge.read(draw(embedded, instruction, 1, PICTURE)), SCENE, target)


@pytest.mark.parametrize(
    "instruction", ["make the yellow heart red", "remove the diamond", "make the ring tiny"]
)
def test_it_leaves_alone_what_it_cannot_change(embedded, instruction):
    """Nothing there to change, or so already: the result says so and the features are the source's."""
    made = features(embedded, instruction, 1, PICTURE)
    assert made.unchanged == (True,)
    assert made.warnings


def test_it_names_words_that_it_does_not_know(embedded):
    """An unknown word is in a warning, and the rest is drawn."""
    made = features(embedded, "a shiny red star", 1)
    assert "shiny" in made.warnings[0]
    assert np.isfinite(made.features[0]).all()


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32])
def test_features_of_another_type_are_refused(embedded, kind):
    """Before they share a batch with anybody's."""
    wrong = np.zeros(embedded.info.feature_shape, kind)
    with pytest.raises(InputError, match="of type"):
        embedded.decode_features(DecodeRequest((wrong,), (1,))).result()
