"""The engine's stages against plain loops, on random small models of the embedded form."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle.compare import error, numbers, scatter
from tests.oracle.embedded import Embedded

from sightline_runtime.engine import noise, stages, writing
from sightline_runtime.models.backbone import BackboneConfig
from sightline_runtime.models.clip import ClipConfig
from sightline_runtime.models.decoder import DecoderConfig
from sightline_runtime.models.dit import DiTConfig
from sightline_runtime.models.fits import problems
from sightline_runtime.models.queries import QueryConfig
from sightline_runtime.models.unified import UnifiedConfig, UnifiedModel
from sightline_runtime.models.words import END

HEADS = st.sampled_from([(1, 16), (2, 8), (2, 12), (3, 8)])
"""Heads and the width of one; narrower norms magnify rounding."""


@st.composite
def configs(draw):
    """Models of the embedded form whose parts fit each other."""
    grid, features = draw(st.integers(1, 3)), draw(st.integers(2, 8))
    stride = draw(st.integers(2, 5))
    patch = stride + draw(st.integers(0, 2))
    side = patch + stride * (grid - 1)
    heads, head = draw(HEADS)
    qwen3, layers = draw(st.booleans()), draw(st.integers(0, 2))
    backbone = BackboneConfig(
        30, heads * head, draw(st.integers(1, 3)), heads, 1, 24, 1e4, qkv_bias=not qwen3, qk_norm=qwen3
    )
    wide = {"width": heads * head, "heads": heads, "ffn_width": 24}
    return UnifiedConfig(
        family="embedded",
        clip=ClipConfig(side, patch, stride, layers=1, pool=1, features=features, class_token=False, **wide),
        backbone=backbone,
        queries=QueryConfig(draw(st.integers(1, 4)), layers, 32 if layers else 0, 2),
        dit=DiTConfig(
            channels=features,
            source_channels=draw(st.sampled_from([0, features])),
            grid=grid,
            layers=draw(st.integers(1, 2)),
            kv_heads=1,
            condition_width=32 if layers else backbone.width,
            predicts=draw(st.sampled_from(["velocity", "features"])),
            **wide,
        ),
        decoder=DecoderConfig(
            side, patch, stride, features, layers=1, detail_width=draw(st.sampled_from([0, 20])), **wide
        ),
        integer_timesteps=draw(st.booleans()),
    )


def built(config, seed):
    """A model of random weights whose features are neither centred nor of one scale."""
    assert list(problems(config)) == []
    model = scatter(UnifiedModel(config), seed)
    width = config.clip.output_width
    model.feature_mean.copy_(numbers(width, seed=seed))
    model.feature_std.copy_(numbers(width, seed=seed + 1).abs() + 0.5)
    with torch.no_grad():  # smooth, as a trained one is: a rough network magnifies rounding at every step
        for dit in (model.dit, model.decoder.dit):
            dit.norm_out.linear_2.weight.mul_(0.2)
    return model


def prompt(data, config):
    """Token ids of a short prompt."""
    return data.draw(st.lists(st.integers(0, config.backbone.vocabulary - 1), min_size=2, max_size=9))


def features_of(config, seed):
    """Random features of one picture, (1, n, d)."""
    return numbers(1, config.clip.grid**2, config.clip.output_width, seed=seed)


@settings(max_examples=20, deadline=None)
@given(configs(), st.integers(1, 3), st.integers(0, 99))
def test_pictures_are_seen_cell_by_cell(config, layers, seed):
    """The embedded tower, overlapping patches and all, is one cell after the other."""
    clip = replace(
        config.clip,
        layers=layers,
        windowed=True,
        normalised=True,
        position_table=False,
        activation="squared_relu",
    )
    model = built(replace(config, clip=clip), seed)
    picture = numbers(3, clip.image_size, clip.image_size, seed=seed).sigmoid()
    with torch.inference_mode():
        assert error(model.clip(picture[None])[0], Embedded(model).see(picture)) < 1e-5


@settings(max_examples=20, deadline=None)
@given(configs(), st.sampled_from([0.0, 0.7]), st.booleans(), st.integers(0, 99), st.data())
def test_words_are_written_as_whole_passes_write_them(config, temperature, looks, seed, data):
    """A cache read word by word: each word is the one that a whole pass picks, noise and all."""
    model, ids = built(config, seed), prompt(data, config)
    seen = features_of(config, seed) if looks else None
    with torch.inference_mode():
        read = stages.Reading.of(model, ids, seen)
        choose = writing.choice(temperature, seed)
        written, total, ended = writing.write(
            read.fork(), (END,), limit=6, choose=choose, tick=lambda _: None
        )
        answer = writing.score(read, written, END)
        said = [*written, END]
        scores = Embedded(model).scores([*ids, *said], None if seen is None else seen[0])[-len(said) - 1 : -1]
    spoken = len(written) + ended
    words = [noise.gumbel(seed, "text", config.backbone.vocabulary, place) for place in range(len(said))]
    wished = scores + temperature * torch.from_numpy(np.stack(words))
    picked, sums = wished[range(len(said)), said], scores[range(len(said)), said]
    assert torch.allclose(picked[:spoken], wished[:spoken].max(1).values, atol=1e-4)
    assert total == pytest.approx(sums[:spoken].tolist(), abs=1e-4)
    assert answer == pytest.approx(sums.sum().item(), abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(configs(), st.integers(0, 99), st.data())
def test_a_prompt_tells_the_same_alone_and_beside_a_longer_one(config, seed, data):
    """Padding moves nothing: every token that counts is what it is in a row of its own."""
    model = built(config, seed)
    both = [prompt(data, config), prompt(data, config)]
    with torch.inference_mode():
        together, mask = model.condition(both)
        alone = [model.condition([ids]) for ids in both]
    for row, (told, counts) in enumerate(alone):
        assert error(together[row][mask[row]], told[0][counts[0]]) < 1e-5


@settings(max_examples=20, deadline=None)
@given(configs(), st.booleans(), st.integers(0, 99), st.data())
def test_a_prompt_tells_the_dit_what_one_plain_pass_tells(config, edits, seed, data):
    """Queries on top of a cache, and a mask, instead of one row without those that say nothing."""
    model, ids = built(config, seed), prompt(data, config)
    source = features_of(config, seed) if edits else None
    with torch.inference_mode():
        tokens, mask = model.condition([ids], source)
        expected = Embedded(model).condition(ids, None if source is None else source[0])
    assert error(tokens[mask], expected) < 1e-5


@settings(max_examples=20, deadline=None)
@given(configs(), st.sampled_from([0.0, 1.0, 2.0, 4.5]), st.integers(1, 5), st.integers(0, 99), st.data())
def test_features_are_drawn_as_the_plain_loop_draws_them(config, guidance, steps, seed, data):
    """Prepared conditions, no null row at guidance 1, a source told once: the same features."""
    model, ids = built(config, seed), prompt(data, config)
    source = features_of(config, seed) if config.dit.source_channels and data.draw(st.booleans()) else None
    plan = {"steps": steps, "guidance": guidance}
    start = torch.from_numpy(noise.normal(seed, "features", config.feature_shape))
    ticks = []
    with torch.inference_mode():
        found = stages.draw(
            model,
            model.condition([ids], source),
            source,
            seed=seed,
            tick=lambda done, estimate: ticks.append(done),
            **plan,
        )
        expected = Embedded(model).draw(ids, None if source is None else source[0], start, **plan)
    assert ticks == list(range(1, steps + 1))
    assert error(found[0], expected) < 3e-5  # guided steps magnify what one pass leaves


@settings(max_examples=20, deadline=None)
@given(configs(), st.integers(1, 4), st.integers(0, 99))
def test_pictures_are_painted_as_the_plain_loop_paints_them(config, steps, seed):
    """Unfolded and folded in one go instead of patch by patch."""
    model, features = built(config, seed), features_of(config, seed)
    start = torch.from_numpy(
        noise.normal(seed, "pixels", (3, config.clip.image_size, config.clip.image_size))
    )
    with torch.inference_mode():
        found = stages.paint(model, features, seed=seed, steps=steps, tick=lambda *_: None)
        expected = Embedded(model).paint(features[0], start, steps=steps)
    assert error(found[0], expected) < 1e-5
