"""The log and its filters, and the reflog."""

from datetime import UTC, datetime, timedelta

import pytest

import sightline as sl


@pytest.fixture
def told(session):
    """A session of four steps."""
    star = session.generate("a red star")
    session.understand(star, "what color is the star ?")
    session.generate("a ring")
    session.crop("img2", (0, 0, 0.5, 0.5))
    return session


@pytest.mark.parametrize(
    ("chosen", "tools"),
    [
        ({}, ["crop", "generate", "understand", "generate"]),
        ({"tool": "generate"}, ["generate", "generate"]),
        ({"tool": ("crop", "understand")}, ["crop", "understand"]),
        ({"tool": "generate", "limit": 1}, ["generate"]),
        ({"text": "STAR"}, ["understand", "generate"]),
        ({"text": "star", "tool": "generate"}, ["generate"]),
        ({"text": "zebra"}, []),
        ({"since": timedelta(hours=1)}, ["crop", "generate", "understand", "generate"]),
        ({"since": datetime.now(UTC) + timedelta(days=1)}, []),
        ({"since": datetime(2020, 1, 1)}, ["crop", "generate", "understand", "generate"]),
        ({"branch": "HEAD~2"}, ["understand", "generate"]),
        ({"branch": "img1"}, ["generate"]),
    ],
)
def test_a_log_holds_what_was_asked_for(told, chosen, tools):
    """Tool, time, text and branch choose; the limit counts what was chosen."""
    assert [step.tool for step in told.log(**chosen)] == tools
    if "branch" not in chosen:
        view = told.at("HEAD")
        assert view.log(**chosen) == told.log(**chosen)


def test_an_answer_is_found_by_its_text(told):
    """What was answered counts like what was asked."""
    assert [step.tool for step in told.log(text="red", tool="understand")] == ["understand"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": True},
        {"since": 5},
        {"since": "yesterday"},
        {"text": " "},
        {"text": 5},
        {"tool": 5},
        {"tool": [5]},
        {"branch": "nope"},
        {"branch": 5},
    ],
    ids=str,
)
def test_a_filter_that_means_nothing_is_refused(told, wrong):
    """Each wrong filter is an InputError with a hint."""
    with pytest.raises(sl.InputError) as caught:
        told.log(**wrong)
    assert caught.value.hint


def test_the_reflog_tells_of_every_move(session):
    """Steps, undo, redo, branches, tags and drops, newest first, each with both ends."""
    a, b = session.generate("a star"), session.generate("a ring")
    session.undo()
    session.redo()
    session.branch("alt", at=a)
    session.tag("good", at=b)
    session.drop("alt")
    star, ring = a.step.id, b.step.id
    moves = session.reflog()
    assert [(move.branch, move.before, move.after, move.why) for move in moves] == [
        ("alt", star, None, "drop"),
        ("@good", None, ring, "tag"),
        ("alt", None, star, "branch"),
        ("main", star, ring, "redo"),
        ("main", ring, star, "undo"),
        ("main", star, ring, "advance"),
        ("main", None, star, "advance"),
        ("main", None, None, "branch"),
    ]
    assert session.reflog(3) == moves[:3]
    times = [move.when for move in moves]
    assert times == sorted(times, reverse=True)
    assert datetime.now(UTC) - times[0] < timedelta(minutes=1)
    assert f"{star[:8]} → {ring[:8]}  redo" in repr(moves[3])
    with pytest.raises(sl.InputError):
        session.reflog(0)
