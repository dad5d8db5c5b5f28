"""The embedded model's tokenizer: whole words, with the rest of the world named.

A `tokenizers` word-level model in the standard tokenizer.json. Capitals, glued
punctuation and common spellings are normalised; a word outside the vocabulary
becomes `<unk>` and is reported, so that a caller can be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from sightline_runtime.errors import InputError, ModelError

SPECIAL = ("<pad>", "<unk>", "<user>", "<tools>", "<assistant>", "<plan>", "<draw>", "<end>")
PAD, UNK, USER, TOOLS, ASSISTANT, PLAN, DRAW, END = range(len(SPECIAL))

NO_CHANGE = "nothing"
"""The plan of an edit that has nothing to change."""

SPELLINGS = (
    (r"'s\b", " is"),
    (r"[^\w\s?,()]", " "),
    (r"\b(img|image|photo|picture)[ _]*(?=\d\b)", "picture "),
    (r"\b1st\b", "first"),
    (r"\b2nd\b", "second"),
    (r"\b3rd\b", "third"),
    (r"\b0\b", "zero"),
    (r"\b1\b", "one"),
    (r"\b2\b", "two"),
    (r"\b3\b", "three"),
    (r"\b4\b", "four"),
    (r"\b5\b", "five"),
    (r"\b6\b", "six"),
    (r"\b7\b", "seven"),
    (r"\b8\b", "eight"),
    (r"\b9\b", "nine"),
    (r"\bokay\b", "ok"),
    (r"\b(re)?colour", "color"),
    (r"\bgrey\b", "gray"),
    (r"\b(violet|lilac|magenta)\b", "purple"),
    (r"\b(turquoise|aqua)\b", "cyan"),
    (r"\bcentre\b", "center"),
    (r"\b(disc|disk|dot|ball)(?=s?\b)", "circle"),
    (r"\bboxes\b", "squares"),
    (r"\bbox\b", "square"),
    (r"\brhombus(es)?\b", "diamond"),
    (r"\b(shapes|things|items)\b(?= (are|in))", "objects"),
    (r"\b(thing|item)\b", "object"),
    (r"\b(tiny|little|smaller)\b", "small"),
    (r"\b(huge|larger|bigger)\b", "large"),
    (r"(?<!how )\bbig\b", "large"),
    (r"\bhow large\b", "how big"),
    (r"\b(delete|erase)\b", "remove"),
    (r"\b(put|insert|place) (?=an? )", "add "),
    (r"\b(put|place) (?=the )", "move "),
    (r"\b(turn|change|make|transform)\b(?=(?!.*background).* into an? )", "replace"),
    (r"\b(turn|make)\b(?=.*background.* into )", "change"),
    (r"\binto\b(?= an? )", "with"),
    (r"\binto\b", "to"),
    (r"\b(turn|color|paint)\b(?= the )", "make"),
    (r"\b(turn|paint)\b(?= (it|that|them|both|all)\b)", "make"),
    (r"\bset\b(?= the )", "change"),
    (r"\b(image|photo|drawing)\b", "picture"),
    (r"\b(could|would) you\b", "can you"),
    (r"\bupper\b", "top"),
    (r"\blower\b", "bottom"),
    (r"\bin the middle\b", "in the center"),
    (r"(?<=\btop |\bbottom )middle\b", "center"),
    (r"\bcenter (?=left|right)", "middle "),
    (r"\b(in|on) the (?=top|bottom|middle)", "at the "),
    (r"\b(to|on) the (?=(left|right) of)", ""),
    (r"\b(under|beneath|underneath)\b", "below"),
    (r"\bover\b", "above"),
)
"""Other words and turns for what the vocabulary says, as patterns in the order they apply."""


@dataclass(frozen=True)
class Encoded:
    """Token ids and the words that are not in the vocabulary."""

    ids: list[int]
    unknown: tuple[str, ...]


def build(words: list[str]) -> Tokenizer:
    """Make the tokenizer of a vocabulary."""
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    spellings = [normalizers.Replace(Regex(old), new) for old, new in SPELLINGS]
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
        """Split text into known words; unknown ones are listed once each. InputError for half a character."""
        encoding = self._tokenizer.encode(_whole(text), add_special_tokens=False)
        missing = [
            token for token, index in zip(self._pieces(text), encoding.ids, strict=False) if index == UNK
        ]
        return Encoded(list(encoding.ids), tuple(dict.fromkeys(missing)))

    def vocabulary(self) -> list[str]:
        """Every token, in the order of ids."""
        return [str(self._tokenizer.id_to_token(index)) for index in range(self.size)]

    def index(self, token: str) -> int | None:
        """The id of a token, None if it is not in the vocabulary."""
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    def ids(self, text: str) -> list[int]:
        """The ids alone; InputError for half a character."""
        return list(self._tokenizer.encode(_whole(text), add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Words joined by blanks, special tokens left out."""
        words = [self._tokenizer.id_to_token(index) for index in ids if index >= len(SPECIAL)]
        return " ".join(word for word in words if word)

    def _pieces(self, text: str) -> list[str]:
        normal = self._tokenizer.normalizer.normalize_str(text)
        return [piece for piece, _ in self._tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


def _whole(text: str) -> str:
    """The text, if it can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the text holds half a character at place {error.start}", hint="give whole Unicode text"
        ) from error
    return text
