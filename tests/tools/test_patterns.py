"""JSON schemas as patterns: whatever matches is valid, and plain valid values match."""

import json
import random
from enum import Enum
from typing import Annotated, Literal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from sightline_runtime.automaton import DEAD, Automaton
from sightline_runtime.errors import InputError
from sightline_tools.patterns import json_pattern
from sightline_tools.schemas import NAMED


def some_match(automaton, seed):
    """A match at random: bytes that lead on for a while, then the shortest way."""
    draw, state, said = random.Random(seed), automaton.start, bytearray()
    wanted = draw.randrange(120)
    while not automaton.accepts(state) or (len(said) < wanted and draw.random() < 0.95):
        row, missing = automaton.row(state), automaton.shortest(state)
        alive = [byte for byte in range(256) if row[byte] != DEAD]
        if len(said) >= wanted:
            alive = [byte for byte in alive if automaton.shortest(row[byte]) < missing]
        if not alive:
            break
        said.append(draw.choice(alive))
        state = row[said[-1]]
    return said.decode()


TEXTS = st.text(max_size=5)
VALUES = st.none() | st.booleans() | st.integers(-99, 99) | TEXTS


@st.composite
def numbers(draw):
    """A schema of a number, and a number of it that is written plainly."""
    kind = draw(st.sampled_from(["integer", "number"]))
    low, span = draw(st.integers(-500, 500)), draw(st.integers(2, 400))
    bounds = draw(
        st.sampled_from(
            [
                {"minimum": low, "maximum": low + span},
                {"exclusiveMinimum": low - 1, "exclusiveMaximum": low + span + 1},
                {"minimum": low},
                {"maximum": low + span},
                {},
            ]
        )
    )
    whole = draw(st.integers(low, low + span))
    return {"type": kind, **bounds}, whole if kind == "integer" else draw(
        st.sampled_from([whole, whole + 0.0])
    )


@st.composite
def texts(draw):
    """A schema of a text, and a text of it."""
    if draw(st.booleans()):
        return draw(
            st.sampled_from(
                [
                    ({"type": "string", "pattern": "^[a-z]+-[0-9]{2}$"}, "ab-07"),
                    ({"type": "string", "pattern": '^["\\\\\n]{1,3}x?$'}, '"\\\n'),
                    ({"type": "string", "pattern": "^[^a]*$"}, 'b"\\\u0001é'),
                ]
            )
        )
    text = draw(TEXTS)
    return {"type": "string", "minLength": draw(st.integers(0, len(text))), "maxLength": len(text) + 2}, text


def composed(inner):
    """Lists, objects and alternatives of smaller schemas, each with a value."""

    @st.composite
    def array(draw):
        schema, value = draw(inner)
        low, count = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        return {"type": "array", "items": schema, "minItems": low, "maxItems": low + 2}, [value] * (
            low + count
        )

    @st.composite
    def object_(draw):
        pairs = draw(st.lists(inner, max_size=3))
        names = draw(st.lists(TEXTS, min_size=len(pairs), max_size=len(pairs), unique=True))
        there = [draw(st.booleans()) for _ in pairs]
        required = [
            name for name, present in zip(names, there, strict=True) if present and draw(st.booleans())
        ]
        properties = {name: schema for name, (schema, _) in zip(names, pairs, strict=True)}
        value = {
            name: value for name, (_, value), present in zip(names, pairs, there, strict=True) if present
        }
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }, value

    @st.composite
    def choice(draw):
        options = draw(st.lists(inner, min_size=1, max_size=3))
        return {"anyOf": [schema for schema, _ in options]}, options[0][1]

    return array() | object_() | choice()


LEAVES = (
    numbers()
    | texts()
    | st.just(({"type": "null"}, None))
    | st.booleans().map(lambda value: ({"type": "boolean"}, value))
    | st.lists(VALUES, min_size=1, max_size=3).map(lambda values: ({"enum": values}, values[-1]))
    | VALUES.map(lambda value: ({"const": value}, value))
    | TEXTS.map(lambda text: ({"type": ["string", "null"]}, text))
)
SCHEMAS = st.recursive(LEAVES, composed, max_leaves=5)


@settings(max_examples=150, deadline=None)
@given(SCHEMAS, st.integers(0, 2**32))
def test_a_schema_and_its_pattern_agree(both, seed):
    """Random matches are JSON that is valid; the valid value that the schema was made with matches."""
    schema, value = both
    automaton = Automaton(json_pattern(schema))
    for text in (automaton.shortest_match(), some_match(automaton, seed)):
        jsonschema.validate(json.loads(text), schema)
    jsonschema.validate(value, schema)
    assert automaton.matches(json.dumps(value, ensure_ascii=False))


class Size(Enum):
    """Sizes."""

    SMALL = "small"
    LARGE = "large"


class Thing(BaseModel):
    """A thing of a picture."""

    shape: Literal["star", "ring"]
    size: Size | None = None
    where: tuple[Annotated[int, Field(ge=0, le=2)], Annotated[int, Field(ge=0, le=2)]]


class Scene(BaseModel):
    """Things in a picture."""

    things: list[Thing] = Field(max_length=3)
    share: float = Field(ge=0, lt=1)


def test_models_become_patterns():
    """What a model of pydantic writes of itself matches, and what matches is one."""
    automaton = Automaton(json_pattern(Scene.model_json_schema(mode="serialization")))
    scene = Scene(things=[Thing(shape="ring", size=Size.LARGE, where=(0, 2))], share=0.25)
    assert automaton.matches(json.dumps(scene.model_dump(mode="json")))
    for seed in range(20):
        Scene.model_validate_json(some_match(automaton, seed))


def test_pictures_are_only_those_that_are_there():
    """An argument that names a picture is one of the names given; without any there is no call."""
    assert Automaton(json_pattern(NAMED, pictures=("img1", "img12"))).matches('"img12"')
    assert not Automaton(json_pattern(NAMED, pictures=("img1", "img12"))).matches('"img2"')
    with pytest.raises(InputError, match="no picture"):
        json_pattern(NAMED, pictures=())


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {}, "required": ["a"]},
        {"type": "array"},
        {"type": "array", "items": {"type": "null"}, "uniqueItems": True},
        {"type": "integer", "multipleOf": 2},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": "^(?=a)"},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "string", "minLength": 3, "pattern": "a+"},
        {"allOf": [{"type": "null"}, {"type": "null"}]},
        {"oneOf": [{"type": "null"}]},
        {"not": {"type": "null"}},
        {"enum": []},
        {"$ref": "#/$defs/gone"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}},
    ],
    ids=lambda schema: json.dumps(schema)[:40],
)
def test_what_cannot_be_a_pattern_is_refused(schema):
    """A schema that says more than a pattern can is never taken as less."""
    with pytest.raises(InputError) as caught:
        json_pattern(schema)
    assert caught.value.hint
