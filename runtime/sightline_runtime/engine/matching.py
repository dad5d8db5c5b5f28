"""The tokens that a pattern allows, from llguidance: the same as `grammar`'s, sooner where words are many.

An extra (`grammar`); without it, or for a pattern that it refuses, `grammar` does the work alone.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from llguidance import LLMatcher

LARGE = 8192
"""A vocabulary of so many tokens is worth it."""


@dataclass(frozen=True)
class _Told:
    """A vocabulary as llguidance asks for it."""

    tokens: Sequence[bytes]
    special_token_ids: Sequence[int]
    eos_token_id: int
    bos_token_id: int | None = field(default=None)

    def __call__(self, text: bytes) -> list[int]:
        """The ids of single bytes; llguidance asks for what it forces, and it is told to force nothing."""
        return [self.tokens.index(bytes([byte])) for byte in text]


class Matcher:
    """One answer on its way, as llguidance follows it."""

    def __init__(self, matcher: "LLMatcher", words: npt.NDArray[np.bool_]) -> None:
        self._matcher, self._words = matcher, words

    def allowed(self) -> npt.NDArray[np.int64] | None:
        """The tokens that keep a match possible, those that end an answer left out; None if it gave up."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        if self._matcher.is_error():
            return None
        mask = np.unpackbits(bits, count=len(self._words), bitorder="little").astype(bool)
        return np.flatnonzero(mask & self._words)

    def advance(self, token: int) -> None:
        """Go on after a token."""
        self._matcher.consume_token(token)


class Matchers:
    """Makes matchers for one vocabulary; each pattern is prepared once."""

    def __init__(self, tokens: Sequence[bytes], end: int) -> None:
        from llguidance import LLTokenizer, TokenizerWrapper

        self._words = np.array([bool(token) for token in tokens])
        special = np.flatnonzero(~self._words).tolist()
        self._tokenizer = LLTokenizer(TokenizerWrapper(_Told(tokens, special, end)))

    @staticmethod
    def installed() -> bool:
        """Whether llguidance can be imported."""
        return importlib.util.find_spec("llguidance") is not None

    def matcher(self, plain: str) -> Matcher | None:
        """A matcher at the start of a pattern that `render` wrote; None if llguidance does not take it."""
        from llguidance import LLMatcher

        lark = f'%llguidance {{"no_forcing": true}}\nstart: /{plain}/'
        made = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark(lark), log_level=0)
        return None if made.is_error() else Matcher(made, self._words)
