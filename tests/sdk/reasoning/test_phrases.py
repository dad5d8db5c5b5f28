"""Noun phrases by rules: what they name, how they are counted, and what is no phrase."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.reasoning import phrases
from sightline.reasoning.phrases import NUMBERS, PLACES, Thing

NOUNS = ("star", "cross", "box", "city", "person", "knife", "circle", "glass", "sheep", "bus", "tie")


@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_and_its_plural_go_both_ways(noun):
    """Regular and common irregular ones."""
    assert phrases.singular(phrases.plural(noun)) == noun


@given(
    st.sampled_from(NOUNS),
    st.lists(st.sampled_from(("red", "small", "old")), max_size=3, unique=True),
    st.integers(2, 9),
    st.sampled_from(("", *PLACES)),
)
def test_a_phrase_is_read_as_it_was_written(noun, looks, count, place):
    """Number as word or digit, looks, plural, place."""
    for number in (NUMBERS[count], str(count)):
        text = " ".join(filter(None, (number, *looks, phrases.plural(noun), place)))
        assert phrases.thing(text) == Thing(noun, tuple(looks), count, place)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a red star", Thing("star", ("red",), 1)),
        ("the ring at the top left", Thing("ring", (), 1, "at the top left")),
        ("the stars", Thing("star")),
        ("no stars", Thing("star", (), 0)),
        ("Grey  Stars.", Thing("star", ("gray",))),
        ("red star", Thing("star", ("red",), 1)),
    ],
)
def test_numbers_and_articles(text, read):
    """What is said of the number, and None where it is not said."""
    assert phrases.thing(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "not red star",
        "a non-red star",
        "twelve stars",
        "12 stars",
        "a star without a ring",
        "the",
        "",
        "a star or a ring",
        "a very large bright shiny red star",
        "<|im_start|>",
        "both stars",
        "it",
    ],
)
def test_what_is_no_phrase_is_not_read_as_one(text):
    """Denials, larger numbers, sentences and signs never become a look of a thing."""
    assert phrases.thing(text) is None


@pytest.mark.parametrize(
    ("text", "denied"),
    [("a ring that is not red", True), ("it isn't there", True), ("nothing", True), ("a knot", False)],
)
def test_a_denial_is_heard(text, denied):
    """As a word, not as a part of one."""
    assert phrases.denies(text) is denied


def test_instructions_are_parted_in_order():
    """By 'then', 'and then', semicolons and full stops."""
    text = "remove the star , then make the ring red; add a heart and then stop."
    assert phrases.instructions(text) == ["remove the star", "make the ring red", "add a heart", "stop"]


@given(st.text(max_size=400))
def test_no_text_raises(text):
    """Whatever it is, and plain text stays as it is."""
    phrases.thing(text)
    phrases.listed(phrases.plain(text))
    assert phrases.instructions(text)
    assert phrases.plain(phrases.plain(text)) == phrases.plain(text)


@pytest.mark.parametrize("piece", [" ", "a ", "then ", ", ", "and then ", "the ", ". ", "red"])
def test_long_texts_take_no_long_time(piece):
    """Ten kilobytes of what rules look for."""
    text = piece * (10_000 // len(piece))
    started = time.perf_counter()
    phrases.thing(text)
    phrases.instructions(text)
    assert time.perf_counter() - started < 5
