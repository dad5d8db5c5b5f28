"""The word-level tokenizer."""

from hypothesis import given
from hypothesis import strategies as st

from sightline_runtime.models.words import Words, build
from sightline_runtime.world.language import vocabulary

WORDS = Words(build(vocabulary()))


@given(st.lists(st.sampled_from(vocabulary()), min_size=1, max_size=12))
def test_known_words_come_back(words):
    """Encoding and decoding keep every word of the vocabulary."""
    assert WORDS.decode(WORDS.ids(" ".join(words))).split() == words


def test_capitals_punctuation_and_spellings_are_read():
    """'Colour?' glued and capitalised is read as 'color ?', digits as words."""
    assert WORDS.ids("What COLOUR is the square?") == WORDS.ids("what color is the square ?")
    assert WORDS.ids("2 stars,3 rings") == WORDS.ids("two stars , three rings")


def test_unknown_words_are_named_once_each():
    """The words outside the vocabulary are listed in order."""
    assert WORDS.encode("a Zebra and a zebra near an ibex").unknown == ("zebra", "near", "ibex")
