"""The model tools, over the rule-based runtime."""

import json

import numpy as np
import pytest
from tests.conftest import Shelf

from sightline_runtime.errors import InputError
from sightline_runtime.testing import Answer, FakeRuntime, ScriptedRuntime
from sightline_runtime.world import judge
from sightline_tools import vision
from sightline_tools.image import describe


def refused(model, **values):
    """The InputError that checking the arguments raises."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - pydantic wraps it
        model(**values)
    return caught.value.errors()[0]["ctx"]["error"]


def test_generate_draws_what_is_asked(shelf):
    """The picture shows the prompt."""
    made = vision.generate.run(vision.GenerateArgs(prompt="a red star"), shelf)
    seen = judge.read(shelf.load(made.images[0])).things
    assert [(thing.color, thing.shape) for thing in seen] == [("red", "star")]


def test_generate_gives_one_picture_a_seed():
    """Two seeds give two pictures."""
    shelf = Shelf(FakeRuntime(), seeds=(1, 2))
    made = vision.generate.run(vision.GenerateArgs(prompt="a star", n=2), shelf)
    assert len({image.pixels for image in made.images}) == 2


def test_edit_changes_what_is_asked_and_says_so(shelf):
    """A colour changes; an instruction about nothing that is there changes nothing."""
    star = vision.generate.run(vision.GenerateArgs(prompt="a red star"), shelf).images[0]
    blue = vision.edit.run(vision.EditArgs(image=star, instruction="make the star blue"), shelf)
    none = vision.edit.run(vision.EditArgs(image=star, instruction="make the ring blue"), shelf)
    assert judge.read(shelf.load(blue.images[0])).things[0].color == "blue"
    assert blue.before == star
    assert (blue.changed, none.changed) == (True, False)


def test_an_edit_of_nothing_gives_the_source_itself_and_computes_no_pixels(shelf):
    """A photograph of any size stays the very same picture where nothing is there to change."""
    star = vision.generate.run(vision.GenerateArgs(prompt="a red star"), shelf).images[0]
    large = shelf.save(np.kron(shelf.load(star), np.ones((3, 3, 1), np.uint8)))
    shelf.runtime.calls.clear()
    none = vision.edit.run(vision.EditArgs(image=large, instruction="make the ring blue"), shelf)
    assert none.images == (large,)
    assert not none.changed
    assert shelf.runtime.calls == ["generate_features"]
    sized = vision.edit.run(
        vision.EditArgs(image=large, instruction="make the ring blue", size=(32, 32)), shelf
    )
    assert (sized.images[0].width, sized.images[0].height) == (32, 32)


@pytest.mark.parametrize("channels", [3, 4])
def test_an_edit_of_a_region_keeps_all_else_to_the_bit(shelf, channels):
    """A large picture, opaque or not: it keeps its size, and outside no pixel moves."""
    star = vision.generate.run(vision.GenerateArgs(prompt="a red star in the center"), shelf).images[0]
    pixels = np.kron(shelf.load(star), np.ones((3, 3, 1), np.uint8))
    if channels == 4:
        pixels = np.dstack([pixels, np.random.default_rng(1).integers(0, 256, (192, 192), np.uint8)])
        pixels[60:130, 60:130, 3] = 255
    args = {"image": shelf.save(pixels), "instruction": "make the star blue", "region": (0.3, 0.3, 0.7, 0.7)}
    made = vision.edit.run(vision.EditArgs(**args, feather=5), shelf)
    after = shelf.load(made.images[0])
    outside = np.ones((192, 192), bool)
    outside[58:134, 58:134] = False
    assert after.shape == pixels.shape
    assert (after[outside] == pixels[outside]).all()
    assert made.changed
    assert made.localities[0].asked == "region"
    assert after[96, 96, :3].tolist() != pixels[96, 96, :3].tolist()


def test_an_edit_beside_its_region_changes_nothing(shelf):
    """Locality tells that the model changed what it was not asked to; the picture keeps it out."""
    star = vision.generate.run(vision.GenerateArgs(prompt="a red star at the top left"), shelf).images[0]
    args = {"image": star, "instruction": "make the star blue", "region": (0.8, 0.8, 1, 1)}
    made = vision.edit.run(vision.EditArgs(**args), shelf)
    assert (made.changed, made.localities[0].inside) == (False, 0)
    assert made.localities[0].outside > 0.01
    assert (shelf.load(made.images[0]) == shelf.load(star)).all()


@pytest.mark.parametrize(
    "change",
    [
        {"feather": 3},
        {"region": (0, 0, 1, 1), "feather": -1},
        {"region": (0, 0, 1, 1), "feather": 513},
        {"region": (0, 0, 1, 1), "size": (32, 32)},
        {"region": {}},
    ],
)
def test_regions_that_cannot_be_are_refused_before_anything_runs(change):
    """A feather without a region, one out of range, a size, no region in the region."""
    image = describe(np.zeros((4, 4, 3), np.uint8))[0]
    assert refused(vision.EditArgs, image=image, instruction="make it blue", **change).hint


def test_a_region_outside_the_picture_is_refused_before_anything_is_computed(shelf):
    """The size is known when the call runs; the model is not asked."""
    image = shelf.save(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(InputError, match="does not lie in the picture"):
        vision.edit.run(vision.EditArgs(image=image, instruction="blue", region=(0, 0, 9, 9)), shelf)
    assert shelf.runtime.calls == []


def test_understand_passes_choices_on():
    """Choices come back with probabilities."""
    shelf = Shelf(FakeRuntime())
    star = vision.generate.run(vision.GenerateArgs(prompt="a red star"), shelf).images[0]
    said = vision.understand.run(
        vision.UnderstandArgs(image=star, question="is there a ring ?", choices=("yes", "no")), shelf
    )
    assert said.text == "no"
    assert set(said.probabilities) == {"yes", "no"}


def test_transparent_pictures_are_shown_on_white():
    """The model sees RGB: half-transparent black is grey."""
    seen = []

    class Watching(ScriptedRuntime):
        def generate_text(self, request):
            seen.append(request.images[0])
            return super().generate_text(request)

    shelf = Shelf(Watching(Answer("gray")))
    glass = shelf.save(np.full((4, 4, 4), (0, 0, 0, 128), np.uint8))
    vision.understand.run(vision.UnderstandArgs(image=glass, question="what color ?"), shelf)
    assert seen[0].shape == (4, 4, 3)
    assert seen[0][0, 0].tolist() == [127, 127, 127]


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": " \n"},
        {"n": 0},
        {"n": 65},
        {"steps": 0},
        {"steps": 1001},
        {"guidance": float("nan")},
        {"guidance": -1.0},
        {"size": (0, 64)},
        {"size": (64, 9999)},
        {"preview_every": -1},
    ],
)
def test_impossible_drawings_are_refused(change):
    """Every bad option is an InputError that names it, with a hint, before anything runs."""
    error = refused(vision.GenerateArgs, **({"prompt": "a star"} | change))
    assert isinstance(error, InputError)
    assert next(iter(change)) in error.message
    assert error.hint


def test_empty_questions_and_choices_are_refused(shelf):
    """An empty question, an empty choice or a repeated one is an InputError."""
    image = shelf.save(np.zeros((4, 4, 3), np.uint8))
    assert isinstance(refused(vision.UnderstandArgs, image=image, question=""), InputError)
    for choices in (("yes", "yes"), ("yes", " ")):
        assert isinstance(
            refused(vision.UnderstandArgs, image=image, question="?", choices=choices), InputError
        )
    assert isinstance(refused(vision.EditArgs, image=image, instruction=" "), InputError)


class Watched(FakeRuntime):
    """Keeps the requests to decode."""

    def __init__(self):
        super().__init__()
        self.decoded = []

    def decode_features(self, request):
        """Note the request and do it."""
        self.decoded.append(request)
        return super().decode_features(request)


def test_a_decode_seed_and_a_draft_reach_the_decoder_alone():
    """The features are drawn from the pictures' seeds; only the request to decode differs."""
    shelf = Shelf(Watched(), seeds=(1, 2))
    for change in ({}, {"decode_seed": 9}, {"draft": True}):
        vision.generate.run(vision.GenerateArgs(prompt="a star", n=2, **change), shelf)
    plain, other, draft = shelf.runtime.decoded
    assert (plain.seeds, other.seeds, draft.seeds) == ((1, 2), (9, 9), (1, 2))
    assert (plain.steps, other.steps, draft.steps) == (None, None, 1)
    for made in (other, draft):
        assert all(map(np.array_equal, made.features, plain.features))


@pytest.mark.parametrize("seed", [-1, 2**53, True, 1.5])
def test_a_decode_seed_that_json_cannot_hold_is_refused(seed):
    """A decode seed is a whole number up to 2**53 - 1."""
    with pytest.raises(ValueError, match="decode_seed"):
        vision.GenerateArgs(prompt="a star", decode_seed=seed)


def test_arguments_that_are_younger_than_the_tool_leave_old_recipes_alone(shelf):
    """The canonical arguments of a call without them are those of the first release."""
    from sightline.tree.recipe import canonical, dumps

    old, young = (
        json.loads(dumps(canonical(vision.GenerateArgs(prompt="a star", **change))))
        for change in ({}, {"draft": True, "decode_seed": 0})
    )
    assert set(old) == {"n", "steps", "guidance", "size", "prompt"}
    assert set(young) - set(old) == {"draft", "decode_seed"}
