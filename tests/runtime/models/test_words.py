"""The word-level tokenizer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_runtime.errors import InputError
from sightline_runtime.models.words import Words, build
from sightline_runtime.world import dialogue, language, phrasing
from sightline_runtime.world.language import vocabulary
from sightline_runtime.world.scenes import SceneSampler

WORDS = Words(build(vocabulary()))


@given(st.lists(st.sampled_from(vocabulary()), min_size=1, max_size=12))
def test_what_was_read_reads_the_same(words):
    """Known words stay known, and reading what was decoded changes nothing more."""
    encoded = WORDS.encode(" ".join(words))
    assert encoded.unknown == ()
    again = WORDS.decode(encoded.ids)
    assert WORDS.decode(WORDS.ids(again)) == again


@settings(max_examples=60)
@given(st.integers(0, 2**31))
def test_the_worlds_own_sentences_are_read_word_by_word(seed):
    """No spelling rule touches what the world itself says: ids and words correspond one to one."""
    world = SceneSampler(seed, held_out=False)
    scene = world.scene()
    edit = phrasing.politely(world, phrasing.instruction(world).instruction)
    question = phrasing.question(world, scene)
    kind = world.choice(language.EDIT_KINDS)
    texts = [phrasing.prompt(world)[0], edit, question.text, question.answer]
    texts += [language.plan(scene), language.edit(world, kind).instruction, *dialogue.tool_call(world)]
    for text in texts:
        assert WORDS.decode(WORDS.ids(text)) == text


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("Draw a RED star!", "draw a red star"),
        ("Put a tiny grey disc in the upper left", "add a small gray circle at the top left"),
        ("put the star in the center", "move the star in the center"),
        ("turn the star into a heart", "replace the star with a heart"),
        ("change the red star into a heart", "replace the red star with a heart"),
        ("turn the red star green", "make the red star green"),
        ("turn the background into black", "change the background to black"),
        ("recolour the star violet", "make the star purple"),
        ("erase the box.", "remove the square"),
        ("Delete the big ring", "remove the large ring"),
        ("how big is the red ring?", "how big is the red ring ?"),
        ("how large is the ring", "how big is the ring"),
        ("make the star bigger", "make the star large"),
        ("how many shapes are there?", "how many objects are there ?"),
        (
            "what's the colour of the thing at the bottom middle?",
            "what is the color of the object at the bottom center ?",
        ),
        ("a star to the left of a ring", "a star left of a ring"),
        ("two discs and 3 boxes", "two circles and three squares"),
        ("a star over a ring under a heart", "a star above a ring below a heart"),
    ],
)
def test_other_words_for_the_same_are_read(said, read):
    """Synonyms and turns of phrase become the words that the model was taught."""
    encoded = WORDS.encode(said)
    assert WORDS.decode(encoded.ids) == read
    assert encoded.unknown == ()


def test_capitals_punctuation_and_spellings_are_read():
    """'Colour?' glued and capitalised is read as 'color ?', digits as words."""
    assert WORDS.ids("What COLOUR is the square?") == WORDS.ids("what color is the square ?")
    assert WORDS.ids("2 stars,3 rings") == WORDS.ids("two stars , three rings")


def test_unknown_words_are_named_once_each():
    """The words outside the vocabulary are listed in order."""
    assert WORDS.encode("a Zebra and a zebra near an ibex").unknown == ("zebra", "near", "ibex")


def test_half_a_character_is_refused():
    """JSON can carry one; it is the caller's fault, not the engine's."""
    for read in (WORDS.encode, WORDS.ids):
        with pytest.raises(InputError, match="half a character"):
            read("a red \ud800 star")
