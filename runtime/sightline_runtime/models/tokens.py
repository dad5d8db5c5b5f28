"""Text ↔ token ids of a released model, by its own tokenizer.json."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from sightline_runtime.errors import InputError, ModelError


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

    def text(self, ids: Sequence[int]) -> str:
        """The text of ids, control tokens left out; a character cut in half is U+FFFD."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))
