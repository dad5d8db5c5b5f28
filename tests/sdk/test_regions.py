"""Edits of a part of a picture, through a session: whatever stands for a region, in every kind of call."""

import asyncio

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sightline as sl
from sightline.errors import InputError, NotFoundError
from sightline_tools.region import Region

LEFT = np.zeros((64, 64), np.uint8)
LEFT[:, :32] = 255


@pytest.fixture
def star(session):
    """A red star in the middle of a picture."""
    return session.generate("a red star in the center")


@pytest.mark.parametrize(
    "region",
    [
        (0, 0, 0.5, 1),
        (0, 0, 32, 64),
        [(0, 0), (32, 0), (32, 64), (0, 64)],
        {"box": [0, 0, 0.5, 1]},
        Region(polygon=((0, 0), (0.5, 0), (0.5, 1), (0, 1))),
        LEFT,
        "sha256",
        {"mask": LEFT},
    ],
    ids=["parts", "pixels", "polygon", "a mapping", "a Region", "a mask", "a mask by name", "a named mask"],
)
def test_every_way_to_give_a_region_means_the_same(session, star, region):
    """The left half changes, the right half does not; the step replays to the bit."""
    if isinstance(region, str):
        region = f"sha256:{session.add(LEFT).image.ref.pixels}"
    edited = session.edit(star, "make the star blue", region=region, feather=0)
    before, after = star.image.numpy(), edited.image.numpy()
    assert (after[:, 32:] == before[:, 32:]).all()
    assert (after[:, :32] != before[:, :32]).any()
    assert edited.locality.share == 0.5
    assert session.replay(edited).ok


def test_streams_and_the_twin_take_regions_too(session, star):
    """The same call as events, and awaited, gives the same picture."""
    one = session.edit(star, "make the star blue", region=(0, 0, 0.5, 1))
    (done,) = [
        event
        for event in session.stream.edit(star, "make the star blue", region=(0, 0, 0.5, 1))
        if isinstance(event, sl.Done)
    ]
    assert done.result.image.ref == one.image.ref

    async def main():
        async with sl.AsyncSession(runtime=sl.FakeRuntime(), seed=7) as s:
            drawn = await s.generate("a red star in the center")
            again = await s.edit(drawn, "make the star blue", region=(0, 0, 0.5, 1))
            assert len((await s.drift()).edits) == 1
            return again.image.ref

    assert asyncio.run(main()) == one.image.ref


def test_another_region_of_the_same_edit_draws_nothing_anew(session, star, fake):
    """The features are those of the whole edit: only what is kept of them changes."""
    session.edit(star, "make the star blue")
    fake.calls.clear()
    part = session.edit(star, "make the star blue", region=(0, 0, 0.5, 1))
    assert part.cache.status == "partial"
    assert fake.calls == ["decode_features"]


@pytest.mark.parametrize(
    ("region", "error"),
    [
        ((0, 0, 99, 99), InputError),
        ((5, 5, 5, 9), InputError),
        ([(1, 1), (9, 9)], InputError),
        ({"circle": 4}, InputError),
        ({}, InputError),
        (LEFT[:10], InputError),
        (LEFT * 0, InputError),
        (7, InputError),
        ("img99", NotFoundError),
        ({"mask": "img99"}, NotFoundError),
        ((0, 0, "a", 1), InputError),
    ],
)
def test_bad_regions_are_refused_and_leave_the_session_as_it_was(session, star, fake, region, error):
    """An error of the tree before the model is asked; no step, no branch moved."""
    fake.calls.clear()
    with pytest.raises(error) as caught:
        session.edit(star, "make the star blue", region=region)
    assert caught.value.hint
    assert fake.calls == []
    assert session.head[1] == star.step.id


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_large_photograph_is_kept_outside_any_region(fake, data):
    """Random sizes, with and without transparency: outside the box every pixel is the source's."""
    width, height = data.draw(st.integers(2, 150)), data.draw(st.integers(2, 150))
    left, top = data.draw(st.integers(0, width - 2)), data.draw(st.integers(0, height - 2))
    box = (left, top, data.draw(st.integers(left + 2, width)), data.draw(st.integers(top + 2, height)))
    channels = data.draw(st.sampled_from([3, 4]))
    source = np.random.default_rng(width).integers(0, 255, (height, width, channels), np.uint8)
    outside = np.ones((height, width), bool)
    outside[box[1] : box[3], box[0] : box[2]] = False
    with sl.Session(runtime=fake, seed=1) as s:
        feather = data.draw(st.integers(0, 5))
        edited = s.edit(source, "add a large red circle", region=box, feather=feather)
        after = edited.image.numpy()
        assert edited.image.size == (width, height)
        assert (after[outside] == source[outside]).all()


def test_steps_of_older_versions_have_no_locality(session, star):
    """What was not recorded is None, not a guess."""
    edited = session.edit(star, "make the star blue")
    assert edited.locality == session.show(edited).locality
    assert (
        sl.Edited(*(getattr(edited, name) for name in ("step", "usage", "cache", "warnings"))).locality
        is None
    )
