"""Text ↔ token ids of a released model, by its own tokenizer.json."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from sightline_runtime.errors import InputError, ModelError


def _bytes() -> dict[str, int]:
    """The character by which byte-level tokenizers write each byte (GPT-2), and the byte."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + n): byte for n, byte in enumerate(hidden)}


_BYTES = _bytes()


class Tokens:
    """A byte-level tokenizer and its control tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self.control = frozenset(token.content for token in added.values() if token.special)
        """Tokens that mark turns and pictures; a user may not write them."""

    @classmethod
    def load(cls, folder: Path) -> "Tokens":
        """Read a folder's tokenizer.json; raises ModelError if it is missing or none."""
        try:
            return cls(Tokenizer.from_file(str(folder / "tokenizer.json")))
        except Exception as error:
            raise ModelError(
                f"no tokenizer can be read from {folder / 'tokenizer.json'}: {error}",
                hint="the tokenizer.json that came with the weights belongs into the folder",
            ) from error

    @property
    def size(self) -> int:
        """How many words it has, control tokens among them."""
        return int(self._tokenizer.get_vocab_size())

    def ids(self, text: str) -> list[int]:
        """The ids of a text; control tokens are read as such; raises InputError for half a character."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"the text holds half a character at place {error.start}: {text[error.start]!r}",
                hint="send text that can be written as UTF-8",
            ) from error
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def id(self, *names: str) -> int:
        """The id of the first of these tokens that there is; raises ModelError if there is none."""
        for name in names:
            found = self._tokenizer.token_to_id(name)
            if found is not None:
                return int(found)
        raise ModelError(
            f"the tokenizer has no token {' or '.join(names)}", hint="use the tokenizer of the release"
        )

    def spelled(self) -> list[bytes]:
        """Every token as bytes, in the order of ids; those that stand for no text are empty."""
        added = self._tokenizer.get_added_tokens_decoder()
        named = {i: name for name, i in self._tokenizer.get_vocab(with_added_tokens=True).items()}
        tokens = [b""] * (max(named, default=-1) + 1)
        for index, name in named.items():
            if index not in added:
                tokens[index] = bytes(_BYTES[char] for char in name if char in _BYTES)
            elif not added[index].special:
                tokens[index] = added[index].content.encode()
        return tokens

    def text(self, ids: Sequence[int]) -> str:
        """The text of ids, control tokens left out; a character cut in half is U+FFFD."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))
