"""Patterns of tool calls: only calls that are valid, of tools and pictures that are there."""

import json
import random
from dataclasses import dataclass

import jsonschema
import pytest

from sightline_runtime.automaton import DEAD, Automaton
from sightline_runtime.errors import InputError
from sightline_tools.call_patterns import call_pattern
from sightline_tools.schemas import NAMED, input_schema
from sightline_tools.toolbox import default_toolbox


@dataclass(frozen=True)
class Offered:
    """A tool as a chatbot sees it."""

    name: str
    input_schema: dict
    description: str = ""


TOOLS = [Offered(tool.name, input_schema(tool.args_model, seeded=tool.seeded)) for tool in default_toolbox()]
PICTURE = Offered("show", {"type": "object", "properties": {"image": NAMED}, "required": ["image"]})
NOTHING = Offered("undo", {"type": "object", "properties": {}})


def some_call(automaton, seed):
    """A call at random: bytes that lead on for a while, then the shortest way."""
    draw, state, said = random.Random(seed), automaton.start, bytearray()
    wanted = draw.randrange(300)
    while not automaton.accepts(state):
        row, missing = automaton.row(state), automaton.shortest(state)
        alive = [byte for byte in range(256) if row[byte] != DEAD]
        if len(said) >= wanted:
            alive = [byte for byte in alive if automaton.shortest(row[byte]) < missing]
        said.append(draw.choice(alive))
        state = row[said[-1]]
    return said.decode()


def names_in(value):
    """All texts of a value that could be names of pictures."""
    if isinstance(value, dict):
        return [name for each in value.values() for name in names_in(each)]
    if isinstance(value, list):
        return [name for each in value for name in names_in(each)]
    return [value] if isinstance(value, str) and value.startswith("img") else []


def test_every_call_is_valid_and_names_what_is_there():
    """Random calls of all tools are JSON, of a known tool, valid under its schema, with existing pictures."""
    automaton = Automaton(call_pattern(TOOLS, ["img1", "img12"]))
    called = set()
    for seed in range(60):
        text = some_call(automaton, seed)
        assert text.startswith("<tool_call>\n")
        assert text.endswith("\n</tool_call>")
        call = json.loads(text.removeprefix("<tool_call>").removesuffix("</tool_call>"))
        tool = next(tool for tool in TOOLS if tool.name == call["name"])
        jsonschema.validate(call["arguments"], tool.input_schema)
        assert set(names_in(call["arguments"])) <= {"img1", "img12"}
        called.add(tool.name)
    assert len(called) > 5


def test_a_plain_call_matches():
    """A call as a model writes it, with some of the arguments that are optional, and one out of bounds."""
    automaton = Automaton(call_pattern(TOOLS, ["img1"]))
    call = '<tool_call>\n{"name": "generate", "arguments": {"prompt": "a red star", "n": %d}}\n</tool_call>'
    assert automaton.matches(call % 4)
    assert not automaton.matches(call % 65)
    assert not automaton.matches(call.replace("generate", "paint") % 4)


def test_without_pictures_only_what_needs_none_can_be_called():
    """There is nothing to edit yet; with no tool left there is no call at all."""
    automaton = Automaton(call_pattern(TOOLS, []))
    called = {some_call(automaton, seed).split('"')[3] for seed in range(30)}
    assert called == {"generate", "draw_best"}
    with pytest.raises(InputError, match="no tool"):
        call_pattern([PICTURE], [])


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("edit ( make the star red )", True),
        ("edit ( picture two , make the star red )", True),
        ("generate ( two green stars )", True),
        ("generate ( a pictured star )", True),
        ("undo ( )", True),
        ("show ( picture one )", True),
        ("show ( picture three )", False),
        ("edit ( picture three , make it red )", False),
        ("generate ( picture one , a star )", False),
        ("edit ( )", False),
        ("edit ( make ( it ) red )", False),
        ("crop ( picture one )", False),
        ("edit  ( make it red )", False),
    ],
)
def test_calls_in_words(text, fits):
    """The embedded model's form: a name, a picture that is there, one text."""
    pattern = call_pattern([*TOOLS, PICTURE, NOTHING], ["picture one", "picture two"], "words")
    assert Automaton(pattern).matches(text) == fits


def test_a_schema_that_cannot_be_a_pattern_names_its_tool():
    """So that one knows which tool to leave out."""
    odd = Offered("odd", {"type": "object", "properties": {"x": {"type": "object"}, "y": {}}})
    with pytest.raises(InputError, match="odd: "):
        call_pattern([odd], [])
