"""A pydantic-ai agent that uses the tools over MCP; a scripted model stands in for a chatbot."""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

COMMAND = str(Path(sys.executable).with_name("sightline"))

SCRIPT = (
    ToolCallPart("generate", {"prompt": "a red circle", "session": "agent"}),
    ToolCallPart("edit", {"image": "last", "instruction": "make the circle green", "session": "agent"}),
    ToolCallPart(
        "understand", {"image": "img2", "question": "what color is the circle ?", "session": "agent"}
    ),
)


def chatbot(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Call the next tool of the script; at its end say what the last one gave."""
    returns = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    if len(returns) < len(SCRIPT):
        return ModelResponse([SCRIPT[len(returns)]])
    return ModelResponse([TextPart(f"The circle is now {returns[-1].model_response_object()['text']}.")])


async def main(folder: Path) -> str:
    """Let the agent draw, edit and check."""
    server = StdioTransport(COMMAND, ["mcp", "--data", str(folder / "sessions")])
    agent = Agent(FunctionModel(chatbot), toolsets=[MCPToolset(server, init_timeout=60)])
    async with agent:
        return (await agent.run("Draw a red circle, make it green, and check.")).output


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        print(asyncio.run(main(Path(scratch))))
