"""The tools over MCP with the official client: a server in a process of its own, results, links, progress."""

import asyncio
import base64
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mcp import Client, StdioServerParameters
from mcp.types import BlobResourceContents, ResourceLink, TextContent

COMMAND = str(Path(sys.executable).with_name("sightline"))


async def told(progress: float, total: float | None, message: str | None) -> None:
    """Show progress."""
    print(f"  {message} ({progress:g})")


async def work(client: Client, picture: Path) -> tuple[str, list[str]]:
    """Draw, edit, ask, go back; every call says its session and branch, none depends on another client."""
    here = {"session": "demo", "at": "main"}
    args = {"prompt": "a red circle left of a blue square", **here}
    drawn = await client.call_tool("generate", args, progress_callback=told)
    print(*(block.text for block in drawn.content if isinstance(block, TextContent)))
    edited = await client.call_tool("edit", {"image": "img1", "instruction": "make the circle green", **here})
    link = next(block for block in edited.content if isinstance(block, ResourceLink))
    whole = (await client.read_resource(link.uri)).contents[0]
    if isinstance(whole, BlobResourceContents):
        picture.write_bytes(base64.b64decode(whole.blob))
    question = {"image": "last", "question": "what color is the circle ?", **here}
    answer = (await client.call_tool("understand", question)).structured_content["text"]
    await client.call_tool("undo", {"n": 2, **here})
    left = (await client.call_tool("history", here)).structured_content["steps"]
    return answer, [step["tool"] for step in left]


async def main(folder: Path) -> tuple[str, list[str]]:
    """Start the server as a chat program does, and work with it."""
    server = StdioServerParameters(command=COMMAND, args=["mcp", "--data", str(folder / "sessions")])
    async with Client(server) as client:
        return await work(client, folder / "green.png")


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        print(asyncio.run(main(Path(scratch))))
