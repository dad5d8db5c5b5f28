"""Strategies: what each does, that they compose, and that all of them end within their budgets."""

from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.sdk.reasoning.doubles import Speaker, Whim

import sightline as sl
from sightline.errors import InputError
from sightline.reasoning.strategies.data import strategy_data, strategy_of

GOAL = "a red star left of a blue ring"
CHOICES = ("yes", "no")

STRATEGIES = {
    "direct": sl.Direct(),
    "checked": sl.Direct(check=True),
    "refine": sl.Refine(2),
    "best of": sl.BestOf(3),
    "all of": sl.BestOf(2, early=False),
    "screened": sl.BestOf(3, screen="draft"),
    "beam": sl.Beam(),
    "plan": sl.PlanExecute(),
    "written plan": sl.PlanExecute(sl.Written(), sl.Refine(1)),
    "react": sl.ReAct(),
    "consistency": sl.SelfConsistency(3, sl.PlanExecute()),
    "refine best of": sl.Refine(1, strategy=sl.BestOf(2)),
    "best of refine": sl.BestOf(2, sl.Refine(1)),
    "consistent beam": sl.SelfConsistency(2, sl.Beam(1, 2)),
}


def test_best_of_keeps_the_best_and_stops_when_it_is_sure(session):
    """Tries have seeds of their own; what is sure ends them, unless all are wanted."""
    early = session.solve("a red star", strategy=sl.BestOf(4, enough=0.0))
    every = session.solve("a red star", strategy=sl.BestOf(4, early=False))
    assert [step.tool for step in session.log(branch=early.branch)].count("generate") == 1
    drawn = [step for step in session.log(branch=every.branch) if step.tool == "generate"]
    assert len({step.seeds for step in drawn}) == 4


def test_a_screened_best_is_drawn_in_full(session):
    """Drafts are judged, and only the best is decoded at full quality."""
    found = session.solve("a red star", strategy=sl.BestOf(3, screen="draft"))
    drafts, full = [step for step in reversed(session.log(branch=found.branch)) if step.tool == "generate"]
    assert (drafts.args["draft"], len(drafts.seeds), len(full.seeds)) == (True, 3, 1)
    assert full.seeds[0] in drafts.seeds
    assert found.image.ref.pixels == full.images()[0]


def test_an_unfinished_screening_gives_a_draft(session):
    """Where the full picture does not fit, the best draft is what there is."""
    found = session.solve("a red star", strategy=sl.BestOf(3, screen="draft"), budget=sl.Budget(images=3))
    assert found.stopped == "budget"
    assert found.image is not None
    unjudged = session.solve("a ring", strategy=sl.BestOf(3, screen="draft"), budget=sl.Budget(steps=1))
    assert unjudged.image is not None


def test_refine_mends_what_failed_by_an_edit(session):
    """The failed check becomes the instruction; the better picture is kept."""
    wrong = sl.ScriptedRuntime()
    wrong.generate_text = sl.FakeRuntime().generate_text
    from sightline_runtime.testing import Drawn

    blue, red = _painted("blue"), _painted("red")
    wrong._script = [Drawn(blue), Drawn(red, to="make the star red")]
    with sl.Session(runtime=wrong) as own:
        found = own.solve("a red star", strategy=sl.Refine(2, stop=0.5))
        assert [thought.text for thought in found.thoughts][1].startswith("mend “what color is the star?”")
        assert found.image.numpy().tolist() == red.tolist()
    wrong.finish()


def _painted(color):
    from sightline_runtime.world.render import paint
    from sightline_runtime.world.scenes import Scene, Thing

    return paint(Scene("white", (Thing("star", color, "large", 4),)))


def test_refine_that_is_never_sure_says_so(session):
    """It ends by its rounds."""
    found = session.solve("a red star", strategy=sl.Refine(2, stop=1.1))
    assert found.stopped == "rounds"
    assert "2 more tries" in found.why
    assert found.image is not None


def test_a_beam_follows_the_instructions_and_merges_equal_pictures(session):
    """Both parts are done; what is the same picture is judged once."""
    found = session.solve("a red star; make the star blue; make the star small", strategy=sl.Beam(2, 3))
    edits = [step for step in session.log(branch=found.branch) if step.tool == "edit"]
    asked = {
        step.args["image"]["$image"] for step in session.log(branch=found.branch) if step.tool == "understand"
    }
    made = {picture for step in edits for picture in step.images()}
    assert session.understand(found.image, "what color is the star ?").text == "blue"
    assert len(edits) > len(made)
    assert made <= asked


def test_an_unfinished_beam_gives_what_is_done(session):
    """The first part is there, though the second did not fit."""
    found = session.solve(
        "a red star; make the star blue", strategy=sl.Beam(1, 1), budget=sl.Budget(images=1)
    )
    assert found.stopped == "budget"
    assert session.understand(found.image, "what color is the star ?").text == "red"


def test_self_consistency_counts_answers():
    """The answer with the most confidence in sum wins, with its share."""
    answers = [("two", 0.5), ("three", 0.4), ("three", 0.4)]
    with sl.Session(runtime=Whim(answers, [1])) as session:
        picture = session.generate("a star")
        chains = sl.SelfConsistency(3, _Varied())
        found = session.solve("how many stars ?", [picture], strategy=chains)
    assert found.answer == "three"
    assert found.confidence == pytest.approx(0.8 / 1.3)


class _Varied:
    """Asks anew each time, past the memo."""

    def pursue(self, goal, desk):
        from sightline.reasoning.desk import Candidate

        said = desk.ask(goal.source, f"{goal.text} {desk.path}")
        return desk.offer(Candidate(answer=said.text, score=said.confidence))


def test_an_unfinished_vote_gives_what_was_voted(session):
    """The first chain's answer is there when the second does not fit, and so is unfinished work."""
    picture = session.generate("two red stars and a blue ring")
    asked = "how many objects would there be if the ring were removed ?"
    chains = sl.SelfConsistency(3, sl.PlanExecute())
    found = session.solve(asked, [picture], strategy=chains, budget=sl.Budget(steps=3))
    assert (found.answer, found.stopped) == ("two", "budget")


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_is_data(name):
    """What it tells of itself makes it again."""
    strategy = STRATEGIES[name]
    assert strategy_of(strategy_data(strategy)) == strategy


def test_what_is_no_data_is_named():
    """A client elsewhere and a stranger's strategy are told, but data alone does not make them."""
    client = SimpleNamespace(model="some-model", chat=None)
    told = strategy_data(sl.ReAct(sl.Elsewhere(client)))
    assert told["brain"]["speaker"]["model"] == "some-model"
    with pytest.raises(InputError, match=r"brain\.speaker"):
        strategy_of(told)
    assert strategy_data(_Varied())["is"].endswith("_Varied")


@pytest.mark.parametrize(
    "make",
    [lambda: sl.BestOf(0), lambda: sl.BestOf(screen="x"), lambda: sl.Refine(-1), lambda: sl.Beam(0),
     lambda: sl.SelfConsistency(65), lambda: sl.ReAct(max_turns=0), lambda: sl.Written(repairs=99)],
)  # fmt: skip
def test_limits_are_checked(make):
    """Values that mean nothing are refused at once."""
    with pytest.raises(InputError):
        make()


# --- whatever the model does ---------------------------------------------------------------------

_WORDS = st.sampled_from(
    ["", " ", "yes", "no", "three", "red", "star", "edit ( x )", "I cannot do that.", "9" * 300]
)
_SAID = st.tuples(st.one_of(_WORDS, st.text(max_size=12)), st.floats(0, 1))
_DRAWN = st.one_of(st.none(), st.integers(0, 5))
_LIMIT = st.one_of(st.none(), st.integers(0, 14))
_CALLS = st.lists(
    st.tuples(
        st.sampled_from(["edit", "understand", "generate", "nonsense"]),
        st.dictionaries(
            st.sampled_from(["image", "instruction", "question", "prompt", "n"]),
            st.one_of(st.sampled_from(["img1", "last", "/etc/passwd", "a star", ""]), st.integers(-1, 2)),
            max_size=3,
        ),
    ),
    max_size=3,
)
_PLAN = st.fixed_dictionaries({"steps": st.just([]), "answer": st.text(max_size=5)})


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from([*sorted(STRATEGIES), "react elsewhere", "plan elsewhere"]),
    said=st.lists(_SAID, min_size=1, max_size=6),
    drawn=st.lists(_DRAWN, min_size=1, max_size=4),
    goal=st.sampled_from(
        [GOAL, "how many stars ?", "if the stars were removed , are there more red than blue objects ?"]
    ),
    script=st.lists(st.one_of(_CALLS, st.text(max_size=20), _PLAN), min_size=1, max_size=5),
    steps=_LIMIT,
    images=_LIMIT,
)
def test_every_strategy_ends_within_its_budget(name, said, drawn, goal, script, steps, images):
    """Whatever a model says and draws: the run ends, spends what it may at most, and its steps are kept."""
    speaker = sl.Elsewhere(Speaker(*script))
    strategy = (
        STRATEGIES
        | {
            "react elsewhere": sl.ReAct(speaker, max_turns=6),
            "plan elsewhere": sl.PlanExecute(sl.Written(speaker)),
        }
    )[name]
    with sl.Session(runtime=Whim(said, drawn), seed=1) as session:
        given_pictures = [] if goal == GOAL and not said[0][1] > 0.5 else [_painted("red")]
        if goal != GOAL:
            given_pictures = [_painted("red")]
        found = session.solve(
            goal, given_pictures, strategy=strategy, choices=() if goal == GOAL else CHOICES[: len(said) % 3],
            budget=sl.Budget(steps=steps, images=images),
        )  # fmt: skip
        assert steps is None or found.spent.steps <= steps
        assert images is None or found.spent.images <= images
        assert len(found.steps) <= found.spent.steps
        stepped = session.log(branch=found.branch)
        assert [step.id for step in stepped] == list(reversed(found.steps))
        made = sum(len(step.images()) for step in stepped if step.tool != "add" and not step.found_again)
        assert made <= found.spent.images
        assert found.stopped in ("done", "budget", "rounds", "refused")
        assert 0 <= found.confidence <= 1
        assert str(found)
        assert session.generate("a ring").image is not None


def test_candidates_are_screened_on_their_features(session):
    """Of four drawings one is painted; a model that cannot look at features gets drafts."""
    found = session.solve("a red star", strategy=sl.BestOf(4, screen="features"))
    assert found.verdict.passed
    assert session.runtime.calls.count("decode_features") == 1
    assert session.show(found.steps[0]).step.tool == "draw_best"
