"""The form in which the embedded model reads a dialogue."""

from hypothesis import given
from hypothesis import strategies as st

from sightline_runtime.models import words as w
from sightline_runtime.models.transcript import transcript

WORD = st.lists(st.integers(8, 40), min_size=1, max_size=6)
EXCHANGE = st.tuples(st.lists(WORD, max_size=1), WORD, WORD, WORD)
NO_LIMIT = 10**6


def messages(exchanges):
    """Exchanges as roles and ids."""
    for given_ids, line, call, result in exchanges:
        yield from (("system", ids) for ids in given_ids)
        yield from (("user", line), ("assistant", call), ("system", result))


def test_a_single_line_has_no_mark_but_that_of_the_tools():
    """One line is read as it was before there were dialogues."""
    assert transcript([("user", [9, 10])], NO_LIMIT).ids == [w.TOOLS, 9, 10, w.ASSISTANT]


def test_a_dialogue_is_lines_calls_and_results():
    """Every part stands in its place; what came in stands before the mark of its line."""
    said = [
        ("system", [20]),
        ("user", [9]),
        ("assistant", [10]),
        ("system", [21]),
        ("system", [22]),
        ("user", [11]),
    ]
    assert transcript(said, NO_LIMIT).ids == [
        w.TOOLS,
        *(20, w.USER, 9, w.ASSISTANT, 10, w.END, 21),
        *(22, w.USER, 11, w.ASSISTANT),
    ]


@given(st.lists(EXCHANGE, min_size=1, max_size=5))
def test_the_model_writes_calls_and_their_ends_only(exchanges):
    """What is learnt are the calls, each with its end."""
    read = transcript(list(messages(exchanges)), NO_LIMIT)
    written = [token for token, own in zip(read.ids, read.written, strict=True) if own]
    assert written == [token for _, _, call, _ in exchanges for token in [*call, w.END]]


@given(st.lists(EXCHANGE, min_size=1, max_size=6), WORD, st.integers(1, 60))
def test_what_is_too_long_loses_its_oldest_exchanges(exchanges, line, most):
    """The rest reads as if the dialogue had begun there; the last line always stays."""
    said = [*messages(exchanges), ("user", line)]
    read = transcript(said, most).ids
    later = [[*messages(exchanges[first:]), ("user", line)] for first in range(len(exchanges) + 1)]
    assert read in [transcript(rest, NO_LIMIT).ids for rest in later]
    assert len(read) <= most or read == transcript([("user", line)], NO_LIMIT).ids
    assert read[-len(line) - 1 :] == [*line, w.ASSISTANT]
