"""Toolsets on the rule-based runtime, and calls in each of the four forms."""

import json

import pytest

WIRES = ("chat", "responses", "anthropic", "plain")


def call_of(wire, name, arguments, call_id="call_1"):
    """A call in the form of a wire; `arguments` as data."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {
        "chat": {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}},
        "responses": {"type": "function_call", "call_id": call_id, "name": name, "arguments": text},
        "anthropic": {"type": "tool_use", "id": call_id, "name": name, "input": arguments},
        "plain": {"id": call_id, "name": name, "arguments": arguments},
    }[wire]


@pytest.fixture
def ts(session):
    """The toolset of an in-memory session that has a red star, img1."""
    session.generate("a red star")
    return session.toolset()


@pytest.fixture
def do():
    """Call a tool of a toolset in the plain form, and give the outcome."""

    def call(toolset, tool, /, **arguments):
        return toolset.handle({"name": tool, "arguments": arguments}).outcome

    return call


@pytest.fixture(params=WIRES)
def wire(request):
    """Each of the four forms."""
    return request.param
