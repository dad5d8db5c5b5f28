"""A smolagents agent that uses the tools over MCP; a scripted model stands in for a chatbot.

Each tool of the server becomes a `smolagents.Tool` around the official client, which
runs in a thread of its own: agents are synchronous, the protocol is not.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.types import TextContent
from mcp.types import Tool as Offered
from smolagents import Model, Tool, ToolCallingAgent  # type: ignore[import-untyped]
from smolagents.models import (  # type: ignore[import-untyped]
    ChatMessage,
    ChatMessageToolCall,
    ChatMessageToolCallFunction,
    MessageRole,
)

COMMAND = str(Path(sys.executable).with_name("sightline"))
HERE = {"session": "agent", "at": "main"}

SCRIPT: tuple[tuple[str, dict[str, object]], ...] = (
    ("generate", {"prompt": "a red circle", **HERE}),
    ("edit", {"image": "last", "instruction": "make the circle green", **HERE}),
    ("understand", {"image": "img2", "question": "what color is the circle ?", **HERE}),
)


class McpTool(Tool):  # type: ignore[misc]
    """A tool of an MCP server; gives the text of its result, which names every picture."""

    skip_forward_signature_validation = True
    output_type = "string"

    def __init__(self, offered: Offered, call: Callable[[str, dict[str, object]], str]) -> None:
        self.name, self.description = offered.name, offered.description or offered.name
        required = offered.input_schema.get("required", [])
        self.inputs = {
            name: {"type": _type(schema), "description": schema.get("description", name)}
            | ({} if name in required else {"nullable": True})
            for name, schema in offered.input_schema["properties"].items()
        }
        self._call = call
        super().__init__()

    def forward(self, **arguments: object) -> str:
        """Call the tool."""
        return self._call(self.name, arguments)


def _type(schema: dict[str, Any]) -> str:
    """The type of an argument in smolagents' words."""
    kind = schema.get("type")
    return kind if isinstance(kind, str) else "any"


@contextmanager
def tools_of(server: StdioServerParameters) -> Iterator[list[McpTool]]:
    """The tools of a server, as long as the block lasts."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Client(server)) as client:
        yield [McpTool(offered, _caller(portal, client)) for offered in portal.call(client.list_tools).tools]


def _caller(portal: BlockingPortal, client: Client) -> Callable[[str, dict[str, object]], str]:
    def call(name: str, arguments: dict[str, object]) -> str:
        result = portal.call(client.call_tool, name, arguments)
        return "\n".join(block.text for block in result.content if isinstance(block, TextContent))

    return call


class Chatbot(Model):  # type: ignore[misc]
    """Calls the tools of the script one after the other, then answers with what the last one gave."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def generate(self, messages: list[ChatMessage], **options: object) -> ChatMessage:
        """Give the next tool call."""
        name, arguments = "final_answer", dict[str, object](answer=str(messages[-1].content))
        if self.calls < len(SCRIPT):
            name, arguments = SCRIPT[self.calls]
        self.calls += 1
        function = ChatMessageToolCallFunction(name=name, arguments=arguments)
        call = ChatMessageToolCall(function=function, id=f"call-{self.calls}", type="function")
        return ChatMessage(role=MessageRole.ASSISTANT, content="", tool_calls=[call])


def main(folder: Path) -> str:
    """Let the agent draw, edit and check."""
    server = StdioServerParameters(command=COMMAND, args=["mcp", "--data", str(folder / "sessions")])
    with tools_of(server) as tools:
        agent = ToolCallingAgent(tools, Chatbot(), verbosity_level=0, max_steps=6)
        return str(agent.run("Draw a red circle, make it green, and check."))


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        print(main(Path(scratch)))
