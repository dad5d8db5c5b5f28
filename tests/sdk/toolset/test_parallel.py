"""All calls of one message: at the same time where they can be, after each other where they must."""

import threading
import time

import numpy as np
from tests.sdk.toolset.conftest import call_of

import sightline as sl
from sightline_tools.tool import Picture, ToolArgs
from sightline_tools.toolbox import Toolbox, default_toolbox


def asked(*calls):
    """A message of Chat Completions with calls (name, arguments), numbered."""
    return {"tool_calls": [call_of("chat", *call, f"c{number}") for number, call in enumerate(calls)]}


class Number(ToolArgs):
    """A number."""

    number: int


def test_calls_run_at_the_same_time_but_not_more_than_allowed():
    """Four meet at a barrier, which they could not one after another; never more than four run."""
    barrier, running, most, lock = threading.Barrier(4, timeout=20), [0], [0], threading.Lock()

    @sl.tool(version="1")
    def meet(args: Number, ctx: sl.ToolContext) -> Picture:
        """Wait for three others."""
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        barrier.wait()
        with lock:
            running[0] -= 1
        return Picture(image=ctx.save(sl.FakeRuntime()._draw("a star", None, args.number)))

    with sl.Session(runtime=sl.FakeRuntime(), toolbox=Toolbox(meet)) as s:
        answers = s.toolset(parallel=4).handle_all(asked(*(("meet", {"number": n}) for n in range(8))))
        assert [answer.get("tool_call_id") for answer in answers] == [*(f"c{n}" for n in range(8)), None]
        assert all(answer.outcome.fault is None for answer in answers[:8])
        assert most[0] == 4
        assert len(s.log()) == 8
        assert s.verify_store().problems == ()


def test_steps_stand_in_the_order_of_the_calls_whichever_ends_first(tmp_path):
    """The first call takes longest: it still has the first number and the first step."""

    @sl.tool(version="1")
    def late(args: Number, ctx: sl.ToolContext) -> Picture:
        """Take the longer the smaller the number is."""
        time.sleep(0.2 - 0.05 * args.number)
        return Picture(image=ctx.save(np.full((4, 4, 3), args.number, np.uint8)))

    with sl.Session(tmp_path / "s", runtime=sl.FakeRuntime(), toolbox=Toolbox(late)) as s:
        answers = s.toolset().handle_all(asked(*(("late", {"number": n}) for n in (0, 1, 2, 3, 3))))
        names = [answer.outcome.structured["image"]["alias"] for answer in answers[:5]]
        assert names == ["img1", "img2", "img3", "img4", "img4"]
        assert [step.args["number"] for step in reversed(s.log())] == [0, 1, 2, 3, 3]
        assert answers[4].outcome.result.cache.status == "hit"


def test_a_call_that_needs_what_others_make_comes_after_them(session):
    """`last`, a name that is made in the same message, and verbs that move the branch wait."""
    answers = session.toolset().handle_all(
        asked(
            ("generate", {"prompt": "a red star"}),
            ("understand", {"image": "last", "question": "what color is the star ?"}),
            ("generate", {"prompt": "a blue ring"}),
            ("crop", {"image": "img2", "box": [0, 0, 1, 1]}),
            ("undo", {}),
            ("generate", {"prompt": "a green circle"}),
            ("history", {}),
        )
    )
    assert [answer.outcome.fault for answer in answers[:7]] == [None] * 7
    assert answers[1]["content"].startswith("text: red")
    assert [entry["tool"] for entry in answers[6].outcome.structured["steps"]] == [
        "generate",
        "generate",
        "understand",
        "generate",
    ]


def test_a_failure_among_them_does_not_touch_the_others(session):
    """Each is answered for itself, in order."""
    answers = session.toolset().handle_all(
        asked(
            ("generate", {"prompt": "a star"}),
            ("crob", {}),
            ("generate", "{"),
            ("generate", {"prompt": "a ring"}),
        )
    )
    assert [answer.outcome.fault is None for answer in answers[:4]] == [True, False, False, True]
    assert answers[4]["content"][0]["text"].count("preview") == 2


def test_too_many_calls_are_answered_without_being_done(session):
    """All ids are answered; the message of Anthropic that holds them stays a message."""
    calls = [call_of("anthropic", "pictures", {}, f"c{n}") for n in range(150)]
    [answer] = session.toolset().handle_all({"content": calls})
    assert [block["tool_use_id"] for block in answer["content"]] == [f"c{n}" for n in range(150)]
    assert [block["is_error"] for block in answer["content"]] == [False] * 64 + [True] * 86


def test_context_variables_reach_the_tools():
    """What a host keeps in the context is seen in the threads of the calls."""
    from contextvars import ContextVar

    user, seen = ContextVar("user", default="nobody"), []

    @sl.tool(version="1", stateful=True)
    def who(args: Number, ctx: sl.ToolContext) -> Picture:
        """Note who calls."""
        seen.append(user.get())
        return Picture(image=ctx.save(sl.FakeRuntime()._draw("a star", None, args.number)))

    with sl.Session(runtime=sl.FakeRuntime(), toolbox=default_toolbox().with_tools(who)) as s:
        user.set("ada")
        s.toolset().handle_all(asked(("who", {"number": 1}), ("who", {"number": 2})))
    assert seen == ["ada", "ada"]
