"""The prompts that the released models were trained on, as text with picture placeholders.

ChatML turns by one template; what the user says is put into the sentences of the
public training code. A picture is `PICTURE`, which the caller widens to as many
placeholders as the vision tower gives tokens.
"""

from functools import cache

from jinja2 import PackageLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sightline_runtime.errors import InputError
from sightline_runtime.protocol import ImageSlot, Message

SYSTEM = "You are a helpful assistant."
PAD = "<|image_pad|>"
PICTURE = f"<|vision_start|>{PAD}<|vision_end|>"
BLANK = " "
"""The prompt whose features the decoder is guided away from."""


@cache
def _template(name: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        loader=PackageLoader("sightline_runtime.models"),
        undefined=StrictUndefined,
        trim_blocks=False,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(name)


def understand(messages: tuple[Message, ...]) -> str:
    """The prompt of a dialogue about pictures: every turn, then the answer's header."""
    system = [m.text for m in messages if m.role == "system"] or [SYSTEM]
    turns = [{"role": "system", "content": system[-1]}]
    for message in messages:
        if message.role != "system":
            turns.append({"role": message.role, "content": _content(message, PICTURE)})
    return _template("chatml.jinja").render(turns=turns)


def generate(caption: str) -> str:
    """The prompt for a picture of a caption."""
    return _asked(_template("generate.jinja").render(caption=caption))


def edit(instruction: str, pictures: int = 1) -> str:
    """The prompt for a picture made from others: pictures, a line break, what to do.

    Training knows one such instruction ("Please reconstruct the given image."); ours stands in its place.
    """
    return _asked(_template("edit.jinja").render(pictures=[PICTURE] * pictures, instruction=instruction))


def _asked(content: str) -> str:
    turns = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]
    return _template("chatml.jinja").render(turns=turns)


def _content(message: Message, picture: str) -> str:
    return "".join(picture if isinstance(part, ImageSlot) else part for part in message.content)


def said(messages: tuple[Message, ...], control: frozenset[str]) -> str:
    """What the last user turn says; refuses nothing said, and control tokens in any turn."""
    turns = [message for message in messages if message.role == "user"]
    if not turns or not turns[-1].text.strip():
        raise InputError("the prompt is empty", hint="say what to look for or what to draw")
    for message in messages:
        found = sorted(token for token in control | {PAD} if token in message.text)
        if found:
            raise InputError(
                f"the prompt holds control tokens of the model: {', '.join(found)}",
                hint="leave them out; turns and pictures are marked by themselves",
            )
    return turns[-1].text.strip()
