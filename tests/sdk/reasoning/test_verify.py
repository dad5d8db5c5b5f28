"""Verdicts: right on what the rules read, unknown where words are lost, never surer for a second judge."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import InputError
from sightline.reasoning import verify as verifying
from sightline.reasoning.calibration import Calibration
from sightline.reasoning.claims import Check
from sightline.session import Session
from sightline_runtime.protocol import Job
from sightline_runtime.testing import FakeRuntime
from sightline_runtime.world import language
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import Scene, SceneSampler, Thing

STAR, RING = Thing("star", "red", "large", 0), Thing("ring", "blue", "small", 8)
PICTURE = paint(Scene("white", (STAR, RING)))


class Second:
    """A second judge that says what it is told to."""

    name = "second"

    def __init__(self, says):
        self.says, self.heard = says, []

    def probability(self, pixels, claim):
        """Say it, or raise it."""
        assert pixels.shape == (64, 64, 3)
        self.heard.append(claim)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class Deaf(FakeRuntime):
    """Ignores words that are not of its world, and says so, as the shipped model does."""

    def generate_text(self, request):
        """Answer, with a warning for each word that is ignored."""
        said = super().generate_text(request).result()
        words = request.messages[-1].text.replace("?", " ").lower().split()
        lost = tuple(f"ignores {word}" for word in words if word not in set(language.vocabulary()))
        job = Job()
        job.finish(replace(said, warnings=lost))
        return job


@pytest.fixture
def deaf():
    """A session on a model that ignores words."""
    with Session(runtime=Deaf(), seed=2) as session:
        yield session


@pytest.mark.parametrize(
    ("claim", "passed"),
    [
        ("a red star and a blue ring", True),
        ("a red star left of a blue ring on a white background", True),
        ("a large star and a small ring", True),
        ("a red star and a red ring", False),
        ("a red star", False),  # a prompt is about everything that is there
        ("the star is red", True),
        ("two stars", False),
        ("no hearts", True),
        ("no stars", False),
        ("the ring is not red", True),
        ("the star is not red", False),
        ("there is a star without a ring", False),
        ("there is a star but no heart", True),
        ("the star is not left of the ring", False),
        ("the star is at the top left", True),
    ],
)
def test_a_claim_is_right_or_wrong(session, claim, passed):
    """Denials too."""
    assert session.verify(PICTURE, claim).passed is passed


@pytest.mark.parametrize(
    "claim", ["there is a red zebra", "a red zebra and a blue ring", "<|im_start|> a star"]
)
def test_words_that_the_model_ignores_never_pass(deaf, claim):
    """What is asked without them is another question."""
    verdict = deaf.verify(PICTURE, claim)
    assert verdict.passed is not True
    assert verdict.probability <= 0.5
    assert any("ignores" in warning for warning in verdict.warnings)


def test_what_else_a_claim_says_can_still_fail(deaf):
    """A zebra aside, there is no heart."""
    assert deaf.verify(PICTURE, "there is a zebra and a heart").passed is False
    assert deaf.verify(PICTURE, "there is a zebra and a star").passed is None


@pytest.mark.parametrize("claim", ["nothing but stars", "a cat that is not there", "the stars aren't red"])
def test_a_denial_that_rules_cannot_read_is_unknown(session, claim):
    """A model may well overhear it."""
    verdict = session.verify(PICTURE, claim)
    assert verdict.passed is None
    assert "denies" in str(verdict)


def test_your_own_checks_are_asked_as_they_are(session):
    """With choices, or open."""
    checks = [
        Check(question="what color is the star?", choices=("red", "blue"), expected=("red",)),
        Check(question="what shape is the blue object?", choices=(), expected=("ring",)),
        Check(question="what shape is the red object?", choices=(), expected=("ring",)),
    ]
    verdict = session.verify(PICTURE, checks)
    assert [round(each.p_yes, 2) for each in verdict.checks] == [0.9, 0.9, 0.1]
    assert [each.check for each in verdict.failed] == checks[2:]
    assert len(verdict.steps) == 3


@pytest.mark.parametrize("claim", ["", " . ", ()])
def test_nothing_to_check_is_refused(session, claim):
    """Before anything is asked."""
    with pytest.raises(InputError):
        session.verify(PICTURE, claim)


@pytest.mark.parametrize("claim", [3, None, ["a star"], [3]])
def test_what_is_no_claim_is_refused(session, claim):
    """Neither a text nor a list of checks."""
    with pytest.raises(InputError, match="is no claim"):
        session.verify(PICTURE, claim)


def test_nothing_passes_of_which_a_part_is_doubted(session):
    """However generous the curve is."""
    picture = session.add(np.ascontiguousarray(PICTURE)).image
    generous = Calibration(slope=0.1, shift=6.0, n=9)

    def ask(image, question, choices):
        return session.understand(image, question, choices=tuple(choices))

    verdict = verifying.verify(ask, session.runtime.info, picture, "there is a heart", calibration=generous)
    assert verdict.probability > 0.9
    assert verdict.passed is None


def test_a_longer_claim_than_the_model_reads_is_refused_in_its_words(session):
    """Ten kilobytes are one question, which is too long."""
    with pytest.raises(InputError, match="longer"):
        session.verify(PICTURE, "a star and a ring , " * 500)


# --- edits ---------------------------------------------------------------------------------------


def world_edits(seed, n):
    """Some edits of every kind."""
    world = SceneSampler(seed, held_out=False)
    return [language.edit(world, kind) for kind in language.EDIT_KINDS for _ in range(n)]


def test_an_edit_that_was_done_passes_and_one_that_was_not_fails(session):
    """Every kind; of sixteen at most one is missed, where things touch and cannot be read."""
    missed = 0
    for change in world_edits(12, 2):
        before, after = paint(change.source), paint(change.target)
        missed += session.verify(after, change.instruction, before=before).passed is not True
        missed += session.verify(before, change.instruction, before=before).passed is not False
    assert missed <= 1


@pytest.mark.parametrize(
    "after",
    [
        Scene("black", (Thing("star", "green", "large", 0), RING)),
        Scene("white", (Thing("star", "green", "large", 0),)),
        Scene("white", (Thing("star", "green", "large", 0), Thing("ring", "pink", "small", 8))),
        Scene("white", (Thing("star", "green", "large", 0), Thing("ring", "blue", "small", 6))),
        Scene("white", (Thing("star", "green", "large", 0), RING, Thing("heart", "red", "small", 4))),
    ],
)
def test_what_was_not_asked_must_stay(session, after):
    """Background, number, looks and places of the rest."""
    verdict = session.verify(paint(after), "make the red star green", before=PICTURE)
    assert verdict.passed is False
    assert verdict.kept < 0.3
    assert "all else is as before" in str(verdict)


# --- the second judge ----------------------------------------------------------------------------


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_second_judge_never_makes_surer_nor_turns_a_verdict(own, second):
    """Nearer to one half, or the same."""
    agreed = verifying._agreed(own, second)
    assert abs(agreed - 0.5) <= abs(own - 0.5) + 1e-12
    assert (agreed - 0.5) * (own - 0.5) >= 0


def test_a_judge_that_disagrees_makes_unknown(session):
    """And one that agrees changes nothing."""
    alone = session.verify(PICTURE, "the star is red")
    agreed = session.verify(PICTURE, "the star is red", judge=Second(0.99))
    split = session.verify(PICTURE, "the star is red", judge=Second(0.01))
    assert (agreed.probability, agreed.passed) == (alone.probability, True)
    assert split.passed is None
    assert split.judge == "fake and second"
    assert split.second == 0.01


@pytest.mark.parametrize(
    "says", [RuntimeError("/secret/path"), InputError("no such claim"), float("nan"), 7.0]
)
def test_a_judge_that_fails_becomes_a_warning(session, says):
    """The verdict stands without it, and what is private is not told."""
    verdict = session.verify(PICTURE, "the star is red", judge=Second(says))
    assert verdict.passed is True
    assert verdict.second is None
    assert any("second judge" in warning for warning in verdict.warnings)
    assert "secret" not in str(verdict)


def test_a_judge_hears_what_an_edited_picture_shows(session):
    """Not the instruction; and nothing where that is not known."""
    judge = Second(0.9)
    after = paint(Scene("white", (Thing("star", "green", "large", 0), RING)))
    session.verify(after, "make the red star green", before=PICTURE, judge=judge)
    verdict = session.verify(after, "remove the heart", before=after, judge=judge)
    assert judge.heard == ["a green star"]
    assert any("not heard" in warning for warning in verdict.warnings)


def test_a_model_that_judges_its_own_picture_is_named(session):
    """Judge and maker are the same; a picture that was brought in is nobody's."""
    drawn = session.verify(session.generate("a red star"), "a red star")
    assert drawn.own
    assert "the maker itself" in str(drawn)
    assert not session.verify(PICTURE, "the star is red").own


def test_a_verdict_says_whether_it_is_calibrated(session):
    """The rule-based runtime is not."""
    verdict = session.verify(PICTURE, "the star is red")
    assert not verdict.calibrated
    assert str(verdict).splitlines()[0] == f"passed p={verdict.probability:.2f}  'the star is red' (fake)"
    assert "not calibrated" in str(verdict)


def test_a_calibration_is_applied_to_the_product(session):
    """The curve turns the score into the probability."""
    picture = session.add(np.ascontiguousarray(PICTURE)).image
    known = Calibration(slope=2.0, shift=0.5, n=9)

    def ask(image, question, choices):
        return session.understand(image, question, choices=tuple(choices))

    verdict = verifying.verify(ask, session.runtime.info, picture, "the star is red", calibration=known)
    assert verdict.probability == pytest.approx(known.probability(verdict.score))
    assert verdict.calibrated
