"""Drafts and their full quality."""

import numpy as np
import pytest

import sightline as sl
from sightline_runtime.testing import FakeRuntime, FaultyRuntime, with_fingerprint


def forget(session, step):
    """Lose the features of a step, as a sweep does."""
    database = session._store.database
    database.delete_stages([str(row["key"]) for row in database.stages_of(step.id)])


def test_a_promoted_draft_is_the_picture_at_full_quality(session, fake):
    """It is drawn from the kept features, with the draft's seeds, and made from the draft."""
    draft = session.generate("a red star", n=2, draft=True)
    fake.calls.clear()
    full = session.promote(draft)
    assert fake.calls == ["decode_features"]
    assert (full.cache.status, full.seeds, full.plans) == ("partial", draft.seeds, draft.plans)
    assert full.step.data_parents == (draft.step.id,)
    assert (full.step.tool, full.step.parent) == ("generate", draft.step.id)
    assert "draft" not in full.step.args
    plain = session.generate("a red star", n=2)
    assert (plain.cache.status, plain.image.ref) == ("hit", full.image.ref)
    assert plain.image.ref != draft.image.ref


def test_one_picture_of_a_draft_can_be_promoted(session, fake):
    """By itself, by its short name, or as what the same call with its seed draws."""
    draft = session.generate("a star", n=4, draft=True)
    best = draft.images[2]
    full = session.promote(best)
    assert full.seeds == draft.seeds[2:3]
    assert full.step.data_parents == (draft.step.id,)
    assert session.promote(best.alias).image.ref == full.image.ref
    assert session.generate("a star", seed=draft.seeds[2]).image.ref == full.image.ref
    assert session.promote(draft).images[2].ref == full.image.ref


@pytest.mark.parametrize(
    "named", [lambda d: d.step, lambda d: d.step.id, lambda d: d.step.short, lambda d: "HEAD"]
)
def test_a_draft_is_named_like_any_step(session, named):
    """By its step, its id, the beginning of it, or a ref."""
    draft = session.generate("a star", n=2, draft=True)
    assert len(session.promote(named(draft)).images) == 2


def test_a_draft_of_an_edit_is_promoted(session):
    """It stays an edit of its source; both source and draft are what it is made from."""
    star = session.generate("a red star")
    draft = session.edit(star, "make the star blue", decode_seed=4, size=(32, 32), draft=True)
    full = session.promote(draft)
    assert isinstance(full, sl.Edited)
    assert full.before.ref == star.image.ref
    assert full.image.size == (32, 32)
    assert full.step.data_parents == (draft.step.id, star.step.id)
    assert full.step.args["decode_seed"] == 4


def test_a_draft_that_leaves_the_picture_alone_is_promoted_to_that(session):
    """Nothing to change is nothing to decode."""
    star = session.generate("a red star")
    draft = session.edit(star, "make the ring blue", draft=True)
    assert not draft.changed
    assert session.promote(draft).image.ref == star.image.ref


def test_a_session_that_is_opened_again_promotes(tmp_path, fake):
    """The features are on disk; another process needs nothing else."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=7) as s:
        draft = s.generate("a red star", n=2, draft=True)
    runtime = FakeRuntime()
    with sl.Session(tmp_path / "s", runtime=runtime) as s:
        full = s.promote(draft.step.id)
        assert runtime.calls == ["decode_features"]
        assert full.seeds == draft.seeds
        assert s.verify_store().problems == ()


def test_features_that_are_gone_are_drawn_again_and_compared(session, fake):
    """The draft comes out again to the bit, then its full quality; the features are kept anew."""
    draft = session.generate("a red star", n=2, draft=True)
    forget(session, draft.step)
    fake.calls.clear()
    steps = session.verify_store().steps
    full = session.promote(draft)
    assert fake.calls == ["generate_features", "decode_features", "decode_features"]
    assert (full.cache.status, full.seeds) == ("miss", draft.seeds)
    assert session.verify_store().steps == steps + 1
    assert session.promote(session.generate("a red star", n=2, draft=True)).cache.status == "hit"


class Drifting(FakeRuntime):
    """Says it is the same model but draws otherwise."""

    def _draw(self, text, source, seed):
        return super()._draw(text, source, seed + 1)


def test_features_that_come_out_different_are_not_used(tmp_path, fake):
    """A model that lies about itself is found out, and nothing lands on the branch."""
    with sl.Session(tmp_path / "s", runtime=fake, seed=7) as s:
        draft = s.generate("a star", draft=True)
        forget(s, draft.step)
    with sl.Session(tmp_path / "s", runtime=Drifting()) as s:
        before = s.verify_store()
        with pytest.raises(sl.ModelError, match="gives other pictures") as caught:
            s.promote(draft)
        assert caught.value.hint
        assert s.head[1] == draft.step.id
        assert s.verify_store() == before


@pytest.mark.parametrize("gone", [False, True])
def test_a_draft_of_another_model_is_refused(tmp_path, fake, gone):
    """Its features mean nothing to this one, whether or not they are here; nothing is computed."""

    class Other(FakeRuntime):
        info = with_fingerprint(fake.info, "f" * 64)

    with sl.Session(tmp_path / "s", runtime=fake, seed=7) as s:
        draft = s.generate("a star", draft=True)
        if gone:
            forget(s, draft.step)
    other = Other()
    with sl.Session(tmp_path / "s", runtime=other) as s:
        with pytest.raises(sl.ModelError, match=draft.step.fingerprint[:8]):
            s.promote(draft)
        assert other.calls == []
        assert s.generate("a ring").cache.status == "miss"


BAD = {
    "no draft": lambda s, star, draft: s.promote(star),
    "what a draft became": lambda s, star, draft: s.promote(s.promote(draft)),
    "another tool": lambda s, star, draft: s.promote(s.crop(draft, (0, 0, 0.5, 0.5))),
    "a picture of another tool": lambda s, star, draft: s.promote(s.crop(draft, (0, 0, 0.5, 0.5)).image),
    "a picture from outside": lambda s, star, draft: s.promote(s.add(np.zeros((4, 4, 3), np.uint8)).image),
    "an unknown step": lambda s, star, draft: s.promote("nowhere"),
    "an unknown picture": lambda s, star, draft: s.promote("img99"),
    "no step at all": lambda s, star, draft: s.promote(7),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_what_is_no_draft_is_refused(session, call):
    """One clear error with a hint, and the session goes on."""
    star, draft = session.generate("a star"), session.generate("a ring", draft=True)
    with pytest.raises(sl.InputError) as caught:
        call(session, star, draft)
    assert caught.value.hint
    assert session.promote(draft).step.data_parents == (draft.step.id,)


def test_a_draft_that_failed_is_none(fake):
    """A failed step of a draft has nothing to decode."""
    with sl.Session(runtime=FaultyRuntime(fake, {"decode_features": 1}), seed=1) as s:
        with pytest.raises(sl.EngineError):
            s.generate("a star", draft=True)
        (failed,) = s._store.database.steps()
        with pytest.raises(sl.InputError, match="no draft"):
            s.promote(str(failed["id"]))


def test_a_rerun_of_a_draft_promotes_the_new_one(session):
    """What was promoted follows its draft when the draft is changed."""
    draft = session.generate("a red star", draft=True)
    session.promote(draft)
    session.rerun(changes={draft: {"prompt": "a blue ring"}}, branch="other")
    session.checkout("other")
    full, rough = session.log()
    assert (full.args["prompt"], rough.args["prompt"]) == ("a blue ring", "a blue ring")
    assert full.data_parents == (rough.id,)
    assert full.seeds == rough.seeds


def test_the_shipped_model_promotes_to_the_very_pixels(embedded):
    """A promoted draft is what the same call without draft draws, bit by bit."""
    with sl.Session(runtime=embedded, seed=7) as s, sl.Session(runtime=embedded, seed=7) as fresh:
        full = s.promote(s.generate("a large red star", draft=True))
        assert full.cache.status == "partial"
        assert full.image.ref == fresh.generate("a large red star").image.ref


def test_a_draft_that_left_the_picture_alone_is_promoted_anew_too(session):
    """The promoted step edits what the draft edited, not the draft, though both are one picture."""
    star = session.generate("a red star")
    draft = session.edit(star, "do nothing at all", draft=True)
    assert not draft.changed
    session.promote(draft)
    done = session.rerun(changes={draft: {"instruction": "make the star blue"}})
    fresh = session.edit(star, "make the star blue")
    redone = session.show(done.head)
    assert redone.step.recipe == fresh.step.recipe
    assert redone.image.ref.pixels == fresh.image.ref.pixels


def test_the_call_of_a_draft_on_the_draft_itself_reads_it(session):
    """Only what was promoted reads the draft's own source."""
    star = session.generate("a red star")
    draft = session.edit(star, "do nothing at all", draft=True)
    session.edit(draft, "do nothing at all")
    assert session.recipe().steps[-1].args["image"] == {"$from": "edit"}
