"""Patterns: what is read, what is refused, and that it is written again as the same."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_runtime.errors import InputError
from sightline_runtime.patterns import MAX_LENGTH, escape, parse, render

WRONG = {
    "(?=a)": "group of another kind",
    "(?i)a": "group of another kind",
    "(?P<x>a)": "group of another kind",
    r"(a)\1": r"escape \\1",
    r"a\b": r"escape \\b",
    "a**": "repeat of a repeat",
    "a+?": "repeat of a repeat",
    "a{3,1}": "repeat of 3 to 1",
    "a{2": "repeat that is not",
    "a{99999}": "repeat of 99999",
    "*": "nothing stands before",
    "(a": "group without an end",
    "a)": "closing parenthesis too many",
    "[a": "set without an end",
    "[b-a]": "does not go upwards",
    "[[:alpha:]]": "set of sets",
    "^a^": "anchor inside",
    "a$b": "anchor inside",
    r"\xg1": "no character",
    r"\x4": "no character",
    r"\u{110000}": "no character",
    "\ud800": "half a character",
    "((((a{90}){90}){90}){90})": "add up to",
    "(" * 60 + ")" * 60: "groups in each other",
    "a" * (MAX_LENGTH + 1): "characters",
}


@pytest.mark.parametrize("pattern", WRONG, ids=lambda pattern: ascii(pattern[:20]))
def test_what_cannot_be_read_is_refused_with_its_place(pattern):
    """Whatever is outside the language is an InputError that says what and where."""
    with pytest.raises(InputError, match=WRONG[pattern]) as caught:
        parse(pattern)
    assert caught.value.hint


@pytest.mark.parametrize(
    "pattern",
    ["^a|b$", r"\u{1F600}\u00e9\x41", r"[^\]\-a-z-]", "[]a]", "(?:)|x{0}", r"[\s\S]\D\W[\w.]", "é*"],
)
def test_a_pattern_is_written_as_the_same(pattern):
    """Reading what was written gives the same again, and Python reads it too."""
    written = render(parse(pattern))
    assert render(parse(written)) == written
    re.compile(written)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab(){}[]|?*+^$\\\\-,.0123xudws&~é\ud800", max_size=25))
def test_nothing_but_input_errors_come_of_any_text(text):
    """A text is a pattern, and then one that can be written again, or it is refused."""
    try:
        written = render(parse(text))
    except InputError:
        return
    assert render(parse(written)) == written


def test_an_escaped_text_matches_itself_alone():
    """Every character of a text can be escaped, controls and marks too."""
    text = "".join(map(chr, range(0x100))) + "日本 😀 \u2028"
    assert re.fullmatch(escape(text), text)
    assert parse(escape(text)) == parse(render(parse(escape(text))))
