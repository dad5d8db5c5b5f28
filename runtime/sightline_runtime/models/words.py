"""The embedded model's tokenizer: whole words, with the rest of the world named.

A `tokenizers` word-level model in the standard tokenizer.json. Capitals, glued
punctuation and common spellings are normalised; a word outside the vocabulary
becomes `<unk>` and is reported, so that a caller can be told.
"""

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from sightline_runtime.errors import ModelError

SPECIAL = ("<pad>", "<unk>", "<user>", "<tools>", "<assistant>", "<plan>", "<draw>", "<end>")
PAD, UNK, USER, TOOLS, ASSISTANT, PLAN, DRAW, END = range(len(SPECIAL))

SPELLINGS = {
    "0": "zero",
    "1": "one",
    "2": "two",
    "3": "three",
    "4": "four",
    "colour": "color",
    "grey": "gray",
    "centre": "center",
}
"""Other spellings of words in the vocabulary."""


@dataclass(frozen=True)
class Encoded:
    """Token ids and the words that are not in the vocabulary."""

    ids: list[int]
    unknown: tuple[str, ...]


def build(words: list[str]) -> Tokenizer:
    """Make the tokenizer of a vocabulary."""
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    spellings = [normalizers.Replace(Regex(rf"\b{old}\b"), new) for old, new in SPELLINGS.items()]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *spellings])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


class Words:
    """Text ↔ ids of the embedded model."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.size: int = tokenizer.get_vocab_size()

    @classmethod
    def load(cls, path: Path) -> "Words":
        """Read a tokenizer.json."""
        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as error:
            raise ModelError(
                f"no tokenizer can be read from {path}: {error}", hint="reinstall the model"
            ) from error

    def save(self, path: Path) -> None:
        """Write the tokenizer.json."""
        self._tokenizer.save(str(path))

    def encode(self, text: str) -> Encoded:
        """Split text into known words; unknown ones are listed once each."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        missing = [
            token for token, index in zip(self._pieces(text), encoding.ids, strict=False) if index == UNK
        ]
        return Encoded(list(encoding.ids), tuple(dict.fromkeys(missing)))

    def ids(self, text: str) -> list[int]:
        """The ids alone."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: list[int]) -> str:
        """Words joined by blanks, special tokens left out."""
        words = [self._tokenizer.id_to_token(index) for index in ids if index >= len(SPECIAL)]
        return " ".join(word for word in words if word)

    def _pieces(self, text: str) -> list[str]:
        normal = self._tokenizer.normalizer.normalize_str(text)
        return [piece for piece, _ in self._tokenizer.pre_tokenizer.pre_tokenize_str(normal)]
