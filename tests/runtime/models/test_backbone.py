"""The backbone against transformers' own Qwen classes, and its cache against itself."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle import backbone as oracle
from tests.oracle.compare import error, numbers, scatter

from sightline_runtime.models.backbone import Backbone, BackboneConfig, Cache


def small(**change):
    """A small configuration."""
    values = {"vocabulary": 50, "width": 32, "layers": 3, "heads": 4, "kv_heads": 2, "ffn_width": 48}
    return BackboneConfig(**(values | change))


@st.composite
def configs(draw):
    """Backbones of both families, of any size."""
    heads, kv_heads = draw(st.sampled_from([(1, 1), (2, 2), (4, 2), (3, 1), (6, 2)]))
    qwen3 = draw(st.booleans())
    return BackboneConfig(
        vocabulary=draw(st.integers(2, 60)),
        width=heads * draw(st.sampled_from([8, 12, 16, 22])),
        layers=draw(st.integers(1, 4)),
        heads=heads,
        kv_heads=kv_heads,
        ffn_width=draw(st.integers(8, 60)),
        rope_theta=draw(st.sampled_from([1e4, 1e6])),
        eps=draw(st.sampled_from([1e-5, 1e-6])),
        qkv_bias=not qwen3,
        qk_norm=qwen3,
        tied=draw(st.booleans()),
    )


def pair(config, seed):
    """The library's model and the runtime's, with the same weights under the same names."""
    library = scatter(oracle.text_model(config), seed)
    model = scatter(Backbone(config), seed + 1)
    missing, unexpected = model.load_state_dict(library.state_dict(), strict=False)
    assert (missing, unexpected) == ([] if config.tied else ["lm_head.weight"], [])
    return library, model


def seen(filled, new):
    """Which of the tokens so far the last `new` ones may see: earlier ones that are no padding."""
    total = filled.shape[1]
    return torch.ones(new, total, dtype=torch.bool).tril(total - new) & filled[:, None, None, :]


@settings(max_examples=30, deadline=None)
@given(configs(), st.integers(1, 3), st.integers(1, 12), st.integers(0, 99))
def test_it_computes_what_transformers_computes(config, rows, tokens, seed):
    """Hidden states, those of the middle layer, and the scores of words, in float32."""
    library, model = pair(config, seed)
    ids = numbers(rows, tokens, seed=seed).abs().mul(100).long() % config.vocabulary
    head = None if config.tied else model.lm_head.weight
    with torch.no_grad():
        found = model(model.embed_tokens(ids), Cache())
        last, middle = oracle.states(library, library.embed_tokens(ids))
        assert error(found.last, last) < 1e-5
        assert error(found.middle, middle) < 1e-5
        assert error(model.logits(found.last), oracle.logits(library, last, head)) < 1e-5


@settings(max_examples=30, deadline=None)
@given(configs(), st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 99), st.data())
def test_reading_in_pieces_equals_the_librarys_one_pass(config, pieces, seed, data):
    """A cache filled piece by piece, with padding inside the rows, leaves the same states everywhere."""
    library, model = pair(config, seed)
    total = sum(pieces)
    holes = st.lists(st.booleans(), min_size=total - 1, max_size=total - 1)
    filled = torch.tensor([[True, *data.draw(holes)] for _ in range(2)])
    padded = not bool(filled.all())
    embeddings = numbers(2, total, config.width, seed=seed)
    cache, found = Cache(), []
    with torch.no_grad():
        for piece in embeddings.split(pieces, 1):
            mask = seen(filled[:, : cache.length + piece.shape[1]], piece.shape[1]) if padded else None
            found.append(model(piece, cache, None, mask).last)
        expected, _ = oracle.states(library, embeddings, filled.int() if padded else None)
    assert cache.length == total
    assert error(torch.cat(found, 1), expected) < 1e-5


def test_the_queries_may_follow_padding_at_the_places_they_would_have_alone():
    """What a batch does: pads stand between prompt and queries, places skip them, nothing changes."""
    library, model = pair(small(), 3)
    prompt, queries = numbers(1, 4, 32, seed=1), numbers(1, 3, 32, seed=2)
    padded = torch.cat([prompt, 9 * torch.ones(1, 2, 32)], 1)
    filled = torch.tensor([[True] * 4 + [False] * 2 + [True] * 3])
    cache = Cache()
    with torch.no_grad():
        model(padded, cache)
        found = model(queries, cache, torch.arange(4, 7)[None], seen(filled, 3)).last
        expected, _ = oracle.states(library, torch.cat([prompt, queries], 1))
    assert error(found, expected[:, 4:]) < 1e-5


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
