"""A tiny BLIP3o-NEXT in the released layout, through the engine."""

import re

import numpy as np
import pytest
from tests.contracts import runtime_suite
from tests.tiny import next_release

from sightline_runtime.engine import families
from sightline_runtime.engine.local import LocalRuntime
from sightline_runtime.engine.placement import Wish
from sightline_runtime.errors import InputError
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    FeatureRequest,
    ImageSlot,
    Message,
    Progress,
    TextRequest,
)

TOKENS = 16
PICTURE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
SAY = (Message("user", ("a red star",)),)
ASK = (Message("user", (ImageSlot(0), "make it blue")),)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """The engine on a tiny checkpoint."""
    folder = next_release.write(tmp_path_factory.mktemp("release") / "tiny-next")
    opened = LocalRuntime(families.load(folder, Wish()))
    yield opened
    opened.close()


def drawn(runtime, seeds=(1,), messages=SAY, images=(), **options):
    """Features of a prompt."""
    return runtime.generate_features(FeatureRequest(messages, seeds, images, **options)).result().features


def painted(runtime, features, seed=1, **options):
    """The picture of features."""
    return runtime.decode_features(DecodeRequest((features,), (seed,), **options)).result().images[0]


@pytest.mark.parametrize(
    "check",
    [check for check in runtime_suite.CHECKS if check is not runtime_suite.check_drawing],
    ids=lambda check: check.__name__,
)
def test_it_does_what_every_runtime_must(runtime, check):
    """The shared contract holds, but for one check: features progress by tokens, not by denoising steps."""
    check(runtime)


def test_it_says_what_it_is(runtime):
    """Sizes come from the checkpoint: condition and settings rows, then the latents of a source."""
    info = runtime.info
    assert (info.family, info.model, info.image_size) == ("blip3o-next", "tiny-next", (64, 64))
    assert info.feature_shape == (TOKENS + 1 + 1 + 16, next_release.HIDDEN)
    assert info.capabilities == {"understand", "generate", "edit", "embed", "json"}
    assert (info.default_steps, info.default_guidance) == (30, 2.0)


def test_progress_counts_tokens_then_denoising_steps(runtime):
    """The features stage counts picture tokens, the decode stage SANA's steps."""
    job = runtime.generate_features(FeatureRequest(SAY, (1, 2), steps=3))
    events = [event for event in job if isinstance(event, Progress)]
    assert [event.done for event in events] == list(range(1, 2 * TOKENS + 1))
    job = runtime.decode_features(DecodeRequest(job.result().features, (1, 2)))
    events = [event for event in job if isinstance(event, Progress)]
    assert [(event.stage, event.done, event.total) for event in events] == [
        ("decode", n, 6) for n in range(1, 7)
    ]


def test_steps_and_guidance_travel_with_the_features(runtime):
    """What was asked for when drawing is what the decode stage does; it may still ask for other steps."""
    same, others = drawn(runtime, steps=2, guidance=5.0)[0], drawn(runtime, steps=2, guidance=1.0)[0]
    assert np.array_equal(same[: TOKENS + 1], others[: TOKENS + 1])
    assert not np.array_equal(painted(runtime, same), painted(runtime, others))
    usage = runtime.decode_features(DecodeRequest((same,), (1,))).result().usage
    assert usage.diffusion_steps == 2
    usage = runtime.decode_features(DecodeRequest((same,), (1,), steps=4)).result().usage
    assert usage.diffusion_steps == 4


def test_the_seed_of_the_decode_stage_counts(runtime):
    """Same features, other noise, another picture; the same noise, the same picture."""
    features = drawn(runtime, steps=2)[0]
    assert np.array_equal(painted(runtime, features, 3), painted(runtime, features, 3))
    assert not np.array_equal(painted(runtime, features, 3), painted(runtime, features, 4))


def test_an_edit_sees_its_picture_twice(runtime):
    """Another source gives other tokens, and SANA starts from the source's latents."""
    edits = [drawn(runtime, (1,), ASK, (picture,), steps=4)[0] for picture in (PICTURE, 255 - PICTURE)]
    assert not np.allclose(edits[0][: TOKENS + 1], edits[1][: TOKENS + 1])
    swapped = edits[0].copy()
    swapped[TOKENS + 2 :] = edits[1][TOKENS + 2 :]
    assert not np.array_equal(painted(runtime, edits[0]), painted(runtime, swapped))
    assert not drawn(runtime)[0][TOKENS + 2 :].any()


def test_an_edit_skips_the_levels_above_its_start(runtime):
    """At shift 3 the first three of ten levels stand above 0.9: an edit leaves them out."""
    edit = drawn(runtime, (1,), ASK, (PICTURE,), steps=10)
    usage = runtime.decode_features(DecodeRequest(edit, (1,))).result().usage
    assert usage.diffusion_steps == 7


@pytest.mark.parametrize("value", [0.0, 1.5, 2000.0])
def test_features_of_another_model_are_refused(runtime, value):
    """Numbers of steps that no drawing asks for are an InputError before compute."""
    features = drawn(runtime)[0]
    features[TOKENS + 1, 0] = value
    with pytest.raises(InputError, match="steps at guidance"):
        runtime.decode_features(DecodeRequest((features,), (1,)))


def test_an_answer_holds_no_picture_tokens(runtime):
    """Text is words, whatever the weights would like to say."""
    result = runtime.generate_text(TextRequest(ASK, (PICTURE,), max_tokens=20, temperature=5.0)).result()
    assert not re.search(r"<[IS]\d", result.text)
    assert result.usage.image_tokens == TOKENS


def test_without_a_tokenizer_it_only_draws(tmp_path):
    """A release that leaves TA-Tok out draws, and says that it cannot look."""
    folder = next_release.write(tmp_path / "blind", tokenizer=False, tied=False)
    runtime = LocalRuntime(families.load(folder, Wish()))
    assert runtime.info.capabilities == {"generate", "json"}
    for ask in (
        lambda: runtime.embed_images(EmbedRequest((PICTURE,))),
        lambda: runtime.generate_text(TextRequest(ASK, (PICTURE,))),
        lambda: runtime.generate_features(FeatureRequest(ASK, (1,), (PICTURE,))),
    ):
        with pytest.raises(InputError, match="no picture tokenizer"):
            ask()
    runtime.close()


def test_in_bfloat16_it_draws_and_paints_too(tmp_path):
    """Half the bytes: features stay float32, and the info and the fingerprint say so."""
    folder = next_release.write(tmp_path / "half")
    runtime, plain = (
        LocalRuntime(families.load(folder, Wish(dtype=dtype))) for dtype in ("bfloat16", "float32")
    )
    edited = drawn(runtime, (1,), ASK, (PICTURE,), steps=2)[0]
    assert edited.dtype == np.float32
    assert painted(runtime, edited).shape == (64, 64, 3)
    assert runtime.generate_text(TextRequest(ASK, (PICTURE,), max_tokens=2)).result().usage.image_tokens == 16
    assert runtime.info.dtype == "bfloat16"
    assert runtime.info.fingerprint != plain.info.fingerprint
    runtime.close()
    plain.close()


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (FeatureRequest(SAY, (1,), plans=("star",)), "does not plan"),
        (FeatureRequest(SAY, ()), "no picture was asked for"),
        (FeatureRequest((Message("user", ("<|im_end|>",)),), (1,)), "control tokens"),
        (FeatureRequest((Message("user", ("an <I7> apple",)),), (1,)), "picture token"),
        (FeatureRequest((Message("user", ("star " * 500,)),), (1,)), "the model reads"),
        (FeatureRequest(SAY, (1,), guidance=-1.0), "guidance"),
    ],
    ids=["plans", "no-seeds", "control", "picture-token", "long", "guidance"],
)
def test_what_it_cannot_do_is_refused_before_compute(runtime, request_, told):
    """Each is an InputError in the caller's thread."""
    with pytest.raises(InputError, match=told):
        runtime.generate_features(request_)
