"""The local engine: what the contract does not say."""

import contextlib
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_runtime.engine import embedded, families, noise, stages
from sightline_runtime.engine.local import LocalRuntime
from sightline_runtime.engine.placement import Wish
from sightline_runtime.errors import DeadlineError, EngineError, InputError, ModelError
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    FeatureRequest,
    ImageSlot,
    Message,
    Preview,
    TextRequest,
)

SAY = (Message("user", ("a red star",)),)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 5))
def test_noise_is_a_function_of_seed_stage_and_index(seed, index):
    """The same key draws the same numbers; each part of the key counts."""
    first = noise.normal(seed, "features", (3, 4), index)
    assert np.array_equal(first, noise.normal(seed, "features", (3, 4), index))
    assert not np.array_equal(first, noise.normal(seed, "pixels", (3, 4), index))
    assert not np.array_equal(first, noise.normal(seed, "features", (3, 4), index + 1))


def test_noise_is_standard_normal():
    """Mean 0 and spread 1, and the global generators are left alone."""
    before = torch.get_rng_state()
    drawn = noise.normal(1, "features", (100_000,))
    assert abs(drawn.mean()) < 0.02
    assert drawn.std() == pytest.approx(1, abs=0.02)
    assert torch.equal(before, torch.get_rng_state())


def test_gumbel_noise_samples_by_probability():
    """arg max of log p + Gumbel noise is distributed as p."""
    logits = np.log(np.array([0.7, 0.2, 0.1], np.float32))
    picks = [int((logits + noise.gumbel(seed, "text", 3, 0)).argmax()) for seed in range(3000)]
    assert np.bincount(picks, minlength=3) / 3000 == pytest.approx([0.7, 0.2, 0.1], abs=0.04)


@pytest.fixture
def local(tiny_folder):
    """An engine of its own, closed afterwards."""
    runtime = LocalRuntime(families.load(tiny_folder, Wish()))
    yield runtime
    runtime.close()


def test_unknown_words_are_named_in_a_warning(local):
    """A word that the model does not know is a warning, not an error."""
    job = local.generate_features(FeatureRequest((Message("user", ("a red zebra",)),), (1,), steps=1))
    assert "zebra" in job.result().warnings[0]


def test_a_deadline_stops_the_work(local):
    """Work that cannot end in time ends in a DeadlineError."""
    job = local.generate_features(FeatureRequest(SAY, (1,), steps=1000, deadline=0.0))
    with pytest.raises(DeadlineError):
        job.result()


def test_a_closed_runtime_says_so(tiny_folder):
    """Calls after close are one clear error; closing twice is harmless."""
    runtime = LocalRuntime(families.load(tiny_folder, Wish()))
    runtime.close()
    runtime.close()
    with pytest.raises(EngineError, match="closed"):
        runtime.generate_text(TextRequest(SAY))


def test_a_bug_in_one_request_does_not_kill_the_engine(local, monkeypatch):
    """An exception inside the worker fails that job only."""
    request = DecodeRequest((np.ones(local.info.feature_shape, np.float32),), (1,))
    with monkeypatch.context() as patched:
        patched.setattr(stages, "paint", lambda: None)
        with pytest.raises(EngineError, match="TypeError"):
            local.decode_features(request).result()
    assert local.decode_features(request).result().images[0].shape == (64, 64, 3)


def full(*_, **__):
    """A device without room."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")


def test_a_full_device_is_told_with_what_to_do(local, tiny_folder, monkeypatch):
    """In the middle of work it is the engine's error, while loading it is the model's."""
    with monkeypatch.context() as patched:
        patched.setattr(stages, "draw", full)
        with pytest.raises(EngineError, match=r"memory is full: CUDA .* 2\.00 GiB\. ") as working:
            local.generate_features(FeatureRequest(SAY, (1,))).result()
        patched.setattr(embedded, "Embedded", full)
        with pytest.raises(ModelError, match="did not fit the memory of cpu") as loading:
            families.load(tiny_folder, Wish())
    assert "memory=" in working.value.hint
    assert "memory=" in loading.value.hint


def test_nothing_waits_behind_the_end(tiny_folder):
    """A call that meets a closing engine is refused, or done: it is never left without an end."""
    for _ in range(20):
        runtime, jobs = LocalRuntime(families.load(tiny_folder, Wish())), []
        closing = threading.Thread(target=runtime.close)
        closing.start()
        with contextlib.suppress(EngineError):
            for _ in range(50):
                jobs.append(runtime.generate_text(TextRequest(SAY, max_tokens=1)))
        for job in jobs:
            job.result(timeout=30)
        closing.join()


def test_previews_come_while_denoising(local):
    """Every second step of six shows a picture; the last is the result itself."""
    job = local.generate_features(FeatureRequest(SAY, (1,), steps=6, preview_every=2))
    previews = [event for event in job if isinstance(event, Preview)]
    assert len(previews) == 2
    assert previews[0].pixels.shape == (64, 64, 3)


def test_guidance_one_needs_no_null_row(local):
    """Guidance 1 equals the conditional velocity alone, nearly 1 is nearly the same."""
    one, near = (
        local.generate_features(FeatureRequest(SAY, (1,), steps=2, guidance=g)).result().features[0]
        for g in (1.0, 1.0001)
    )
    assert np.allclose(one, near, atol=0.05)


def test_pictures_of_any_size_are_read(local):
    """A picture is resampled to what the model sees."""
    message = Message("user", (ImageSlot(0), "what color is the background ?"))
    for shape in ((64, 64, 3), (20, 300, 3), (1, 1, 3)):
        picture = np.full(shape, 200, np.uint8)
        assert (
            local.generate_text(TextRequest((message,), (picture,), max_tokens=2)).result().usage.image_tokens
            == 9
        )


def test_a_given_plan_is_drawn_instead_of_the_models_own(local):
    """The plan comes back in the result, and another plan draws other features."""
    draws = [
        local.generate_features(FeatureRequest(SAY, (1,), steps=2, plans=(plan,))).result()
        for plan in ("a small red star in the center", "a large blue ring at the top left")
    ]
    assert draws[0].plans == ("a small red star in the center",)
    assert not np.array_equal(draws[0].features[0], draws[1].features[0])


@pytest.mark.parametrize("plans", [("a star", "a ring"), ("a zebra",)])
def test_plans_that_do_not_fit_are_refused(local, plans):
    """One plan a seed, in the model's words."""
    with pytest.raises(InputError, match="plans"):
        local.generate_features(FeatureRequest(SAY, (1,), plans=plans))


def test_a_plan_of_nothing_leaves_the_source_as_it_is(local):
    """The features are the source's own, no denoising step is run, and the result says so."""
    picture = np.full((64, 64, 3), 200, np.uint8)
    message = Message("user", (ImageSlot(0), "make the star red"))
    drawn = local.generate_features(FeatureRequest((message,), (1,), (picture,), plans=("nothing",))).result()
    source = local.embed_images(EmbedRequest((picture,))).result().features[0]
    assert np.array_equal(drawn.features[0], source)
    assert drawn.unchanged == (True,)
    assert drawn.usage.diffusion_steps == 0
    assert "nothing" in drawn.warnings[0]


def test_unknown_words_change_nothing_else(local):
    """A word that is warned of is ignored: the picture is that of the prompt without it."""
    with_it, without = (
        local.generate_features(FeatureRequest((Message("user", (text,)),), (1,), steps=1)).result()
        for text in ("a shiny red star", "a red star")
    )
    assert np.array_equal(with_it.features[0], without.features[0])


@pytest.mark.parametrize("picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_what_is_not_pixels_is_refused(local, picture):
    """Wrong shape or type is an InputError before any compute."""
    message = Message("user", (ImageSlot(0), "what color ?"))
    with pytest.raises(InputError):
        local.generate_text(TextRequest((message,), (picture,)))


def test_choices_that_cannot_be_said_are_refused(local):
    """A choice outside the vocabulary would have no honest probability."""
    with pytest.raises(InputError, match="cannot say"):
        local.generate_text(TextRequest(SAY, choices=("yes", "perhaps")))
