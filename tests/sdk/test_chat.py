"""A dialogue on a session: its turns are steps of the branch, and whatever the model says, a turn ends."""

import asyncio
import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sightline as sl
from sightline.streaming import Calling
from sightline_runtime.errors import InputError
from sightline_runtime.protocol import Job, TextDelta, TextResult, Usage
from sightline_runtime.testing import FakeRuntime


class Speaker(FakeRuntime):
    """Says the given lines where a dialogue is read, the last one for ever; else the truth."""

    def __init__(self, *lines, family="embedded", delay=0.0):
        super().__init__(delay=delay)
        self.lines, self.family, self.read = list(lines), family, []

    @property
    def info(self):
        """The rule-based runtime as one of a family that talks."""
        told = super().info
        return replace(told, family=self.family, capabilities=told.capabilities | {"dialogue"})

    def generate_text(self, request):
        """The next line of a dialogue."""
        if not any(message.role == "system" for message in request.messages):
            return super().generate_text(request)
        self.read.append(request)
        text = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        job = Job()
        job.emit(TextDelta(text))
        job.finish(TextResult(text, 0.9, usage=Usage(10, 2)))
        return job


def told(request):
    """What a request says, a message a line, with the first letter of its role."""
    return [f"{message.role[0]}: {message.text}" for message in request.messages]


def written(name, **arguments):
    """A call as the released models write it."""
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


DRAW, ASK, RED, BACK = (
    "generate ( a green star )",
    "understand ( what color is the star ? )",
    "edit ( make the star red )",
    "undo ( )",
)


def tools(session):
    """The tools of the branch's steps, oldest first."""
    return [step.tool for step in session.log()[::-1]]


def test_a_dialogue_is_steps_of_the_branch():
    """What is said and what is called are rows of one tree, and the next line reads them."""
    runtime = Speaker(DRAW, ASK, RED, ASK)
    with sl.Session(runtime=runtime, seed=1) as s:
        drawn = s.chat("draw a green star")
        assert (drawn.text, drawn.alias, drawn.stopped) == ("img1", "img1", "done")
        assert str(s.chat("which color ?")) == "green"
        changed = s.chat("make it red")
        answer = s.chat("and now ?")
        assert (answer.text, answer.confidence) == ("red", 0.9)
        assert str(changed.calls[0]) == "edit(instruction='make the star red', image='img1') → img2"
        assert [s.show(step).step.tool for step in changed.steps] == ["chat", "edit"]
        assert tools(s) == ["chat", "generate", "chat", "understand", "chat", "edit", "chat", "understand"]
        assert told(runtime.read[-1]) == [
            "s: tools",
            "u: draw a green star",
            "a: generate ( a green star )",
            "s: picture one",
            "u: which color ?",
            "a: understand ( what color is the star ? )",
            "s: green",
            "u: make it red",
            "a: edit ( make the star red )",
            "s: picture two",
            "u: and now ?",
        ]
        assert s.understand(changed, "what color is the star ?").text == "red"  # a reply is a picture


def test_another_branch_has_another_dialogue():
    """After an undo, or a checkout, the model reads what is left."""
    runtime = Speaker(DRAW, RED, ASK)
    with sl.Session(runtime=runtime, seed=1) as s:
        s.chat("draw a green star")
        s.branch("other")
        s.chat("make it red")
        assert s.chat("which color ?").text == "red"
        s.undo(4)
        assert s.chat("which color ?").text == "green"
        assert "u: make it red" not in told(runtime.read[-1])
        s.checkout("other")
        assert s.chat("which color ?").text == "green"


def test_a_dialogue_is_replayed_rerun_exported_and_reported(tmp_path):
    """Every row is computed again to the bit, depends on what was said before it, and travels."""
    with sl.Session(tmp_path / "a", runtime=Speaker(DRAW, RED, ASK), seed=1) as s:
        for line in ("draw a green star", "make it red", "which color ?"):
            s.chat(line)
        first = s.log()[-2]
        again = s.rerun(changes={first: {"prompt": "a blue star"}})
        assert s.show(again.head).text == "red"
        assert len(again.invalidated) == 5  # all after the change: two were said, and three follow from those
        s.checkout("main")
        s.report(tmp_path / "a.html")
        assert [step.tool for step in s.recipe().steps] == ["generate", "edit", "understand"]
        s.export(tmp_path / "a.slz")
        assert "make it red" in (tmp_path / "a.html").read_text()
    with sl.import_session(tmp_path / "a.slz") as s:
        assert [step.summary() for step in s.log(tool="chat")] == [
            "which color ?",
            "make it red",
            "draw a green star",
        ]


def test_replay_says_the_same():
    """A line of the dialogue is asked again with what stood before it, not with what came after."""
    runtime = Speaker(DRAW, RED, ASK, DRAW, RED, ASK)
    with sl.Session(runtime=runtime, seed=1) as s:
        for line in ("draw a green star", "make it red", "which color ?"):
            s.chat(line)
        assert s.replay().ok
        assert [told(request) for request in runtime.read[3:]] == [told(each) for each in runtime.read[:3]]


def test_a_step_back_shows_the_picture_before():
    """An undo in a dialogue forgets nothing: the picture before is the last one again."""
    with sl.Session(runtime=Speaker(DRAW, RED, BACK, ASK, "show ( picture two )", ASK), seed=1) as s:
        s.chat("draw a green star")
        s.chat("make it red")
        assert (s.chat("undo that").alias, s.chat("which color ?").text) == ("img1", "green")
        assert (s.chat("show me the second one").alias, s.chat("and now ?").text) == ("img2", "red")
        assert tools(s)[4:] == ["chat", "show", "chat", "understand"] * 2


def test_nothing_to_go_back_to_is_a_reply():
    """What cannot be done is said, and the turn ends."""
    with sl.Session(runtime=Speaker(BACK, ASK), seed=1) as s:
        assert (s.chat("undo").stopped, s.log()[0].tool) == ("failed", "chat")
        said = s.chat("which color is it ?")
        assert said.stopped == "failed"
        assert "no picture yet" in said.text


def test_the_same_prompt_again_is_another_picture():
    """Whoever asks for it once more does not want the one that is there."""
    with sl.Session(runtime=Speaker("generate ( a star )"), seed=1) as s:
        assert [s.chat(line).alias for line in ("draw a star", "again", "again")] == ["img1", "img2", "img3"]


def test_work_beside_the_dialogue_is_part_of_it():
    """A picture that a verb made is what 'it' is."""
    runtime = Speaker(RED)
    with sl.Session(runtime=runtime, seed=1) as s:
        s.generate("a green star")
        assert s.chat("make it red").calls[0].arguments["image"] == "img1"
        assert told(runtime.read[0])[1:4] == [
            "u: draw a green star",
            "a: generate ( a green star )",
            "s: picture one",
        ]


def test_pictures_come_with_a_line_and_are_found_by_name():
    """A given picture is looked at; one that is named, or of which it is told what it shows, is used."""
    runtime = Speaker(ASK, RED, "understand ( picture one , what color is the star ? )", ASK)
    with sl.Session(runtime=runtime, seed=1) as s:
        star, ring = s.generate("a blue star"), s.generate("a pink ring")
        assert s.chat("which color is the star ?", [star]).text == "blue"
        assert s.chat("make the star in IMG1 red").calls[0].arguments["image"] == "img1"
        assert told(runtime.read[1])[-1] == "u: make the star red"
        s.chat("what color is the star in the one with the blue star ?")
        assert told(runtime.read[2])[-1] == "u: what color is the star in picture one ?"
        assert ring.alias == "img2"


def test_what_is_not_clear_is_asked_back():
    """Several pictures fit, none does, or the name is strange: the reply names those that there are."""
    with sl.Session(runtime=Speaker(ASK), seed=1) as s:
        s.generate("a blue star", n=2)
        for line, said in (
            ("show me the one with the star", "which one do you mean: img2 or img1 ?"),
            ("show me the one with the ring", "no picture shows a ring; there are img2 and img1"),
            ("make img9 red", "there is no picture img9; there are img1 and img2"),
        ):
            reply = s.chat(line)
            assert (reply.text, reply.stopped, reply.calls) == (said, "asks", ())
        assert s.chat("which color ?").stopped == "done"


def test_a_family_that_writes_json_answers_from_what_it_called():
    """The call, its answer and its picture are read before the last words."""
    call = written("generate", prompt="a red star")
    wrong = written("edit", image="img7", instruction="make it red")
    runtime = Speaker(f"Let me see. {call}", wrong, "There it is.", family="blip3o")
    with sl.Session(runtime=runtime, seed=1) as s:
        events = list(s.stream.chat("draw a star", system="Be kind."))
        reply = events[-1].result
        assert [(each.name, each.ok) for each in reply.calls] == [("generate", True), ("edit", False)]
        assert reply.text == "There it is."
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        assert text == "Let me see. There it is."
        last = runtime.read[-1].messages
        assert last[0].text.startswith("Be kind.")
        assert "img1" in last[2].text + last[3].text
        assert "name no picture of this session" in last[-1].text
        assert len(runtime.read[-1].images) == 1
        assert s.replay(reply.step).steps[0].verdict in ("same", "differs")


def test_words_alone_are_an_answer(session):
    """A family without tools just answers about the picture that came with the line."""
    star = session.generate("a blue star")
    reply = session.chat("what color is the star ?", star)
    assert (reply.text, reply.calls) == ("blue", ())


@pytest.mark.parametrize(
    ("line", "stopped"),
    [(RED, "failed"), ("", "empty"), ("  \n ", "empty"), ("no , i will not", "done"), ("edit ( ", "done")],
)
def test_nonsense_is_a_reply(line, stopped):
    """Refusals, fragments and silence end the turn, and the session goes on."""
    with sl.Session(runtime=Speaker(line), seed=1) as s:
        assert s.chat("go on").stopped == stopped
        assert len(s.log()) == 1


def test_endless_calls_end():
    """The same call twice ends a turn, and so do too many calls."""

    def call(n):
        return written("generate", prompt="a star", seed=str(n))

    with sl.Session(runtime=Speaker(call(1), family="blip3o"), seed=1) as s:
        reply = s.chat("draw")
        assert (reply.stopped, len(reply.calls)) == ("repeated", 1)
    with sl.Session(runtime=Speaker(*map(call, range(99)), family="blip3o"), seed=1) as s:
        reply = s.chat("draw", max_calls=3)
        assert (reply.stopped, len(reply.images)) == ("calls", 3)


def test_a_budget_ends_a_turn_and_keeps_what_was_done():
    """Steps of the dialogue count as those of the tools do."""
    with sl.Session(runtime=Speaker(DRAW), seed=1) as s:
        reply = s.chat("draw a star", budget=sl.Budget(images=0))
        assert (reply.stopped, tools(s)) == ("budget", ["chat"])
        with pytest.raises(sl.BudgetError):
            s.chat("draw a star", budget=sl.Budget(steps=0))
        assert s.chat("draw a star", budget=sl.Budget(steps=2)).stopped == "done"


def test_tools_are_chosen_and_approved():
    """Only what is offered can be called, and only with leave."""
    with sl.Session(runtime=Speaker(DRAW), seed=1) as s:
        assert s.chat("draw", tools=["understand"]).text == DRAW
        assert s.chat("draw", approve=lambda _: "not now").text.startswith(
            "the user declined generate: not now"
        )
        for wrong in ({"tools": ["paint"]}, {"max_calls": -1}):
            with pytest.raises(InputError):
                s.chat("draw", **wrong)
        with pytest.raises(InputError):
            s.chat("  ")
        with pytest.raises(InputError):
            s.stream.chat("draw", colour="red")


def test_a_stream_tells_calls_progress_previews_and_words():
    """In that order, and the reply last."""

    async def main():
        async with sl.AsyncSession(runtime=Speaker(DRAW, ASK), seed=1) as s:
            drawn = [event async for event in s.stream.chat("draw a green star", preview_every=1)]
            asked = [event async for event in s.stream.chat("which color ?")]
            return drawn, asked, await s.chat("which color ?")

    drawn, asked, again = asyncio.run(main())
    kinds = [kind for kind, _ in itertools.groupby(type(event).__name__ for event in drawn)]
    assert kinds[0] == "Calling"
    assert {"Progress", "Preview"} < set(kinds)
    assert kinds[-2:] == ["TextDelta", "Done"]
    assert "".join(event.text for event in asked if isinstance(event, TextDelta)) == "green"
    assert isinstance(asked[0], Calling)
    assert again.text == "green"


def test_leaving_a_stream_stops_the_turn():
    """What was said stays, what was not done is not there."""
    with sl.Session(runtime=Speaker(DRAW, delay=0.3), seed=1) as s:
        events = s.stream.chat("draw a green star")
        for event in events:
            if isinstance(event, Calling):
                break
        events.close()
        assert tools(s) in ([], ["chat"])


WORDS = st.one_of(
    st.sampled_from(
        [DRAW, ASK, RED, BACK, "show ( picture nine )", "edit ( picture one , x )", "understand ( )", ""]
    ),
    st.text(max_size=20),
    st.sampled_from(["generate", "edit", "crop", "undo", "nothing"]).map(
        lambda name: written(name, image="last", prompt="a star")
    ),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WORDS, min_size=1, max_size=6), st.sampled_from(["embedded", "blip3o"]), st.integers(1, 5))
def test_whatever_the_model_says_a_turn_ends(lines, family, steps):
    """With a reply, within its budget, on the branch; and the next turn can be said."""
    with sl.Session(runtime=Speaker(*lines, family=family), seed=1) as s:
        for _ in range(2):
            before = len(s.log())
            reply = s.chat("go on", budget=sl.Budget(steps=steps), max_calls=3)
            assert 1 <= len(s.log()) - before <= steps
            assert len(reply.calls) <= 3
            assert reply.step.id == s.head[1]
            assert reply.text or reply.stopped == "empty"


def test_a_dialogue_on_the_shipped_model(embedded):
    """What is drawn is asked about, changed, and looked at again; the model's calls are valid by force."""
    with sl.Session(runtime=embedded, seed=11) as s:
        assert s.chat("draw a green star and a red ring").alias == "img1"
        assert s.chat("what color is the star ?").text == "green"
        changed = s.chat("make the background black")
        assert (changed.alias, [call.name for call in changed.calls]) == ("img2", ["edit"])
        assert s.chat("what color is the background ?").text == "black"
        assert (s.chat("undo that").alias, s.chat("what color is the ring ?").text) == ("img1", "red")
        assert all(step.tool != "chat" or step.outputs["calls"] for step in s.log())
        assert s.replay("HEAD~1").ok
