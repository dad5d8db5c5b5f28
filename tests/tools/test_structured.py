"""Schemas that are filled in words: what is asked, how it may be said, and what it means."""

import json

import numpy as np
import pytest

from sightline_runtime.errors import InputError
from sightline_runtime.testing import Answer, ScriptedRuntime
from sightline_tools.structured import Asking, fill

PICTURE = np.zeros((4, 4, 3), np.uint8)
COLOR = {"enum": ["red", "blue", "light green"]}


class Told(ScriptedRuntime):
    """A script that also keeps what was asked."""

    def __init__(self, *script):
        super().__init__(*script)
        self.asked = []

    def generate_text(self, request):
        """Note the request and say the next line."""
        self.asked.append(request)
        return super().generate_text(request)


@pytest.fixture
def filled(shelf):
    """Fill a schema by a script; gives what came of it and what was asked."""

    def run(schema, *said):
        shelf.runtime = Told(*(Answer(text, 0.5) for text in said))
        found = fill(Asking(shelf, "what is there ?", PICTURE, 64), schema)
        shelf.runtime.finish()
        return found, shelf.runtime.asked

    return run


@pytest.mark.parametrize(
    ("schema", "said", "value"),
    [
        ({"type": "integer"}, "ten", 10),
        ({"type": "integer"}, "-42", -42),
        ({"type": "number", "minimum": 0, "maximum": 1}, "0.25", 0.25),
        ({"type": "boolean"}, "no", False),
        ({"type": "string", "maxLength": 9}, "any words", "any words"),
        ({"type": "string", "pattern": "^[a-z]+ [a-z]+$"}, "two words", "two words"),
        ({"enum": [1, "one more", True, None, 12]}, "one", 1),
        ({"enum": [1, "one more", True, None, 12]}, "nothing", None),
        ({"enum": [1, "one more", True, None, 12]}, "12", 12),
        ({"anyOf": [COLOR, {"type": "null"}]}, "nothing", None),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, "nothing", None),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, "two", 2),
        ({"type": "array", "items": COLOR}, "red , light green and blue", ["red", "light green", "blue"]),
        ({"type": "array", "items": COLOR}, "nothing", []),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, "one and 12", [1, 12]),
    ],
    ids=lambda case: json.dumps(case)[:50] if isinstance(case, dict | str) else None,
)
def test_words_mean_values(filled, schema, said, value):
    """Number words, digits, yes and no, nothing, and lists with commas."""
    found, _ = filled(schema, said)
    assert json.loads(found.data) == value
    assert (found.text, found.confidence, dict(found.confidences)) == (said, 0.5, {"": 0.5})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["integer"]},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"enum": ["salt and pepper", "oil"]}},
        {"type": "array", "prefixItems": [COLOR, COLOR]},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"anyOf": [COLOR, {"type": "integer"}]},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"enum": [1, "one"]},
        {"$ref": "#/$defs/x", "$defs": {"x": {"$ref": "#/$defs/x"}}},
    ],
    ids=lambda schema: json.dumps(schema)[:50],
)
def test_what_cannot_be_said_in_words_is_refused(filled, schema):
    """Before the model is asked anything."""
    with pytest.raises(InputError) as caught:
        filled(schema)
    assert caught.value.hint


def test_choices_are_scored_and_patterns_are_kept_to(filled):
    """What can be listed is asked as choices, which gives their probabilities; the rest by a pattern."""
    found, (asked,) = filled(COLOR, "blue")
    assert asked.choices == ("red", "blue", "light green")
    assert found.probabilities["blue"] == 0.5
    _, (asked,) = filled({"type": "integer"}, "2")
    assert asked.pattern
    assert not asked.choices
    _, (asked,) = filled({"type": "string"}, "whatever")
    assert not asked.pattern


def test_every_value_has_its_question(filled):
    """Descriptions are asked, of the property or of its definition; what has none is asked as the call."""
    schema = {
        "type": "object",
        "description": "not asked",
        "properties": {
            "first": {"$ref": "#/$defs/color"},
            "second": {"$ref": "#/$defs/color", "description": "what color is the ring ?"},
            "inner": {"type": "object", "description": "not asked", "properties": {"n": {"type": "integer"}}},
            "same": {"const": 3},
        },
        "$defs": {"color": {**COLOR, "description": "what color is it ?"}},
    }
    found, asked = filled(schema, "red", "blue", "two")
    assert [request.messages[0].text for request in asked] == [
        "what color is it ?",
        "what color is the ring ?",
        "what is there ?",
    ]
    assert json.loads(found.data) == {"first": "red", "second": "blue", "inner": {"n": 2}, "same": 3}
    assert found.text == "first: red\nsecond: blue\ninner.n: two\nsame: three"
    assert found.confidences == {"first": 0.5, "second": 0.5, "inner.n": 0.5, "same": 1.0}
    assert found.confidence == pytest.approx(0.125)
