"""The stages of BLIP3o-NEXT, one by one, on a tiny release."""

import numpy as np
import pytest
import torch
from tests.oracle import sana_loop
from tests.oracle.compare import error
from tests.tiny import next_release

from sightline_runtime.engine import next_stages, noise
from sightline_runtime.engine.next_features import Told
from sightline_runtime.models import release_next, sana

PROMPT = [1, 2, 3, next_release.START, next_release.START + 2]
PICTURE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The tiny release, loaded."""
    folder = next_release.write(tmp_path_factory.mktemp("next"))
    return release_next.load(release_next.find(folder), device="cpu", dtype=torch.float32)


@pytest.fixture(autouse=True)
def no_gradients():
    """The engine computes without gradients."""
    with torch.inference_mode():
        yield


def drawn(model, seed=1):
    """A drawn picture: tokens and condition."""
    return next_stages.draw(model, next_stages.Reading.of(model, PROMPT), seed, lambda done: None)


def test_states_kept_while_drawing_are_those_of_one_whole_pass(model):
    """The condition equals the reference's second pass over prompt and tokens."""
    ids, states = drawn(model)
    assert len(ids) == model.config.tokens == 16
    assert states.shape == (17, next_release.HIDDEN)
    assert torch.allclose(states, model.condition([*PROMPT, *ids]), atol=1e-5)


def test_every_token_is_a_picture_token(model):
    """Whatever the weights say, a picture has its full grid of codes; seeds differ."""
    marks = model.config.marks
    pictures = [drawn(model, seed)[0] for seed in range(4)]
    assert all(
        marks.first_code <= token < marks.first_code + marks.codes for ids in pictures for token in ids
    )
    assert len(set(map(tuple, pictures))) == 4
    assert pictures[2] == drawn(model, 2)[0]


def test_a_fork_reads_on_by_itself(model):
    """What a fork reads changes nothing for the reading it came from."""
    reading = next_stages.Reading.of(model, PROMPT)
    before, ahead = reading.scores, reading.fork()
    ahead.advance(5)
    assert torch.equal(reading.scores, before)
    reading.advance(5)
    assert torch.equal(reading.scores, ahead.scores)
    whole = next_stages.Reading.of(model, [*PROMPT, 5])
    assert torch.allclose(whole.scores.exp(), reading.scores.exp(), atol=1e-5)


def test_looking_gives_one_token_a_patch(model):
    """A picture of any size is a full grid of picture tokens, the same each time."""
    codes = model.tatok.bottleneck.codes()
    ids = next_stages.look(model, codes, PICTURE)
    assert len(ids) == model.config.tokens
    assert min(ids) >= model.config.marks.first_code
    assert ids == next_stages.look(model, codes, PICTURE.copy())


def test_denoising_is_the_references_loop_on_the_seeds_noise(model):
    """From the condition of a drawing to latents: the library's scheduler, null rows and all."""
    condition = drawn(model)[1]
    found = next_stages.denoise(
        model, Told(condition.numpy(), 4, 2.0), sana.schedule(4, 3.0), 7, lambda: None
    )
    start = torch.from_numpy(noise.normal(7, "latents", (1, *model.latents)))
    with torch.inference_mode(False):
        expected = sana_loop.latents(
            model.sana, model.connector, condition[None].clone(), start, steps=4, guidance=2.0, shift=3.0
        )
    assert error(found, expected) < 1e-4


def test_an_edit_starts_from_its_source(model):
    """With one last small step to go, latents are still the source's; the ticks are the steps."""
    source = next_stages.source(model, PICTURE, "cpu")
    ticks = []
    schedule = sana.schedule(400, 1.0, start=0.0025)
    told = Told(drawn(model)[1].numpy(), 400, 2.0, source)
    found = next_stages.denoise(model, told, schedule, 1, lambda: ticks.append(1))
    assert source.shape == model.latents
    assert len(ticks) == 1
    assert error(found[0], torch.from_numpy(source)) < 0.1
