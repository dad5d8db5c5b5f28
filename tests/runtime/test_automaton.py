"""The automaton of a pattern, against Python's own regular expressions."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_runtime.automaton import DEAD, MAX_WORK, Automaton
from sightline_runtime.errors import InputError
from sightline_runtime.patterns import parse, render

ATOMS = st.sampled_from(
    ["a", "b", "[ab]", "[^a]", "é", r"\d", ".", r"\n", "[a-cé-ü]", r"\w", "😀", r"[\u07c0-\u0800]"]
)


def grown(inner):
    """Larger patterns of smaller ones."""
    repeats = st.sampled_from(["?", "*", "+", "{2}", "{1,3}", "{0,2}", "{2,}"])
    return st.one_of(
        st.lists(inner, max_size=4).map(lambda parts: f"(?:{''.join(parts)})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, repeats).map(lambda both: f"(?:{both[0]}){both[1]}"),
    )


PATTERNS = st.recursive(ATOMS, grown, max_leaves=8)
TEXTS = st.lists(st.text(alphabet="abcxé1\n😀ü_\u07d0", max_size=6), max_size=5)


@settings(max_examples=200, deadline=None)
@given(PATTERNS, TEXTS)
def test_it_matches_what_python_matches(pattern, texts):
    """A text matches as a whole, or not, as `re.fullmatch` says; so it does of the pattern written again."""
    automaton, again = Automaton(pattern), render(parse(pattern))
    for text in texts:
        expected = re.fullmatch(pattern, text, re.ASCII) is not None
        assert automaton.matches(text) == expected
        assert (re.fullmatch(again, text) is not None) == expected


@settings(max_examples=100, deadline=None)
@given(PATTERNS)
def test_the_shortest_match_is_as_short_as_it_says(pattern):
    """It matches, and has as many bytes as the first state says are missing."""
    automaton = Automaton(pattern)
    shortest = automaton.shortest_match()
    assert re.fullmatch(pattern, shortest, re.ASCII)
    assert len(shortest.encode()) == automaton.shortest(automaton.start) <= automaton.widest


def test_no_state_is_further_from_a_match_than_widest():
    """Wherever one stands, at most so many bytes are missing, and hardly fewer at the worst place."""
    automaton = Automaton(r"a(?:bc{3}|[xy](?:long word)?)*z{2,5}")
    for state in range(300):
        if state < len(automaton):
            automaton.row(state)
    missing = [automaton.shortest(state) for state in range(1, len(automaton))]
    assert automaton.widest - 1 <= max(missing) <= automaton.widest


def test_bounded_repeats_are_not_written_out():
    """A long string costs states only as far as it is read."""
    automaton = Automaton(r"(?:[^x]{0,9000}){0,50}x")
    state = automaton.read(automaton.start, b"hello")
    assert state != DEAD
    assert len(automaton) < 200


def test_nothing_matches_an_empty_class():
    """A pattern without a match says so."""
    automaton = Automaton(r"a[^\s\S]|b[^\s\S]+")
    assert automaton.start == DEAD
    with pytest.raises(InputError, match="nothing matches"):
        automaton.shortest_match()


def test_too_many_ways_at_once_are_refused():
    """A pattern that would have to be followed in thousands of places ends in an InputError."""
    automaton = Automaton("(?:a{1,60}){1,60}b")
    with pytest.raises(InputError, match="too many ways"):
        automaton.matches("a" * 900)


LETTERS = [chr(0x100 + number) for number in range(12_000)]
COSTLY = {
    "a set of states for each text": "(?:a|b)*a(?:a|b){200}",
    "long chains after each other": "(?:"
    + "".join(f"[{letter}a]?" for letter in LETTERS[:450])
    + "){1,1000}",
    "chains that may be left out": "".join(f"[{letter}a]?" for letter in LETTERS),
    "the same beginning for all": "|".join(map(re.escape, map(chr, range(1, 127))))
    + "".join(f"|[^é]{letter}" for letter in LETTERS),
}
"""Short to read and, followed as far as they go, minutes of work: each was."""


def follow(automaton):
    """Go to every state, one after the other."""
    for state in range(MAX_WORK):
        automaton.row(state)


@pytest.mark.parametrize("pattern", COSTLY.values(), ids=COSTLY.keys())
def test_no_pattern_takes_more_than_its_work(monkeypatch, pattern):
    """Whatever it is, following it ends in an InputError after a bounded number of steps."""
    most = MAX_WORK // 10
    monkeypatch.setattr("sightline_runtime.automaton.MAX_WORK", most)
    automaton = Automaton(pattern)
    with pytest.raises(InputError, match="too many ways"):
        follow(automaton)
    assert automaton._terms.work < most + len(pattern)


def test_an_automaton_that_worked_much_says_that_it_is_worn():
    """Then a new one is due, long before this one must refuse to go on."""
    automaton = Automaton("(?:a|b)*a(?:a|b){200}")
    assert not automaton.worn
    state = 0
    while not automaton.worn:
        automaton.row(state)
        state += 1
    assert automaton._terms.work < 0.9 * MAX_WORK
