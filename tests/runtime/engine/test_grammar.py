"""Grammars over vocabularies: masks, the shortest way, and answers that match whatever a model wants."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import release

from sightline_runtime.engine import writing
from sightline_runtime.engine.grammar import Grammar, Grammars, Guide, Vocabulary
from sightline_runtime.engine.matching import Matchers
from sightline_runtime.errors import CancelledError, InputError
from sightline_runtime.models.tokens import Tokens
from sightline_runtime.protocol import Message, TextRequest

TOKENS = Tokens(release.tokenizer())
BPE = Vocabulary(TOKENS.spelled(), (TOKENS.id("<|im_end|>"), TOKENS.id("<|endoftext|>")))
SAID = ["a", "red", "blue", "star", "stars", "zero", "one", "two", ",", "(", ")", "edit"]
WORDS = Vocabulary([b"", *(f" {word}".encode() for word in SAID)], (0,), lead=" ")
PATTERNS = [
    "yes|no",
    r"-?\d{1,3}(?:\.\d{1,2})?",
    r'\{"color": "(?:red|blue)", "note": "(?:[^"\\\x00-\x1f]|\\["\\nt]){0,20}", "n": (?:[1-9]|1\d)\}',
    "(?:[a-zé😀]{2,8}[ ,]){1,3}[日本]{2}",
    "(?:a red star|a blue star)(?: left of a blue circle)*",
    "(?:ab)*",
]
SPOKEN = [
    "red|blue star",
    "zero|one|two|[3-9]",
    r"edit \( [^()]{1,30} \)",
    "(?:red|blue)(?: , (?:red|blue)){0,3}",
    "(?:a )?[a-z]{3,4}",
]


KEPT = {vocabulary: Grammars(lambda made=vocabulary: made) for vocabulary in (BPE, WORDS)}


class Wild:
    """A reading whose scores are random, or no numbers at all."""

    def __init__(self, size, seed, nonsense):
        self._draw, self._size, self._nonsense = np.random.default_rng(seed), size, nonsense
        self.advance(0)

    def advance(self, token):
        """Other scores."""
        scores = self._draw.normal(size=self._size) * 5
        if self._nonsense:
            scores[self._draw.random(self._size) < 0.9] = self._nonsense
        self.scores = torch.tensor(scores).float()


def text_of(vocabulary, tokens):
    """What some tokens say."""
    return b"".join(vocabulary.tokens[token] for token in tokens)[len(vocabulary.lead) :].decode()


def written(vocabulary, pattern, limit, seed=0, nonsense=None, temperature=0.0):
    """An answer of a wild model: its tokens, their log-probabilities, whether it ended."""
    guide = KEPT[vocabulary].guide(pattern, limit)
    return writing.write(
        Wild(len(vocabulary.tokens), seed, nonsense),
        vocabulary.ends,
        limit=limit,
        choose=writing.choice(temperature, seed),
        tick=lambda tokens: None,
        guide=guide,
    )


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([(BPE, p) for p in PATTERNS] + [(WORDS, p) for p in SPOKEN]),
    st.integers(0, 40),
    st.integers(0, 2**32),
    st.sampled_from([None, math.nan, math.inf, -math.inf]),
    st.sampled_from([0.0, 1.5]),
)
def test_every_answer_matches_whatever_the_model_wants(spoken, room, seed, nonsense, temperature):
    """With just enough tokens or more, wild and broken models write nothing but matches."""
    vocabulary, pattern = spoken
    grammar = KEPT[vocabulary].guide(pattern, 100)._grammar
    least = grammar.fewest(grammar.start)
    limit = max(least, 1) + room
    tokens, logs, _ = written(vocabulary, pattern, limit, seed, nonsense, temperature)
    assert re.fullmatch(pattern, text_of(vocabulary, tokens))
    assert len(tokens) <= limit
    assert all(log <= 1e-9 for log in logs)
    with pytest.raises(InputError, match="takes"):
        grammar.check(least - 1)


def test_over_all_answers_the_confidences_add_up_to_one():
    """The probability of an answer is that among the matches: together they are certain."""
    pattern, grammar = "(?:red|a blue) stars?", Grammar("(?:red|a blue) stars?", WORDS)
    torch.manual_seed(0)
    scores = torch.randn(len(WORDS.tokens)).log_softmax(-1)

    def total(guide, path):
        masked = guide.masked(scores, 9)
        ended = float(masked[0].exp()) if not math.isinf(masked[0]) else 0.0
        for token in guide.allowed(9):
            if token != 0:
                after = Guide(grammar)
                for step in [*path, token]:
                    after.advance(step)
                share = float(masked[token].exp())
                ended += share * (1.0 if after.done else total(after, [*path, token]))
        return ended

    assert re.fullmatch(pattern, "a blue stars")
    assert total(Guide(grammar), []) == pytest.approx(1.0)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_mask_is_every_token_that_keeps_a_match_possible(pattern):
    """Against trying each token by itself."""
    grammar, state = Grammar(pattern, BPE), Grammar(pattern, BPE).start
    for _ in range(12):
        ids, ends = grammar.walk(state)
        alone = {
            index: grammar.automaton.read(state, token)
            for index, token in enumerate(BPE.tokens)
            if token and grammar.automaton.read(state, token)
        }
        assert dict(zip(ids.tolist(), ends.tolist(), strict=True)) == alone
        if not len(ids):
            break
        state = int(ends[len(ends) // 2])


def test_words_are_counted_exactly_where_they_cannot_spell_everything():
    """Dead ends are avoided: the way to a match that the words can say is found, and only it."""
    grammar = Grammar("zz|red star|(?:a ){5}blue", WORDS)
    assert grammar.fewest(grammar.start) == 2
    assert text_of(WORDS, written(WORDS, "(?:a ){2}(?:b|blue)", 3)[0]) == "a a blue"
    with pytest.raises(InputError, match="can write nothing"):
        Grammar("green|three", WORDS).check(64)
    with pytest.raises(InputError, match="too many ways"):
        Grammar("(?:[a-z ]{1,900}x?){1,90}", WORDS).check(64)


def test_the_fewest_tokens_are_those_of_the_shortest_match():
    """Merged tokens count once, and a text of no token of its own is spelled byte by byte."""
    for text in ("red star", "a blue circle", "日本", "xyz"):
        grammar = Grammar(text, BPE)
        assert grammar.fewest(grammar.start) == len(TOKENS.ids(text))


def test_an_answer_that_can_go_no_further_ends_by_itself():
    """No end token is asked for where the pattern leaves nothing else."""
    tokens, logs, ended = written(BPE, "abc", 10)
    assert ended
    assert len(logs) == len(tokens)
    assert sum(logs) == pytest.approx(0.0)
    assert not written(WORDS, "(?:a |red )*star(?: stars)*", 1)[2]


def test_grammars_are_kept_and_shared():
    """The same pattern is prepared once; no pattern needs no guide."""
    grammars = Grammars(lambda: BPE)
    assert grammars.guide("", 5) is None
    first, second = grammars.guide("a+b", 5), grammars.guide("a+b", 5)
    assert first._grammar is second._grammar
    first.advance(TOKENS.ids("a")[0])
    assert not np.array_equal(first.allowed(4), second.allowed(4))


def test_a_hopeless_pattern_is_refused_without_looking_far():
    """More bytes than so many of the longest tokens have are too many at once."""
    grammar = Grammar("x" * 90_000, BPE)
    with pytest.raises(InputError, match="takes"):
        grammar.check(64)
    assert len(grammar.automaton) == 2


class GivesUp:
    """A matcher that fails midway."""

    def __init__(self):
        self.left = 3

    def allowed(self):
        """Nothing, from the fourth time on."""
        self.left -= 1
        return np.asarray([TOKENS.ids("a")[0]]) if self.left >= 0 else None

    def advance(self, token):
        """Go on."""


def test_a_matcher_that_gives_up_is_left():
    """The grammar goes on alone, from where the matcher stood."""
    guide = Guide(Grammar("a{3}b{3}", BPE), GivesUp())
    said = []
    while not guide.done:
        said.append(int(guide.allowed(90)[0]))
        guide.advance(said[-1])
    assert text_of(BPE, said) == "aaabbb"


def test_the_tokens_of_a_byte_level_tokenizer_are_its_bytes():
    """What the tokens say together is what was encoded; control tokens say nothing."""
    text = "a red star é😀\n\x00"
    assert b"".join(BPE.tokens[token] for token in TOKENS.ids(text)) == text.encode()
    assert BPE.tokens[TOKENS.id("<|im_end|>")] == b""
    assert BPE.spells
    assert not WORDS.spells


@pytest.mark.parametrize("pattern", PATTERNS)
def test_llguidance_allows_the_same_tokens(pattern):
    """On every state of random answers both masks are equal."""
    pytest.importorskip("llguidance")
    matchers = Matchers(BPE.tokens, int(BPE.ends[0]))
    for seed in range(4):
        grammar = Grammar(pattern, BPE)
        matcher = matchers.matcher(grammar.plain)
        tokens, _, _ = written(BPE, pattern, 60, seed=seed)
        state = grammar.start
        for token in tokens:
            assert sorted(grammar.walk(state)[0].tolist()) == matcher.allowed().tolist()
            matcher.advance(token)
            state = grammar.automaton.read(state, BPE.tokens[token])


def test_a_costly_pattern_leaves_the_model_usable(embedded):
    """Thousands of states are not followed to their end: an error comes, then the next answer."""
    letters = [chr(0x100 + number) for number in range(450)]
    costly = "(?:" + "".join(f"[{letter}a]?" for letter in letters) + "){1,1000}"
    ask = (Message("user", ("a star",)),)
    for pattern in (costly, "(?:.*a.{0,100}){3}"):
        with pytest.raises(InputError, match="too many ways"):
            embedded.generate_text(TextRequest(ask, pattern=pattern))
    assert embedded.generate_text(TextRequest(ask, pattern="red|blue")).result(timeout=60).text


def test_a_long_answer_streams_and_can_be_cancelled(embedded):
    """The model's words come one by one; after a cancel no more of them."""
    request = TextRequest((Message("user", ("a star",)),), pattern="(?:red ){200,300}red", max_tokens=301)
    job = embedded.generate_text(request)
    events = iter(job)
    assert next(events).text == "red"
    assert next(events).text == " red"
    job.cancel()
    with pytest.raises(CancelledError):
        job.result(timeout=60)


def test_the_shipped_model_says_what_a_pattern_leaves(embedded):
    """A claim that it would not make, a tool call in its form, and nothing that it has no words for."""
    ask = (Message("user", ("draw a red star",)),)
    pattern = r"(?:generate|edit) \( (?:[^ ()]+ ){1,9}\)|undo \( \)"
    call = embedded.generate_text(
        TextRequest((Message("system", ("tools",)), *ask), pattern=pattern)
    ).result()
    assert call.text == "generate ( a red star )"
    assert call.finish == "stop"
    assert embedded.generate_text(TextRequest(ask, pattern="two|three")).result().text in ("two", "three")
    with pytest.raises(InputError, match="can write nothing"):
        embedded.generate_text(TextRequest(ask, pattern="[0-9]+"))
