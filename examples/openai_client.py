"""Any program that speaks to OpenAI can speak to Sightline: draw, edit, ask, and let the model call tools.

    python examples/openai_client.py

It starts a server on this machine, and uses the official `openai` package unchanged.
"""

import base64
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

EDIT: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "edit",
        "description": "Change a picture as an instruction says.",
        "parameters": {
            "type": "object",
            "properties": {"image": {"type": "string"}, "instruction": {"type": "string"}},
            "required": ["image", "instruction"],
        },
    },
}


@contextmanager
def server(data: str) -> Iterator[str]:
    """Serve the embedded model on a free port; gives the address."""
    program = str(Path(sys.executable).with_name("sightline"))
    command = [program, "serve", "--port", "0", "--data", data]
    alone = {**os.environ, "HOME": data}  # whatever keys this machine's own server has
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=alone)
    watch = threading.Timer(120, process.kill)  # never wait for ever
    watch.start()
    try:
        assert process.stderr is not None
        found = next(filter(None, (re.search(r"http://\S+", line) for line in process.stderr)))
        yield f"{found[0]}/v1"
    finally:
        watch.cancel()
        process.terminate()
        process.communicate(timeout=20)


def ask(client: OpenAI, picture: bytes, question: str) -> str:
    """Ask about a picture; the answer comes in pieces."""
    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    parts: ChatCompletionMessageParam = {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": question}],
    }
    stream = client.chat.completions.create(model="embedded", messages=[parts], stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def draw(client: OpenAI, prompt: str) -> bytes:
    """Draw a picture; `seed` is a field of our own."""
    made = client.images.generate(model="embedded", prompt=prompt, extra_body={"seed": 7})
    return _file(made.data)


def edit(client: OpenAI, picture: bytes, instruction: str) -> bytes:
    """Change a picture."""
    return _file(client.images.edit(image=picture, prompt=instruction).data)


def _file(data: object) -> bytes:
    """The bytes of the first picture of an answer."""
    assert isinstance(data, list)
    return base64.b64decode(data[0].b64_json)


def main() -> tuple[str, dict[str, str], str]:
    """Draw, ask, let the model call a tool, and ask again: both answers, and the call between them."""
    with (
        TemporaryDirectory() as data,
        server(data) as address,
        OpenAI(base_url=address, api_key="none") as client,
    ):
        star = draw(client, "a blue star on a white background")
        before = ask(client, star, "what color is the star ?")
        line: ChatCompletionMessageParam = {"role": "user", "content": "make the star red"}
        said = client.chat.completions.create(model="embedded", messages=[line], tools=[EDIT])
        call = (said.choices[0].message.tool_calls or [])[0]
        assert call.type == "function"
        arguments: dict[str, str] = json.loads(call.function.arguments)
        changed = edit(client, star, arguments["instruction"])
        return before, arguments, ask(client, changed, "what color is the star ?")


if __name__ == "__main__":
    print(*main(), sep="\n")
