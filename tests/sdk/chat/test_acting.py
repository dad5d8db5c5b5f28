"""What may be called in a dialogue, and how it is told to a model."""

import json

import pytest

from sightline.chat.acting import offered, told
from sightline.chat.compact import Compact
from sightline.chat.hermes import Hermes
from sightline.chat.turns import ToolCall, Turn
from sightline.errors import InputError
from sightline_runtime.automaton import Automaton
from sightline_tools.toolbox import default_toolbox

BOX = default_toolbox()
SHOWN = Turn("user", ("look",), names=("img1", "img2"))


def test_tools_are_told_in_few_words():
    """All of them fit into a prompt beside a dialogue, and what a call needs is among it."""
    for tool in told(offered(BOX, None)):
        size = len(json.dumps(tool.parameters))
        assert size < 1200, tool.name
        assert set(tool.parameters["required"]) <= set(tool.parameters["properties"])
    with pytest.raises(InputError, match="no tool 'draw'"):
        offered(BOX, ["draw"])


def test_only_pictures_that_there_are_can_be_named():
    """A call without a picture, or of one of another dialogue, has no form."""
    tools = told(offered(BOX, ["edit", "generate"]))
    forms = Hermes(), [SHOWN], Automaton(Hermes().pattern([SHOWN], tools))

    def call(image):
        args = {"image": image, "instruction": "make it red"}
        return f"<tool_call>\n{json.dumps({'name': 'edit', 'arguments': args})}\n</tool_call>"

    assert all(forms[2].matches(text) for text in (call("img2"), call("last"), "no", f"well: {call('img1')}"))
    assert not any(forms[2].matches(text) for text in (call("img3"), "", "<tool_call>", "a < b"))
    assert not Automaton(Hermes().pattern([Turn("user", ("hi",))], tools)).matches(call("last"))
    assert Hermes().reply(call("img1"), tools).calls == (
        ToolCall("edit", {"image": "img1", "instruction": "make it red"}),
    )


def test_the_small_model_writes_only_acts_of_offered_tools():
    """With numbers for the pictures of the dialogue, if it knows any."""
    tools = told(offered(BOX, ["edit", "show", "undo"]))
    known, one_line = (Automaton(Compact(remembers=r).pattern([SHOWN], tools)) for r in (True, False))
    assert not known.matches("show ( picture one )")  # the turn shows nothing: it only has names
    assert all(each.matches("edit ( make the star red )") for each in (known, one_line))
    assert not any(each.matches("generate ( a star )") for each in (known, one_line))
