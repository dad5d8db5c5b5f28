"""Candidates are looked at before they are painted."""

import pytest
from pydantic import ValidationError

from sightline_runtime.errors import InputError
from sightline_runtime.testing import FakeRuntime
from sightline_tools.screening import DrawBestArgs, ScreenCheck, draw_best

RED = ScreenCheck(question="is there a red star?")


def test_the_best_candidate_alone_is_painted(shelf):
    """Of candidates whose colour is left to chance the one that passes is painted, once."""
    shelf.seeds = tuple(range(24))
    made = draw_best.run(DrawBestArgs(prompt="a star", checks=(RED,), n=24), shelf)
    assert made.scores[made.best] == max(made.scores) > 0.5 > min(made.scores)
    assert len(made.images) == 1
    assert shelf.runtime.calls.count("decode_features") == 1
    assert shelf.runtime.calls.count("generate_text") == 24


def test_a_model_that_reads_no_features_says_so(shelf):
    """Without the capability nothing is drawn, and the error names the other way."""
    from dataclasses import replace

    class Blind(FakeRuntime):
        @property
        def info(self):
            return replace(super().info, capabilities=frozenset({"generate"}))

    shelf.runtime = Blind()
    with pytest.raises(InputError, match="looks at pictures"):
        draw_best.run(DrawBestArgs(prompt="a star", checks=(RED,)), shelf)
    assert shelf.runtime.calls == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": " ", "checks": (RED,)},
        {"prompt": "a star", "checks": ()},
        {"prompt": "a star", "checks": (RED,), "n": 0},
        {"prompt": "a star", "checks": (ScreenCheck(question="?", expected=("maybe",)),)},
    ],
)
def test_what_cannot_be_screened_is_refused(wrong):
    """An empty prompt, no question, no candidate, or an answer that is no choice."""
    with pytest.raises(ValidationError):
        DrawBestArgs(**wrong)


def test_the_embedded_model_screens(embedded):
    """The shipped model judges its own features as it judges the painted picture."""
    from tests.conftest import Shelf

    shelf = Shelf(embedded, seeds=(1, 2, 3))
    made = draw_best.run(
        DrawBestArgs(
            prompt="a star",
            checks=(
                ScreenCheck(question="how many stars are there?", choices=("one", "two"), expected=("one",)),
            ),
            n=3,
        ),
        shelf,
    )
    assert made.scores[made.best] > 0.5
