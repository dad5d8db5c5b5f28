"""Answers with a type: on rules, on the shipped model, and on models that know nothing but must answer."""

from dataclasses import replace
from enum import Enum
from typing import Annotated, Literal

import numpy as np
import pytest
from pydantic import BaseModel, Field, field_validator
from tests.tiny import release

import sightline as sl
from sightline.errors import EngineError, InputError
from sightline.reasoning.typed import Typed
from sightline_runtime.engine import blip3o
from sightline_runtime.engine.local import LocalRuntime
from sightline_runtime.engine.placement import Wish
from sightline_runtime.protocol import Job, TextResult
from sightline_runtime.testing import Answer, FakeRuntime, ScriptedRuntime

STARS, COLOR = "how many stars are there ?", "what color is the star ?"


class Color(Enum):
    """Colours that are asked for."""

    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    """Where something is."""

    left: bool = Field(description="is the star left of the ring ?")


class Look(BaseModel):
    """What is in the picture."""

    stars: Annotated[int, Field(ge=0, le=9)] = Field(description=STARS)
    color: Color = Field(description=COLOR)
    size: Literal["small", "large"] | None = Field(default=None, description="how big is the star ?")
    place: Place


@pytest.fixture
def drawn(session):
    """A session, and its picture of a large star left of a ring."""
    return session, session.generate("a large red star left of a blue ring")


@pytest.mark.parametrize(
    ("question", "output", "value", "text"),
    [
        (STARS, int, 1, "one"),
        (STARS, float, 1.0, "one"),
        (STARS, Literal[0, 1, 2], 1, "one"),
        (COLOR, Literal["blue", "red"], "red", "red"),
        (COLOR, Color, Color.RED, "red"),
        (COLOR, str, "red", "red"),
        (COLOR, Annotated[str, Field(pattern="^(pink|red)$")], "red", "red"),
        (COLOR, list[Color], [Color.RED], "red"),
        ("is there a red star ?", bool, True, "yes"),
        ("is there a red ring ?", bool, False, "no"),
    ],
)
def test_words_become_values(drawn, question, output, value, text):
    """Number words, yes and no, choices and lists are what the type says; the words are kept."""
    s, picture = drawn
    seen = s.understand(picture, question, output=output)
    assert isinstance(seen, Typed)
    assert seen.value == value
    assert type(seen.value) is type(value)
    assert seen.text == text
    assert seen.confidence == seen.confidences[""] == pytest.approx(0.9)


def test_a_model_is_filled_value_by_value(drawn):
    """Descriptions are the questions; each value has a confidence, their product is that of all."""
    s, picture = drawn
    seen = s.understand(picture, "what is there ?", output=Look)
    assert seen.value == Look(stars=1, color=Color.RED, size="large", place=Place(left=True))
    assert seen.text.splitlines() == ["stars: one", "color: red", "size: large", "place.left: yes"]
    assert set(seen.confidences) == {"stars", "color", "size", "place.left"}
    assert seen.confidence == pytest.approx(0.9**4)
    assert repr(seen.value) in repr(seen)


def test_a_typed_answer_is_a_step_like_any_other(drawn):
    """It is found again, replayed, rerun with changes, and shown; another type is another step."""
    s, picture = drawn
    first = s.understand(picture, STARS, output=int)
    again = s.understand(picture, STARS, output=int)
    assert (str(again.cache), again.value) == ("hit", 1)
    assert str(s.understand(picture, STARS, output=Literal[1, 2]).cache) == "miss"
    assert str(s.understand(picture, STARS).cache) == "miss"
    assert s.replay().ok
    changed = s.rerun(changes={first: {"question": "how many circles are there ?"}})
    redone = s.show(changed.steps[first.step.id])
    assert (redone.text, redone.step.outputs["data"]) == ("zero", "0")
    assert s.show(first).text == "one"


def test_plain_questions_keep_their_recipe(drawn):
    """An argument that is not there is not in the recipe."""
    s, picture = drawn
    step = s.understand(picture, STARS).step
    assert "output" not in step.args
    assert {"data", "confidences"}.isdisjoint(step.outputs)


@pytest.mark.parametrize("output", [dict[str, int], object, 3, tuple[int, str], list[str], int | str])
def test_a_type_that_cannot_be_asked_for_is_refused(drawn, output):
    """Before anything is computed, with what can be used instead."""
    s, picture = drawn
    before = s.head
    with pytest.raises(InputError) as caught:
        s.understand(picture, STARS, output=output)
    assert caught.value.hint
    assert s.head == before


def test_choices_and_a_type_exclude_each_other(drawn):
    """One of them says what may be answered."""
    s, picture = drawn
    with pytest.raises(InputError, match="choices and an output"):
        s.understand(picture, COLOR, choices=("red", "blue"), output=Color)
    for broken in ("{", "[]", "[" * 100_000):
        with pytest.raises(InputError, match="output"):
            s.call("understand", image=picture, question=COLOR, output=broken)


class Picky(BaseModel):
    """A type that refuses what its schema allows."""

    stars: int = Field(description=STARS)

    @field_validator("stars")
    @classmethod
    def _more(cls, value):
        if value < 2:
            raise ValueError("too few")
        return value


def test_a_type_that_refuses_an_answer_says_so(drawn):
    """What only Python knows of a type cannot hold a model back."""
    s, picture = drawn
    with pytest.raises(EngineError, match="too few"):
        s.understand(picture, STARS, output=Picky)


def test_a_script_that_breaks_the_type_fails(drawn):
    """A scripted answer that the type rules out is a mistake of the test, and named."""
    runtime = ScriptedRuntime(Answer("seven"), Answer("several"))
    with sl.Session(runtime=runtime) as s:
        picture = s.add(np.zeros((4, 4, 3), np.uint8))
        assert s.understand(picture, STARS, output=int).value == 7
        with pytest.raises(EngineError, match="'several' does not match"):
            s.understand(picture, STARS, output=Annotated[int, Field(le=3)])


def test_the_twin_gives_the_same(fake):
    """Awaited, the answer has the same value and type."""
    import asyncio

    async def main():
        async with sl.AsyncSession(runtime=fake, seed=7) as s:
            picture = await s.generate("two green stars")
            return await s.understand(picture, STARS, output=int)

    assert asyncio.run(main()).value == 2


class Writer(FakeRuntime):
    """Writes JSON that a test gives, in pieces of four characters that it is less and less sure of."""

    def __init__(self, text):
        super().__init__()
        self.text, self.asked = text, []

    @property
    def info(self):
        """With the ability to write JSON."""
        return replace(super().info, capabilities=super().info.capabilities | {"json"})

    def generate_text(self, request):
        """Give the text."""
        self.asked.append(request)
        pieces = [self.text[at : at + 4] for at in range(0, len(self.text), 4)]
        told = tuple((piece, -0.01 * place) for place, piece in enumerate(pieces))
        job = Job()
        job.finish(TextResult(self.text, 0.5, pieces=told))
        return job


def test_a_model_that_writes_json_is_asked_once():
    """The question carries the schema, the pattern holds it, each value has the confidence of its tokens."""
    runtime = Writer('{"stars": 2, "color": "blue", "size": null, "place": {"left": true}}')
    with sl.Session(runtime=runtime) as s:
        picture = s.add(np.zeros((4, 4, 3), np.uint8))
        seen = s.understand(picture, "what is there ?", output=Look)
    assert seen.value == Look(stars=2, color=Color.BLUE, size=None, place=Place(left=True))
    (request,) = runtime.asked
    assert '"properties"' in request.messages[0].text
    assert seen.confidence == 0.5
    assert list(seen.confidences) == ["stars", "color", "size", "place.left"]
    assert seen.confidences["stars"] == pytest.approx(np.exp(-0.02))
    assert seen.confidences["color"] == pytest.approx(np.exp(-0.05 - 0.06))


@pytest.fixture(scope="module")
def ignorant(tmp_path_factory):
    """The engine on a tiny checkpoint of the released layout with random weights."""
    folder = tmp_path_factory.mktemp("release") / "tiny-8b"
    release.write(folder)
    runtime = LocalRuntime(blip3o.Served(folder, Wish(dtype="float32")))
    yield runtime
    runtime.close()


@pytest.mark.parametrize("output", [int, bool, Color, Look, list[Place], Annotated[str, Field(max_length=9)]])
def test_a_model_that_knows_nothing_still_gives_the_type(ignorant, output):
    """Random weights write valid JSON of every type, in as few tokens as there are."""
    with sl.Session(runtime=ignorant) as s:
        picture = s.add(np.zeros((40, 60, 3), np.uint8))
        seen = s.understand(picture, "what is there ?", output=output, max_tokens=90)
        assert all(0 < share <= 1 for share in seen.confidences.values())
        assert s.replay().ok


def test_the_shipped_model_counts_in_numbers(embedded):
    """Its words are numbers, choices and truth values; the type keeps it to what is allowed."""
    with sl.Session(runtime=embedded, seed=3) as s:
        picture = s.generate("a red star left of a blue ring")
        assert s.understand(picture, STARS, output=int).value == 1
        assert s.understand(picture, STARS, output=Annotated[int, Field(ge=2, le=5)]).value in range(2, 6)
        seen = s.understand(picture, "what is there ?", output=Look)
        assert seen.value.color is Color.RED
        assert isinstance(seen.value.place.left, bool)
        with pytest.raises(InputError, match="cannot say"):
            s.understand(picture, COLOR, output=Literal["crimson", "azure"])
        with pytest.raises(InputError, match="can write nothing"):
            s.understand(picture, COLOR, output=Annotated[str, Field(pattern="^crimson|azure$")])
