"""The picture tokenizer against plain mathematics, and its parts against the library's whole tower."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle import simvq
from tests.oracle.compare import numbers, scatter
from transformers import SiglipVisionConfig, SiglipVisionModel

from sightline_runtime.models.tatok import QuantiserConfig, TaTok, TaTokConfig, TokenQuantiser

TINY = TaTokConfig(28, 7, 16, 24, 3, 2, QuantiserConfig(16, 6, 5, 32))


def quantiser(seed=0, **sizes):
    """A quantiser with random weights, and the same as nested lists."""
    built = scatter(TokenQuantiser(QuantiserConfig(**sizes)), seed)
    return built, {name: tensor.tolist() for name, tensor in built.state_dict().items()}


@settings(max_examples=25, deadline=None)
@given(
    st.booleans(),
    st.integers(1, 7),
    st.integers(-1, 6),
    st.integers(1, 5),
    st.integers(1, 20),
    st.integers(0, 99),
)
def test_it_computes_the_formulas(on_sphere, width, bottleneck, output, codes, seed):
    """For any sizes the chosen code is the nearest one, and its features are the oracle's."""
    model, weights = quantiser(
        seed,
        input_dim=width,
        bottleneck_dim=bottleneck,
        output_dim=output,
        codebook_size=codes,
        l2_normalized=on_sphere,
    )
    features = numbers(1, 3, width, seed=seed + 1)
    table = model.codes()
    tokens = model.encode(features, table)
    for feature, token, found in zip(
        features[0].tolist(), tokens[0].tolist(), model.decode(tokens, table)[0].tolist(), strict=True
    ):
        distances = simvq.distances(weights, feature, on_sphere=on_sphere)
        assert distances[token] == pytest.approx(min(distances), abs=1e-4, rel=1e-4)
        assert found == pytest.approx(simvq.decoded(weights, token, on_sphere=on_sphere), abs=1e-4)


def test_sampled_ids_follow_the_temperature():
    """With Gumbel noise an id is drawn with the probability softmax(cosine / temperature)."""
    model, _ = quantiser(input_dim=4, bottleneck_dim=3, output_dim=3, codebook_size=3)
    features, table, draws = numbers(1, 1, 4), model.codes(), 4000
    gumbel = -torch.log(-torch.log(torch.rand(draws, 1, 3, generator=torch.Generator().manual_seed(0))))
    sharp = TokenQuantiser(QuantiserConfig(4, 3, 3, 3, stochastic_temperature=0.5))
    sharp.load_state_dict(model.state_dict())
    tokens = sharp.encode(features.expand(draws, 1, 4), table, gumbel).flatten()
    z = torch.nn.functional.normalize(sharp.in_linear(features[0, 0]), dim=-1)
    expected = ((table @ z) / 0.5).softmax(-1)
    assert torch.allclose(torch.bincount(tokens, minlength=3) / draws, expected, atol=0.04)


def test_a_learned_temperature_is_stored_with_the_weights():
    """A temperature of 0 or less is a tensor under the released name."""
    learned = TokenQuantiser(QuantiserConfig(4, 3, 3, 8, stochastic_temperature=-1.0))
    fixed = TokenQuantiser(QuantiserConfig(4, 3, 3, 8))
    assert set(learned.state_dict()) - set(fixed.state_dict()) == {"regularizer.stochastic_temperature_inv"}
    tokens = learned.encode(numbers(2, 5, 4), learned.codes(), torch.zeros(2, 5, 8))
    assert torch.equal(tokens, learned.encode(numbers(2, 5, 4), learned.codes()))


def test_features_come_from_the_second_to_last_layer():
    """The tower equals the library's whole tower read at hidden state −2, on pixels in −1 … 1."""
    model = scatter(TaTok(TINY))
    whole = SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=28,
            patch_size=7,
        )
    ).eval()
    state = {
        name: tensor for name, tensor in whole.state_dict().items() if TINY and model.reads(f"encoder.{name}")
    }
    model.encoder.load_state_dict(state)
    pixels = torch.rand(2, 3, 28, 28, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        hidden = whole(2 * pixels - 1, output_hidden_states=True).hidden_states[-2]
        assert torch.allclose(model(pixels), model.encode_task_layer(hidden), atol=1e-5)


def test_a_picture_is_a_grid_of_ids():
    """Pixels become tokens of the codebook, one per patch."""
    model = scatter(TaTok(TINY))
    with torch.no_grad():
        tokens = model.bottleneck.encode(model(torch.rand(2, 3, 28, 28)), model.bottleneck.codes())
    assert tokens.shape == (2, TINY.tokens) == (2, 16)
    assert 0 <= tokens.min() <= tokens.max() < 32


def test_the_defaults_are_the_released_sizes():
    """So400m/14 at 384: 729 tokens, 26 of 27 layers computed, a codebook of 65,536."""
    config = TaTokConfig()
    assert config.tokens == 729
    with torch.device("meta"):
        model = TaTok(config)
    names = set(model.state_dict())
    assert "encoder.encoder.layers.25.mlp.fc2.weight" in names
    assert not any(".layers.26." in name or "head" in name for name in names)
    assert all(model.reads(name) for name in names)
    assert model.bottleneck.regularizer.embedding.weight.shape == (65536, 1536)


def test_a_configuration_survives_json():
    """What JSON says is what is built."""
    data = {"image_size": 28, "patch": 7, "quantiser": {"codebook_size": 32, "token_nums": 16}}
    config = TaTokConfig.from_json(data)
    assert (config.tokens, config.quantiser.codebook_size, config.width) == (16, 32, 1152)
    with pytest.raises(TypeError):
        TaTokConfig.from_json({"imagesize": 28})
