"""ReAct: calls decided one by one, by any brain; whatever it does, the chain ends clearly."""

import pytest
from tests.sdk.reasoning.doubles import Held, Speaker

import sightline as sl


@pytest.fixture
def photo(session):
    """Two red stars and a blue ring."""
    return session.generate("two red stars and a blue ring")


def pursued(session, goal, images, *script, **options):
    """The outcome of a scripted brain, and what it heard."""
    speaker = Speaker(*script)
    strategy = sl.ReAct(sl.Elsewhere(speaker), **options)
    return session.solve(goal, images, strategy=strategy, budget=sl.Budget(steps=20)), speaker


def test_a_chain_of_calls_answers(session, photo):
    """Each observation is told; the answer's confidence is that of the look that gave it."""
    found, speaker = pursued(
        session, "how many things are left without the ring ?", [photo],
        [("edit", {"image": "img1", "instruction": "remove the ring"})],
        [("understand", {"image": "last", "question": "how many objects are there ?"})],
        "There are two.",
    )  # fmt: skip
    assert (found.answer, found.stopped) == ("There are two.", "done")
    assert found.confidence == 0.9
    assert [step.tool for step in session.log(branch=found.branch)][:2] == ["understand", "edit"]
    told = [message["content"] for message in speaker.heard[-1] if message["role"] == "tool"]
    assert told[0].startswith("img2 (64x64")
    assert "text: two" in told[1]
    assert len(found.thoughts) == 2


def test_one_of_the_choices_is_the_answer(session, photo):
    """Where words hold exactly one of them."""
    found, _ = pursued_with_choices(session, photo, "I would say yes indeed")
    assert found.answer == "yes"
    found, _ = pursued_with_choices(session, photo, "yes and no")
    assert found.answer == "yes and no"


def pursued_with_choices(session, photo, text):
    """The outcome of words where choices are given."""
    speaker = Speaker(text)
    strategy = sl.ReAct(sl.Elsewhere(speaker))
    return session.solve("is it red ?", [photo], strategy=strategy, choices=("yes", "no")), speaker


def test_a_picture_is_the_last_that_was_made(session):
    """The chain's words end it."""
    found, _ = pursued(
        session, "a blue star", [],
        [("generate", {"prompt": "a red star"})],
        [("edit", {"image": "last", "instruction": "make the star blue"})],
        "Done.",
    )  # fmt: skip
    assert session.understand(found.image, "what color is the star ?").text == "blue"
    assert (found.stopped, found.why) == ("done", "Done.")


def test_mistakes_are_told_and_can_be_mended(session, photo):
    """Unknown tools, pictures and arguments cost no step of the branch."""
    found, speaker = pursued(
        session, "what color is the ring ?", [photo],
        [("look_closer", {})],
        [("understand", {"image": "img9", "question": "what color is the ring ?"})],
        [("understand", {"image": "/etc/passwd", "question": "x"})],
        [("understand", {"image": "img1", "question": ""})],
        [("undo", {})],
        [("understand", {"image": "img1", "question": "what color is the ring ?"})],
        "blue",
    )  # fmt: skip
    assert (found.answer, found.confidence) == ("blue", 0.9)
    told = [message["content"] for message in speaker.heard[-1] if message["role"] == "tool"]
    assert [text.startswith("Error") for text in told] == [True] * 5 + [False]
    assert "Pictures of this session: img1" in told[1]
    assert len(found.steps) == 1


@pytest.mark.parametrize(
    ("script", "stopped"),
    [
        (([("understand", {"image": "img1", "question": "what color is the ring ?"})],), "refused"),
        (([("nonsense", {})],), "refused"),
        (("",), "refused"),
        (([("edit", {})], ""), "refused"),
        (("I cannot help with that.",), "done"),
    ],
)
def test_circles_and_silence_end_it(session, photo, script, stopped):
    """A call that was made before, and a turn of nothing, end the chain; a refusal is an answer."""
    found, speaker = pursued(session, "what color is the ring ?", [photo], *script)
    assert found.stopped == stopped
    assert len(speaker.heard) <= 2
    assert found.why


def test_turns_are_bounded(session, photo):
    """What was looked up last is the answer, at half its confidence."""
    script = [[("understand", {"image": "img1", "question": f"how many stars ? {n}"})] for n in range(9)]
    found, speaker = pursued(session, "how many stars ?", [photo], *script, max_turns=4)
    assert (found.stopped, len(speaker.heard)) == ("rounds", 4)
    assert found.confidence == 0.45
    none, _ = pursued(session, "a ring", [], [("understand", {})], max_turns=1)
    assert (none.image, none.stopped) == (None, "refused")


def test_its_calls_are_within_the_budget(session):
    """What was made before the end is kept."""
    speaker = Speaker(*[[("generate", {"prompt": f"a red star {n}"})] for n in range(9)])
    found = session.solve("a red star", strategy=sl.ReAct(sl.Elsewhere(speaker)), budget=sl.Budget(images=2))
    assert (found.stopped, found.spent.images, len(found.steps)) == ("budget", 2, 2)
    assert found.image is not None


def test_many_calls_of_a_turn_are_bounded(session, photo):
    """Four are done, the others are not."""
    calls = [("understand", {"image": "img1", "question": f"how many stars ? {n}"}) for n in range(9)]
    found, _ = pursued(session, "how many stars ?", [photo], calls, "two")
    assert len(found.steps) == 4


def test_a_strategy_of_tools_has_those_alone(session, photo):
    """Others are neither offered nor called."""
    found, speaker = pursued(
        session, "is it ?", [photo], [("edit", {"image": "img1", "instruction": "x"})], "yes",
        tools=("understand",),
    )  # fmt: skip
    assert found.steps == ()
    assert "there is no tool 'edit'" in speaker.heard[-1][-1]["content"]


def test_the_embedded_model_chats_with_its_tools(embedded):
    """Its own dialect: it looks, draws and edits by one call each."""
    with sl.Session(runtime=embedded, seed=1) as session:
        star = session.generate("a red star")
        said = session.solve("what color is the star ?", [star], strategy=sl.ReAct())
        made = session.solve("make the star blue", [star], strategy=sl.ReAct())
        drawn = session.solve("a green ring", strategy=sl.ReAct())
        assert (said.answer, said.stopped) == ("red", "done")
        assert session.understand(made.image, "what color is the star ?").text == "blue"
        assert session.understand(drawn.image, "is there a ring ?").text == "yes"


def test_a_model_without_tools_answers_in_words(session, photo):
    """The rule-based runtime calls none: its words end the chain."""
    found = session.solve("what color is the ring ?", [photo], strategy=sl.ReAct())
    assert (found.answer, found.steps) == ("blue", ())


def test_a_released_family_is_held_to_valid_calls():
    """Calls are JSON between tags, of tools that are offered and pictures that exist."""
    runtime = Held(
        '<tool_call>\n{"name": "edit", "arguments": {"image": "img1", "instruction": "make the star blue"}}'
        "\n</tool_call>",
        "It is blue now.",
    )
    with sl.Session(runtime=runtime, seed=2) as session:
        star = session.generate("a red star")
        found = session.solve("make the star blue", [star], strategy=sl.ReAct(tools=("edit", "understand")))
        assert session.understand(found.image, "what color is the star ?").text == "blue"
    assert found.why == "It is blue now."
    assert len(runtime.requests[1].images) == 1  # the newest, as it looks at one at a time
