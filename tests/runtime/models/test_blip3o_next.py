"""BLIP3o-NEXT: released names, sizes and the condition, on a tiny release made of the libraries' modules."""

import time

import pytest
import torch
from tests.tiny import next_release
from transformers import Qwen3Config, Qwen3ForCausalLM

from sightline_runtime.errors import ModelError
from sightline_runtime.models import blip3o_next, release_next


def built(folder):
    """The tiny release as it is loaded: built without memory, filled, settled."""
    return release_next.load(release_next.find(folder), device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The tiny release, loaded."""
    return built(next_release.write(tmp_path_factory.mktemp("next")))


def test_a_release_has_what_the_model_needs_and_no_more(model):
    """Every tensor of the released layout is ours or known as unread; nothing is missing."""
    names = {name: model.ours(name) for name in next_release.state()}
    unread = {name for name, own in names.items() if own is None}
    assert {own for own in names.values() if own} == set(model.state_dict()) - model.tied
    assert all(name.startswith("model.vision_tower.vision_tower.") for name in unread)
    assert any(".layers.2." in name for name in unread)


def test_names_go_both_ways(model):
    """The released name of our name of a released name is itself."""
    for name in next_release.state(tied=False):
        own = model.ours(name)
        assert own is None or blip3o_next.released(own) == name
    for own in model.state_dict():
        assert model.ours(blip3o_next.released(own)) == own
    with pytest.raises(KeyError):
        blip3o_next.released("optimizer.step")


def test_weights_arrive_where_they_belong(model):
    """The parts compute what the libraries' modules with the same weights compute."""
    state = next_release.state()
    assert torch.equal(model.vae.decoder.conv_in.weight, state["model.sana_vae.decoder.conv_in.weight"])
    assert torch.equal(model.qwen.lm_head.weight, state["model.embed_tokens.weight"])
    connector = next_release.connector()
    connector.load_state_dict(
        {name.split("connector.")[1]: tensor for name, tensor in state.items() if "connector." in name}
    )
    hidden = torch.randn(1, 4, next_release.HIDDEN)
    with torch.no_grad():
        assert torch.allclose(model.connector(hidden), connector(hidden), atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_the_backbone_equals_the_librarys(tmp_path, tied):
    """Logits from a loaded model are those of Qwen3 itself, positions and tied head included."""
    model = built(next_release.write(tmp_path, tied=tied))
    stored = next_release.state(tied=tied)
    stored.setdefault("lm_head.weight", stored["model.embed_tokens.weight"])
    qwen = Qwen3ForCausalLM(Qwen3Config(**next_release.QWEN, tie_word_embeddings=tied)).eval()
    qwen.load_state_dict({name: stored[name] for name in qwen.state_dict()})
    ids = [1, 5, 9, 20, 3]
    first = next_release.MARKS["image_start_token_id"]
    with torch.no_grad():
        expected = qwen(torch.tensor([ids])).logits[0, -1]
        hidden = model.read(ids)[-1]
        assert torch.allclose(model.qwen.lm_head(hidden), expected, atol=1e-5)
        assert torch.allclose(
            model.code_logits(hidden), expected[first : first + next_release.CODES], atol=1e-5
        )


def test_words_are_never_picture_tokens(model):
    """An answer in text has no chance of a picture mark, and the rest adds up to one."""
    with torch.no_grad():
        scores = model.word_scores(model.read([1, 2, 3]))
    marks = model.config.marks.ids
    assert len(marks) == 2 + next_release.SCALES + next_release.CODES
    assert torch.isneginf(scores[:, marks]).all()
    assert torch.allclose(scores.exp().sum(-1), torch.ones(3))


def test_the_condition_follows_the_last_picture_mark(model):
    """Scale token and picture tokens of the last picture, as one causal pass sees them."""
    marks = model.config.marks
    picture = [marks.start, marks.scale, *range(marks.first_code, marks.first_code + 4)]
    ids = [1, 2, *picture, marks.end, 7, *picture]
    with torch.no_grad():
        assert torch.equal(model.condition(ids), model.read(ids)[-5:])


def test_a_release_without_tokenizer_or_parts_is_the_published_model():
    """Without their tensors there is no tokenizer; without their files, SANA and DC-AE are as published."""
    shapes = {name: tuple(t.shape) for name, t in next_release.state(tokenizer=False).items()}
    data = {name: value for name, value in next_release.config().items() if name != "ta_tok"}
    config = blip3o_next.read_config(data, shapes)
    assert config.tatok is None
    assert config.tokens == 729
    assert config.shift == 1.0
    assert config.sana == {"qk_norm": "rms_norm_across_heads"}
    assert config.vae["scaling_factor"] == 0.41407


def test_the_tokenizers_sizes_are_read_off_its_tensors():
    """A quantiser is as wide as its tensors are; a stored temperature is a learned one."""
    at = "model.vision_tower.vision_tower.bottleneck."
    shapes = {name: tuple(t.shape) for name, t in next_release.state().items()}
    told = blip3o_next.read_config(next_release.config(), shapes, next_release.PARTS).tatok
    learned = blip3o_next.read_config(
        next_release.config(), shapes | {at + "regularizer.stochastic_temperature_inv": ()}
    ).tatok
    assert (told.quantiser.input_dim, told.quantiser.bottleneck_dim, told.quantiser.codebook_size) == (
        16,
        6,
        32,
    )
    assert told.tokens == 16
    assert learned.quantiser.stochastic_temperature < 0 < told.quantiser.stochastic_temperature


@pytest.mark.parametrize(
    "fields",
    [
        {"image_start_token_id": -1},
        {"image_end_token_id": 10**6},
        {"image_end_token_id": 0},
        {"image_start_tag_id": 1e400},
        {"hidden_size": "x"},
    ],
)
def test_marks_and_sizes_that_cannot_be_are_an_error(fields):
    """Marks lie among the words, and a library's own complaint is told in our error."""
    with pytest.raises(ModelError, match=r"config\.json does not describe"):
        blip3o_next.read_config(next_release.config() | fields, {})


def test_a_config_that_is_not_one_is_an_error():
    """Missing marks are named; the family is known by them."""
    data = {name: value for name, value in next_release.config().items() if name != "image_start_token_id"}
    with pytest.raises(ModelError, match="image_start_token_id"):
        blip3o_next.read_config(data, {})
    assert blip3o_next.is_next(next_release.config())
    assert not blip3o_next.is_next({"model_type": "blip3o_qwen", "n_query": 64})


@pytest.mark.parametrize(
    ("qk_norm", "parameters"), [(None, 1_604_462_752), ("rms_norm_across_heads", 1_604_641_952)]
)
def test_the_released_sizes_have_the_released_parameters(qk_norm, parameters):
    """On the meta device, in seconds: SANA 1.6B (1.5: with its norms) and DC-AE have the published counts."""
    started = time.monotonic()
    marks = {"image_start_tag_id": 151669, "image_end_tag_id": 151670, "scale_start_token_id": 151671}
    codes = {"scale_end_token_id": 151673, "image_start_token_id": 151674, "image_end_token_id": 217209}
    qwen = {"vocab_size": 217210, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28}
    heads = {"num_attention_heads": 16, "num_key_value_heads": 8, "tie_word_embeddings": True}
    norm = {"model.sana.transformer_blocks.0.attn1.norm_q.weight": (2240,)} if qk_norm else {}
    tatok = {
        "model.vision_tower.vision_tower.bottleneck.in_linear.weight": (1536, 1152),
        "model.vision_tower.vision_tower.bottleneck.out_linear.weight": (1536, 1536),
        "model.vision_tower.vision_tower.bottleneck.regularizer.embedding.weight": (65536, 1536),
    }
    config = blip3o_next.read_config(qwen | heads | marks | codes, norm | tatok)
    with torch.device("meta"):
        model = blip3o_next.Blip3oNext(config)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert counts["sana"] == parameters
    assert counts["vae"] == 312_250_275
    assert counts["qwen"] == 440_467_456 + 217210 * 1024
    assert counts["connector"] == 1024 * 2304 + 2304 + 2304 * 2304 + 2304 + 2304
    assert time.monotonic() - started < 20
