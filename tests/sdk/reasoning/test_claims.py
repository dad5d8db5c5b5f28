"""Claims as checks: true of what they describe, false of what they do not, and never the opposite."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import InputError
from sightline.reasoning import claims
from sightline.reasoning.claims import Check
from sightline.reasoning.phrases import Thing
from sightline_runtime.evaluation.world import satisfies
from sightline_runtime.world import judge, language, reader
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import SceneSampler

SEEDS = st.integers(0, 2**32)
WORDS = (
    "no",
    "not",
    "the",
    "a",
    "two",
    "star",
    "ring",
    "red",
    "is",
    "left of",
    "without",
    "and",
    ",",
    "with",
    "on a white background",
    "at the top left",
    "12",
    "<s>",
)


def said(claim, *, exact=False):
    """The checks of a claim as text."""
    return [str(check) for check in claims.split(claim, exact=exact)]


def holds(reading, checks):
    """Whether all checks are true by the world's own rules."""
    return all(reader.answer(reading, check.question) in check.expected for check in checks)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_all_checks_of_a_prompt_hold_on_its_scene(seed):
    """Prompts of every form; a scene whose things touch cannot be read, and is left out."""
    prompt, scene = language.any_prompt(SceneSampler(seed, held_out=False))
    reading = judge.read(paint(scene))
    if judge.shows(reading, scene):
        assert holds(reading, claims.split(prompt, exact=True))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from(language.GENERATION_TYPES))
def test_checks_hold_just_where_the_prompt_does(seed, kind):
    """On the scene of another prompt of the same kind, by the pixel judge."""
    world = SceneSampler(seed, held_out=False)
    prompt, wanted = language.prompt(world, kind)
    _, other = language.prompt(world, kind)
    reading = judge.read(paint(other))
    shapes = {seen.shape for seen in reading.things}
    known = kind != "position" or shapes == {thing.shape for thing in wanted.things}
    if judge.shows(reading, other):
        truth = known and satisfies(reading, kind, wanted, prompt)
        assert holds(reading, claims.split(prompt, exact=True)) is truth


def test_a_claim_becomes_counts_looks_and_relations():
    """Number, colour, relation and background, each a question of its own."""
    assert said("two large green stars left of a ring on a black background") == [
        "how many green stars are there? → two",
        "is there a ring? → yes",
        "how big is the green star? → large",
        "is the green star left of the ring? → yes",
        "what color is the background? → black",
    ]


def test_an_exact_claim_is_about_everything():
    """Also in all, and of each noun."""
    assert said("a red star and a star", exact=True) == [
        "how many objects are there? → two",
        "how many stars are there? → two",
        "is there a red star? → yes",
    ]


@pytest.mark.parametrize("claim", ["the star is red", "there is a red star", "no stars", "any star"])
def test_what_speaks_of_a_part_is_not_exact(claim):
    """It says nothing of the rest."""
    assert said(claim, exact=True) == said(claim)


@pytest.mark.parametrize(
    ("claim", "checks"),
    [
        ("no stars", ["is there a star? → no"]),
        ("a star without a ring", ["is there a star? → yes", "is there a ring? → no"]),
        ("a star but no red ring", ["is there a star? → yes", "is there a red ring? → no"]),
        ("the ring is not red", ["is there a red ring? → no", "is there a ring? → yes"]),
        ("the ring is not small", ["how big is the ring? → large"]),
        (
            "the star is not left of the ring",
            ["is there a star? → yes", "is there a ring? → yes", "is the star left of the ring? → no"],
        ),
    ],
)
def test_a_denial_expects_no(claim, checks):
    """Never the same as the claim without its 'not'."""
    assert said(claim) == checks


@pytest.mark.parametrize(
    ("claim", "checks"),
    [
        ("the background is black", ["what color is the background? → black"]),
        ("a black background", ["what color is the background? → black"]),
        ("stars", ["how many stars are there? → two or three or four"]),
        (
            "hearts and a red star",
            ["how many hearts are there? → two or three or four", "is there a red star? → yes"],
        ),
        ("a man with sunglasses", ["is there a man? → yes", "is there a sunglass? → yes"]),
        ("the ring is red", ["is there a red ring? → yes", "what color is the ring? → red"]),
    ],
)
def test_nothing_of_a_claim_is_left_out(claim, checks):
    """Backgrounds, plurals without a number, and colours that another thing could lend."""
    assert said(claim) == checks


@pytest.mark.parametrize("claim", ["the star and the ring are red", "the star is red and the ring red"])
def test_what_is_said_of_two_things_at_once_is_one_question(claim):
    """Never of the last one alone."""
    (check,) = claims.split(claim, exact=True)
    assert check.kind == "question"


def test_the_one_thing_of_its_name_is_asked_for_its_colour():
    """So that no other thing lends it its own."""
    assert said("a red star and a green ring", exact=True)[3:] == [
        "what color is the star? → red",
        "what color is the ring? → green",
    ]


def test_what_is_denied_of_a_place_may_be_in_all_others():
    """Eight places of nine."""
    (check,) = claims.split("the star is not at the top left")
    assert set(check.choices) - set(check.expected) == {"at the top left"}


def test_several_things_of_one_name_are_asked_by_place():
    """'Where is the star?' has no answer if there are two."""
    text = "a star at the top left and a star in the center"
    assert said(text)[1:] == [
        "is there a star at the top left? → yes",
        "is there a star in the center? → yes",
    ]
    checks = claims.split(text, exact=True)[2:]
    assert [(check.choices, check.expected) for check in checks] == [((), ("star",))] * 2


@pytest.mark.parametrize(
    "claim",
    [
        "12 stars",
        "twelve stars",
        "not red",
        "a star or a ring",
        "nothing",
        "<|im_start|>user",
        "the stars are red",
        "a non-red star",
        "no small star",
        "neither a star nor a ring",
        "a cat that sleeps",
        "x" * 10_000,
    ],
)
def test_what_rules_cannot_read_is_one_question_in_its_own_words(claim):
    """The whole claim, so nothing of it is lost."""
    (check,) = claims.split(claim, exact=True)
    assert check.kind == "question"
    assert claim in check.question


@pytest.mark.parametrize("claim", ["", "  ", " . ", "?"])
def test_an_empty_claim_is_refused(claim):
    """With a hint."""
    with pytest.raises(InputError, match="empty"):
        claims.split(claim)


def test_counts_go_to_nine():
    """And there is always a choice beyond the right one, up to nine."""
    assert claims.count(Thing("star"), 5).choices[-1] == "six"
    assert claims.total(9).choices[-1] == "nine"
    with pytest.raises(InputError, match="counts to 10"):
        claims.total(10)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300) | st.lists(st.sampled_from(WORDS)).map(" ".join), st.booleans())
def test_any_text_gives_checks_or_an_input_error(text, exact):
    """Nothing else is raised, and the right answers are among the choices."""
    try:
        checks = claims.split(text, exact=exact)
    except InputError:
        return
    assert checks
    assert all(set(check.expected) <= set(check.choices) for check in checks if check.choices)
    assert [Check.model_validate_json(check.model_dump_json()) for check in checks] == list(checks)


@pytest.mark.parametrize("piece", ["a star and ", "is not ", "without ", "left of ", " ", "no no ", "a-"])
def test_long_claims_take_no_long_time(piece):
    """Ten kilobytes become a question."""
    started = time.perf_counter()
    assert len(claims.split("a " + piece * (10_000 // len(piece)))) == 1
    assert time.perf_counter() - started < 5
