"""Why: the box stands around what an answer depends on, and all looks are asked at once."""

import numpy as np
import pytest

from sightline.errors import InputError
from sightline.session import Session
from sightline_runtime.protocol import Job
from sightline_runtime.testing import FakeRuntime
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import Scene, SceneSampler, Thing

STAR, RING = Thing("star", "red", "large", 0), Thing("ring", "blue", "small", 8)


def inside(box, point):
    """Whether a point (x, y) is in a box."""
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]


def test_the_box_stands_around_the_thing_and_no_other(session):
    """For the colour of one of two to four things, on rules, in four of five pictures at least."""
    world, right, asked = SceneSampler(8, held_out=False), 0, 0
    while asked < 5:
        scene = world.scene(2, 4)
        named = next((one for one in scene.things if len(scene.matching(shape=one.shape)) == 1), None)
        if named is None:
            continue
        asked += 1
        answer = session.understand(session.add(paint(scene)), f"what color is the {named.shape} ?")
        box = session.why(answer).box
        others = (inside(box, other.center) for other in scene.things if other != named)
        right += inside(box, named.center) and not any(others)
    assert right >= 4


def test_an_answer_about_nothing_depends_on_no_part(session):
    """The background stays whatever is covered."""
    picture = session.add(paint(Scene("white", (STAR, RING))))
    found = session.why(session.understand(picture, "what color is the background ?"))
    assert found.box is None
    assert str(found) == "'white' depends on no single part"


def test_with_choices_the_probability_of_the_choice_falls(session):
    """Of the answer that was given."""
    picture = session.add(paint(Scene("white", (STAR, RING))))
    answer = session.understand(picture, "is there a red star ?", choices=("yes", "no"))
    found = session.why(answer, parts=3)
    assert found.probability == pytest.approx(0.9)
    assert found.drops.shape == (4, 4)
    assert found.drops.max() == pytest.approx(0.8)
    assert found.heat.shape == found.shown.shape[:2] == (64, 64)
    assert inside(found.box, STAR.center)
    assert "data:image/png" in found._repr_html_()


class Waiting(FakeRuntime):
    """Counts how many looks were asked before the first was waited for."""

    def __init__(self):
        super().__init__()
        self.asked = self.before = 0

    def generate_text(self, request):
        """Ask, and watch who waits."""
        job, self.asked = super().generate_text(request), self.asked + 1
        outer = self

        class Watched(Job):
            def result(self, *args, **kwargs):
                outer.before = outer.before or outer.asked
                return job.result(*args, **kwargs)

        return Watched()


def test_all_looks_are_asked_before_the_first_is_waited_for(fake):
    """So that a runtime can batch them."""
    from sightline.reasoning.attribution import attribution

    with Session(runtime=fake, seed=1) as session:
        picture = session.add(paint(Scene("black", (STAR,)))).image
        answer = session.understand(picture, "what color is the star ?")
        runtime = Waiting()
        attribution(runtime, picture, "what color is the star ?", answer, parts=4)
    assert runtime.before == runtime.asked == 25


def test_covered_copies_of_a_photograph_are_not_all_held_at_once(fake, monkeypatch):
    """Forty-nine of twelve million pixels would be two gigabytes."""
    from sightline.reasoning import attribution

    monkeypatch.setattr(attribution, "_MOST_PIXELS", 10 * 64 * 64)
    with Session(runtime=fake, seed=1) as session:
        picture = session.add(paint(Scene("black", (STAR,)))).image
        answer = session.understand(picture, "what color is the star ?")
        runtime = Waiting()
        attribution.attribution(runtime, picture, "what color is the star ?", answer, parts=4)
    assert (runtime.before, runtime.asked) == (10, 25)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (64, 64)])
def test_pictures_of_any_size_are_covered(session, size):
    """Also smaller than the number of parts."""
    picture = session.add(np.full((*size, 3), 9, np.uint8))
    found = session.why(session.understand(picture, "how many objects are there ?"), parts=5)
    assert found.heat.shape == size


@pytest.mark.parametrize("parts", [1, 17])
def test_too_few_or_many_parts_are_refused(session, parts):
    """Before anything is asked."""
    answer = session.understand(session.add(paint(Scene("white", (STAR,)))), "what color is the star ?")
    with pytest.raises(InputError, match="parts"):
        session.why(answer, parts=parts)
