"""Whatever a chatbot sends: one answer, of the right form, not too large, and the session goes on."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.sdk.toolset.conftest import WIRES, call_of

import sightline as sl
from sightline.toolset.calls import read_calls
from sightline_tools.tool import ToolArgs, ToolResult
from sightline_tools.toolbox import default_toolbox

LIMIT = 256 * 1024


class Anything(ToolArgs):
    """Anything at all."""

    value: object = None
    more: dict[str, float] | None = None


@sl.tool(version="1")
def swallow(args: Anything, ctx: sl.ToolContext) -> ToolResult:
    """Take anything."""
    return ToolResult(warnings=(str(args.value),))


@pytest.fixture(scope="module")
def playground():
    """One toolset for all examples: each leaves it in any state."""
    with sl.Session(runtime=sl.FakeRuntime(), seed=1, toolbox=default_toolbox().with_tools(swallow)) as s:
        s.generate("a red star", draft=True)
        s.add(np.random.default_rng(0).integers(0, 256, (300, 700, 4), np.uint8))
        yield s


NAMES = [*(tool.name for tool in default_toolbox()), "swallow", "look", "pictures", "history", "undo"]
NAMES += ["redo", "branch", "checkout", "promote", "", "crob", "\ud800"]
WORDS = st.sampled_from(
    ["img1", "img2", "img99", "last", "sha256:ab", "main", "a red star", "yes", "", "\x00", "\ud800"]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 70), st.integers(), st.floats(), WORDS, st.text(max_size=20)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["image", "images", "a", "b", "base", "top", "box", "n", "size", "prompt", "question"]
FIELDS += ["instruction", "region", "choices", "marks", "name", "at", "limit", "text", "width", "scale"]
FIELDS += ["alpha", "seed", "value"]
BOXES = st.lists(st.floats(0, 1) | st.integers(0, 80), min_size=3, max_size=5)
MARKS = st.lists(st.fixed_dictionaries({"box": BOXES}), max_size=3)
VALUES = JSON | BOXES | st.lists(WORDS, max_size=4) | MARKS
ARGUMENTS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5) | JSON
LIKELY = {"image": WORDS, "n": st.integers(0, 3), "prompt": WORDS, "box": BOXES}
SANE = st.fixed_dictionaries({}, optional=LIKELY)
CALLS = st.builds(
    lambda wire, name, arguments, call_id: call_of(wire, name, arguments, call_id),
    st.sampled_from(WIRES),
    st.sampled_from(NAMES) | st.text(max_size=5),
    ARGUMENTS | SANE,
    st.sampled_from(["a", "b", "c", "", "é"]),
)
BROKEN = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | CALLS,
    lambda inner: st.dictionaries(
        st.sampled_from(
            ["type", "id", "call_id", "name", "function", "arguments", "input", "custom", "content"]
        ),
        inner | st.sampled_from(["function", "function_call", "tool_use", "custom"]),
        max_size=4,
    ),
    max_leaves=6,
)
SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=SLOW)


def check_answer(answer):
    """It is JSON, small, and of a known form."""
    text = json.dumps(answer)
    assert len(text) <= LIMIT
    assert json.loads(text) == answer
    text.encode()
    assert {"role", "type", "text"} & answer.keys()


@QUICK
@given(CALLS)
def test_every_call_is_answered_and_nothing_is_raised(playground, call):
    """Any tool, any arguments, all four forms; structured content has the form that was promised."""
    ts = playground.toolset(timeout=20)
    answer = ts.handle(call)
    check_answer(answer)
    offered = {offer.name: offer.output_schema for offer in ts.tools}
    if answer.outcome.fault is None:
        Draft202012Validator(offered[answer.call.name]).validate(answer.outcome.structured)
    else:
        assert answer.outcome.structured["error"]["code"]


@QUICK
@given(BROKEN)
def test_what_is_hardly_a_call_is_answered_too(playground, call):
    """Missing parts, wrong types, calls within calls."""
    check_answer(playground.toolset(timeout=20).handle(call))


@QUICK
@given(st.lists(CALLS, max_size=4))
def test_every_id_of_a_message_is_answered_once(playground, calls):
    """As many answers as there are different ids, in order; the session is whole after them."""
    answers = playground.toolset(timeout=20).handle_all(calls)
    blocks = [block for answer in answers for block in answer.get("content", ()) if isinstance(block, dict)]
    answered = [each for each in [*answers, *blocks] if hasattr(each, "call")]
    asked = read_calls(calls)
    assert sorted(call.id for call in asked) == sorted(each.call.id for each in answered)
    ids = [each["tool_call_id"] for each in answers if each.get("role") == "tool"]
    assert ids == [call.id for call in asked if call.wire == "chat"]
    for answer in answers:
        check_answer(answer)
    assert playground.tree()


def test_the_session_is_whole_after_all_that(playground):
    """Every digest is right."""
    playground.toolset().handle({"name": "generate", "arguments": {"prompt": "a star"}})
    assert playground.verify_store().problems == ()
