"""What of a line stands for a picture, and which picture that is."""

import pytest

from sightline.chat.dialogue import Shown
from sightline.chat.references import MOST, resolve
from sightline_tools.image import Image


def shown(number):
    """A picture of a dialogue."""
    digest = f"{number:064x}"
    return Shown(Image(pixels=digest, blob=digest, width=1, height=1), f"img{number}")


PICTURES = [shown(number) for number in (1, 2, 3)]


def asked(line, sees=None, pictures=PICTURES):
    """What a line means where each picture shows what a table says."""
    scores = sees or {}
    names = {each.alias for each in pictures}
    return resolve(
        line, pictures, "img3", names.__contains__, lambda each, thing: scores.get(each.alias, 0.0)
    )


@pytest.mark.parametrize(
    ("line", "meant", "named"),
    [
        ("make it red", "make it red", ()),
        ("make the star in IMG2 red", "make the star in IMG2 red", ("img2",)),
        ("look at the last image", "look at img3", ("img3",)),
        ("show me the one with the ring", "show me img2", ("img2",)),
        ("make the star in the picture with a red ring blue", "make the star in img2 blue", ("img2",)),
        ("what color is the one with the ring ?", "what color is img2 ?", ("img2",)),
        ("the image of the ring again", "img2 again", ("img2",)),
    ],
)
def test_names_and_descriptions_become_names(line, meant, named):
    """A picture is named, last, or the one that shows something."""
    found = asked(line, {"img2": 0.97, "img1": 0.1})
    assert (found.line, found.named, found.asks) == (meant, named, "")


@pytest.mark.parametrize(
    ("line", "scores", "said"),
    [
        ("the one with the hat", {}, "no picture shows a hat; there are img3, img2 and img1"),
        ("the one with the hat", {"img1": 0.9, "img3": 0.8}, "which one do you mean: img3 or img1 ?"),
        ("show img7", {}, "there is no picture img7; there are img1, img2 and img3"),
    ],
)
def test_what_is_not_clear_is_asked(line, scores, said):
    """With the names of those that may be meant, the newest first."""
    assert asked(line, scores).asks == said


def test_a_clear_margin_decides():
    """One that is much likelier is meant, though another is not impossible."""
    assert asked("the one with the hat", {"img1": 0.99, "img2": 0.6}).named == ("img1",)


def test_only_the_newest_pictures_are_looked_through():
    """Looking has a bound, and without any picture nothing is looked at."""
    seen = []
    many = [shown(number) for number in range(1, 30)]
    resolve(
        "the one with the hat",
        many,
        None,
        lambda _: True,
        lambda each, _: float(bool(seen.append(each.alias))),
    )
    assert seen == [f"img{number}" for number in range(29, 29 - MOST, -1)]
    assert asked("the one with the hat", pictures=[]).asks == "no picture shows a hat"
    assert asked("img1", pictures=[]).asks == "there is no picture img1; there is no picture yet"
