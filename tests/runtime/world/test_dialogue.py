"""Dialogues are true to their scenes, and what their calls mean can be told from what was said."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_runtime.models.words import Words, build
from sightline_runtime.world import dialogue, elsewhere, language, outright, remarks
from sightline_runtime.world.acts import Ask, Change, Draw, Part
from sightline_runtime.world.conversation import Talk
from sightline_runtime.world.naming import Name, some_name
from sightline_runtime.world.scenes import Scene, SceneSampler, Thing

SEEDS = st.integers(0, 2**31)
WORDS = Words(build(language.vocabulary()))
CALL = re.compile(
    r"generate \( [^()]+ \)|(edit|understand) \( (picture \w+ , )?[^()]+ \)|undo \( \)|show \( picture \w+ \)"
)
STARS = Scene("white", (Thing("star", "green", "large", 0), Thing("star", "green", "large", 4)))


def said(seed, turns=6, *, held_out=True):
    """A dialogue of a seed."""
    return dialogue.dialogue(SceneSampler(seed, held_out=held_out), turns)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.booleans())
def test_dialogues_are_made_of_known_words_and_calls(seed, held_out):
    """Every line, call and result is read word by word; every call has the form of its tool."""
    for turn in said(seed, held_out=held_out):
        for text in (turn.given, turn.line, turn.call, turn.result):
            assert WORDS.decode(WORDS.ids(text)) == text
        assert CALL.fullmatch(turn.call), turn.call
        assert not {"it", "them", "ones", "too", "again"} & set(turn.call.split())


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_pictures_are_numbered_as_they_come(seed):
    """A new picture has the next number; calls name numbers that were given."""
    count = 0
    for turn in said(seed, 8):
        if turn.given:
            count += 1
            assert turn.given == f"picture {language.NUMBERS[count]}"
        for number in re.findall(r"picture (\w+)", turn.call):
            assert 1 <= language.NUMBERS.index(number) <= count
        if turn.call.startswith(("generate", "edit")):
            count += 1
            assert turn.picture == count
        assert (turn.picture is None) == turn.call.startswith("understand")


def test_the_same_seed_says_the_same():
    """A dialogue follows from its seed; the script of it says everything in order."""
    assert said(3) == said(3) != said(4)
    turns = said(3)
    roles = [role for role, _ in dialogue.script(turns)]
    assert roles.count("user") == roles.count("assistant") == len(turns)


def talk(*acts):
    """A dialogue of acts said in full, about STARS."""
    world, found = SceneSampler(1, held_out=False), Talk()
    found.look(STARS)
    for act in acts:
        if isinstance(act, Ask):
            found.ask("in full", act.text, act)
        else:
            found.change("in full", act.text, act, act.apply(world, found.now.scene))
    return found


COUNT = Ask("count", Name("star", many=True))
ONE_RED = Change("color", Name("star"), "red", "one")


def calls(remark, acts, pick=lambda line: True):
    """The calls of one remark after a dialogue, by their lines, over many seeds."""
    found = {}
    for seed in range(300):
        state = talk(*acts)
        if remark(SceneSampler(seed, held_out=False), state) and pick(state.turns[-1].line):
            found[state.turns[-1].line] = state.turns[-1].call
    return found


@pytest.mark.parametrize(
    ("remark", "acts", "line", "call"),
    [
        (remarks.change_it, [COUNT], "make one red", "edit ( make one star red )"),
        (remarks.change_it, [COUNT], "make them blue", "edit ( make the stars blue )"),
        (remarks.ask_again, [COUNT, ONE_RED], "and now ?", "understand ( how many stars are there ? )"),
        (
            remarks.change_it,
            [
                Ask("count", Name("star", "green", many=True)),
                Change("color", Name("star", "green"), "red", "one"),
            ],
            "make the other one red",
            "edit ( make the green star red )",
        ),
        (remarks.ask_it, [ONE_RED], "where is it ?", "understand ( where is the red star ? )"),
        (remarks.ask_ones, [COUNT], "how many red ones ?", "understand ( how many red stars are there ? )"),
        (remarks.ask_other, [COUNT], "and rings ?", "understand ( how many rings are there ? )"),
        (remarks.add_more, [Ask("exists", Name("ring", "red"))], "add one", "edit ( add a red ring )"),
        (elsewhere.show, [ONE_RED], "the first one again", "show ( picture one )"),
        (
            elsewhere.ask_elsewhere,
            [ONE_RED, COUNT],
            "and in the first picture ?",
            "understand ( picture one , how many stars are there ? )",
        ),
    ],
)
def test_what_a_remark_means_follows_from_what_was_said(remark, acts, line, call):
    """Pronouns, ellipses and pictures stand for what the dialogue spoke of last."""
    assert calls(remark, acts)[line] == call


def test_a_step_back_brings_back_what_it_stood_for():
    """After an undo 'it' is what it was before the edit."""
    state = talk(Change("color", Name("star", None, None, 0), "red"))
    assert state.now.focus == Name("star", None, None, 0)
    state.change("in full", "", Change("add", Name("ring", "blue")), STARS)
    assert state.now.focus == Name("ring", "blue")
    state.undo("undo that")
    assert state.now.focus == Name("star", None, None, 0)
    assert state.turns[-1].result == "picture two"


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_an_edit_changes_what_it_names_and_nothing_else(seed):
    """One, all, or the one thing of a name are changed; all outcomes are of that form."""
    world = SceneSampler(seed)
    scene = outright.twins(world)
    act = outright.some_change(world, scene)
    after = act.apply(world, scene)
    if after is not None and act.name is not None and act.kind != "add":
        touched = set(scene.things) - set(after.things)
        assert touched <= set(act.name.one().among(scene))
        assert len(touched) == (len(act.name.among(scene)) if act.each == "all" else 1)
        assert world.allows(after)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_questions_have_true_answers(seed):
    """A count is that of the things; a name is of one thing."""
    world = SceneSampler(seed, held_out=False)
    scene = world.scene()
    name = some_name(world, scene)
    assert name.single(scene)
    act = outright.some_question(world, scene)
    assert act.answer(scene)
    if act.kind == "count":
        assert language.NUMBERS.index(act.answer(scene)) == len(act.name.among(scene))


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_prompts_describe_their_scenes(seed):
    """As many things of each name as the prompt says stand in the scene."""
    world = SceneSampler(seed)
    act = outright.some_prompt(world)
    scene = act.scene(world)
    if scene is not None:
        assert len(scene.things) == sum(part.count for part in act.parts)
        for part in act.parts:
            assert len(part.name.one().among(scene)) >= part.count


def test_prompts_are_said_in_the_worlds_words():
    """Counts, relations and backgrounds are said as everywhere."""
    two, one = Part(2, Name("star", "green")), Part(1, Name("ring"))
    assert Draw((two, one), background="black").text == "two green stars and a ring on a black background"
    assert (
        Draw((one, Part(1, Name("heart", "red", "small"))), "left of").text
        == "a ring left of a small red heart"
    )


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (("color", "red"), "red star"),
        (("shape", "ring"), "green ring"),
        (("size", "small"), "green star"),
    ],
)
def test_a_name_follows_its_thing(change, name):
    """What was said of a thing is said anew, and no more."""
    assert Name("star", "green").after(*change).text == name
