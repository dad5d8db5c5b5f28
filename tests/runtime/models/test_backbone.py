"""The backbone against transformers' own Qwen classes, and its cache against itself."""

import pytest
import torch

from sightline_runtime.models.backbone import Backbone, BackboneConfig, Cache


def small(**change):
    """A small configuration."""
    values = {"vocabulary": 50, "width": 32, "layers": 3, "heads": 4, "kv_heads": 2, "ffn_width": 48}
    return BackboneConfig(**(values | change))


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_it_computes_what_transformers_computes(family):
    """With the same weights, hidden states and logits equal the library's."""
    import transformers

    common = {
        "vocab_size": 50,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 48,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "rope_theta": 1e6,
        "head_dim": 8,
    }
    if family == "qwen2":
        theirs = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**common)).eval()
        ours = Backbone(small()).eval()
    else:
        theirs = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**common)).eval()
        ours = Backbone(small(qkv_bias=False, qk_norm=True)).eval()
    theta = getattr(theirs.config, "rope_parameters", {}).get("rope_theta", 1e6)
    assert theta == pytest.approx(1e6)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    ours.load_state_dict(
        {name.removeprefix("model."): tensor for name, tensor in theirs.state_dict().items()}
    )
    ids = torch.randint(50, (2, 9))
    with torch.no_grad():
        found = ours.logits(ours(ours.embed_tokens(ids), Cache()).last)
        expected = theirs(ids).logits
    assert torch.allclose(found, expected, atol=1e-4)


def test_decoding_with_the_cache_equals_one_pass():
    """Token by token gives the states of the whole row."""
    model = Backbone(small()).eval()
    ids = torch.randint(50, (2, 7))
    with torch.no_grad():
        whole = model(model.embed_tokens(ids), Cache()).last
        cache, parts = Cache(), []
        for place in range(7):
            parts.append(model(model.embed_tokens(ids[:, place : place + 1]), cache).last)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)


def test_a_forked_cache_leaves_the_old_one_alone():
    """A fork grows by itself."""
    model = Backbone(small()).eval()
    cache = Cache()
    with torch.no_grad():
        model(model.embed_tokens(torch.randint(50, (1, 4))), cache)
        fork = cache.fork()
        model(model.embed_tokens(torch.randint(50, (1, 2))), fork)
    assert (cache.length, fork.length) == (4, 6)


def test_the_released_text_model_has_its_parameters():
    """Qwen2.5-VL-7B's text model: 7,070,619,136 with its embeddings, 338 tensors without the head."""
    with torch.device("meta"):
        model = Backbone(BackboneConfig())
    names = [name for name, _ in model.named_parameters() if not name.startswith("lm_head")]
    total = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("lm_head"))
    assert (total, len(names)) == (7_070_619_136, 338)
