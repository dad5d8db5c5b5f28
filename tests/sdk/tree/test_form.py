"""The form of recorded steps: whatever a session writes has it; what would break a verb has not."""

from dataclasses import replace

import numpy as np
import pytest

import sightline as sl
from sightline.errors import InputError
from sightline.tree.form import _OURS, misfit
from sightline_tools import canvas, screening, sketch, vision


@pytest.fixture
def steps(session):
    """One finished step of each tool, by its name."""
    photo = session.add(np.zeros((8, 8, 4), np.uint8))
    star = session.generate("a star", n=2)
    blue = session.edit(star, "make the star blue", region=(0, 0, 0.5, 1))
    session.understand(blue, "what color is the star ?", choices=["red", "blue"])
    session.crop(blue, (0, 0, 0.5, 0.5))
    session.grid([photo, *star.images])
    session.compare(star.images[0], blue)
    session.annotate(blue, [{"box": (0, 0, 5, 5), "label": "here"}])
    return {step.tool: step for step in session.log()}


def test_what_a_session_writes_has_the_form(steps):
    """Every tool of the product."""
    assert {name: misfit(step) for name, step in steps.items()} == dict.fromkeys(steps)
    assert len(steps) == 8


def test_a_step_that_failed_has_it_too():
    """It has no outputs, and says why."""
    with sl.Session(runtime=sl.FaultyRuntime(sl.FakeRuntime(), {"generate_features": 1})) as s:
        with pytest.raises(sl.SightlineError):
            s.generate("a star")
        rows = s._executor.store.database.all_steps()
    failed = [sl.Step.from_row(row) for row in rows]
    assert [step.status for step in failed] == ["failed"]
    assert misfit(failed[0]) is None
    assert misfit(replace(failed[0], error={"code": 5}))


PICTURE = {"$image": "0" * 64}
FORGED = {
    "a result without plans": ("generate", {"outputs": {"images": [PICTURE], "warnings": []}}),
    "a number that is none": ("crop", {"args": {"box": {"$float": "wide"}, "image": PICTURE}}),
    "a cost that is none": ("crop", {"usage": {"seconds": {"$float": "nan"}}}),
    "a cost that is a picture": ("understand", {"usage": PICTURE}),
    "a picture that is no digest": ("annotate", {"args": {"image": {"$image": 0}, "marks": []}}),
    "an edit of nothing": ("edit", {"args": {"image": {}, "instruction": "x"}}),
    "another tool's step": ("understand", {"tool": "add"}),
    "no tool": ("crop", {"tool": ""}),
    "no version": ("crop", {"version": ""}),
    "seeds for no picture": ("generate", {"seeds": ()}),
    "an answer that is no text": ("understand", {"outputs": {"text": {}}}),
    "a time that no calendar has": ("crop", {"ended": 1e308}),
    "the recipe of another call": ("generate", {"recipe": "0" * 64}),
    "warnings that are no texts": ("crop", {"outputs": {"image": PICTURE, "warnings": "x"}}),
}


def test_the_tools_whose_recipes_are_known_are_those_of_the_product():
    """And bringing a picture in."""
    own = (*vision.TOOLS, *canvas.TOOLS, *sketch.TOOLS, *screening.TOOLS)
    assert {"add", *(tool.name for tool in own)} == _OURS


@pytest.mark.parametrize(("tool", "change"), FORGED.values(), ids=FORGED)
def test_what_would_break_a_verb_has_not(steps, session, tmp_path, tool, change):
    """It is named, and an archive with it is not taken in."""
    forged = replace(steps[tool], **change, id="")
    assert misfit(forged)
    honest = session.export(tmp_path / "honest.slz")
    sl.import_session(honest, tmp_path / "honest").close()
    session._executor.store.database.insert_step(forged.to_row(), made=(), stages=())
    session.branch("forged", at=forged.id)
    with pytest.raises(InputError, match="is not taken in"):
        sl.import_session(session.export(tmp_path / "forged.slz"), tmp_path / "new")
    assert not (tmp_path / "new").exists()
