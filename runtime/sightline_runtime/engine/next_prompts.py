"""Prompts of BLIP3o-NEXT in tokens: the texts of `models.prompts`, pictures as runs of picture tokens.

A prompt is made and measured before any picture is looked at; the tokens of the
pictures are put into their places afterwards.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sightline_runtime.errors import InputError, ModelError
from sightline_runtime.models import prompts
from sightline_runtime.models.blip3o_next import NextConfig
from sightline_runtime.models.tokens import Tokens
from sightline_runtime.protocol import Message, Usage

_PICTURE_TOKEN = re.compile(r"<[IS]\d+>")
"""What the added tokens of pictures look like; they are not marked as special in the tokenizer."""


@dataclass(frozen=True)
class Prompt:
    """The tokens between the pictures of a prompt, and how many tokens a picture has."""

    pieces: tuple[tuple[int, ...], ...]
    tokens: int

    def ids(self, pictures: Sequence[Sequence[int]]) -> list[int]:
        """The whole prompt, pictures' tokens in their places."""
        ids = list(self.pieces[0])
        for picture, piece in zip(pictures, self.pieces[1:], strict=True):
            ids += [*picture, *piece]
        return ids

    @property
    def usage(self) -> Usage:
        """What reading it costs."""
        return Usage(prompt_tokens=sum(map(len, self.pieces)), image_tokens=self.tokens * self.pictures)

    @property
    def pictures(self) -> int:
        """Pictures in it."""
        return len(self.pieces) - 1


class Prompts:
    """The prompts of one model.

    `limit` is the most tokens of a prompt: what the model was trained on, less the picture
    that may follow. `ends` are the tokens that end an answer, the end of a turn first.
    """

    def __init__(self, config: NextConfig, tokens: Tokens) -> None:
        self._marks, self._tokens, self._count = config.marks, tokens, config.tokens
        trained = getattr(config.qwen, "tokenizer_model_max_length", None)
        context = min(int(config.qwen.max_position_embeddings), int(trained or 1 << 30))
        self.limit = context - config.tokens - 2
        if self.limit < 1:
            raise ModelError(
                f"the backbone reads {context} tokens, a picture alone has {config.tokens}",
                hint="config.json and all weight files must come from one model",
            )
        self.most_pictures = max(self.limit // (config.tokens + 3), 1)
        end = tokens.id("<|im_end|>")
        others = config.qwen.eos_token_id
        listed = others if isinstance(others, list) else [] if others is None else [others]
        self.ends = (end, *(token for token in listed if token != end))

    def dialogue(self, messages: tuple[Message, ...]) -> Prompt:
        """Every turn, then the header of an answer in words."""
        self._said(messages)
        return self._made(prompts.understand(messages))

    def drawing(self, messages: tuple[Message, ...], pictures: int) -> Prompt:
        """What the last turn asks for, then the beginning of a picture; with pictures, an edit of them."""
        said = self._said(messages)
        text = prompts.edit(said, pictures) if pictures else prompts.generate(said)
        return self._made(text, (self._marks.start, self._marks.scale))

    def repeated(self, picture: Sequence[int], asked: str) -> list[int]:
        """A prompt that shows a picture, asks for it again, and has it drawn."""
        prompt = self._made(prompts.edit(asked), (self._marks.start, self._marks.scale))
        return prompt.ids([picture]) + list(picture)

    def _said(self, messages: tuple[Message, ...]) -> str:
        said = prompts.said(messages, self._tokens.control)
        for message in messages:
            if found := _PICTURE_TOKEN.search(message.text):
                raise InputError(
                    f"the prompt holds a picture token of the model: {found[0]}",
                    hint="send pictures as pictures; their tokens are put in by themselves",
                )
        return said

    def _made(self, text: str, more: tuple[int, ...] = ()) -> Prompt:
        """Tokens of a text, marks around every picture's place; refuses more than the model reads."""
        marks = self._marks
        pieces = [self._tokens.ids(piece) for piece in text.split(prompts.PICTURE)]
        for before, after in pairwise(pieces):
            before += [marks.start, marks.scale]
            after.insert(0, marks.end)
        pieces[-1] += more
        prompt = Prompt(tuple(map(tuple, pieces)), self._count)
        total = prompt.usage.prompt_tokens + prompt.usage.image_tokens
        if total > self.limit:
            raise InputError(
                f"the prompt has {total} tokens, {prompt.usage.image_tokens} of them of pictures; "
                f"the model reads {self.limit}",
                hint="say less, or show fewer pictures",
            )
        return prompt
