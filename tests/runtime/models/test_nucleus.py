"""Sampling among the likeliest, against the library's own filters."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.oracle.compare import numbers
from transformers import TopKLogitsWarper, TopPLogitsWarper

from sightline_runtime.models import nucleus


@given(st.integers(1, 50), st.integers(1, 60), st.floats(0.01, 0.99), st.integers(0, 999))
def test_the_library_keeps_the_same_tokens(size, top_k, top_p, seed):
    """First the k likeliest, then the fewest that hold p: what the reference's generation keeps."""
    logits = 3 * numbers(size, seed=seed)
    scores = TopPLogitsWarper(top_p)(None, TopKLogitsWarper(top_k)(None, logits[None]))
    ids, values = nucleus.kept(logits, top_k=top_k, top_p=top_p)
    assert sorted(ids.tolist()) == torch.isfinite(scores[0]).nonzero().flatten().tolist()
    assert torch.equal(values, logits[ids])


def test_samples_follow_the_probabilities():
    """Among those kept, each token comes as often as it is likely."""
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    generator = torch.Generator().manual_seed(0)
    noise = -torch.log(-torch.log(torch.rand(4000, 4, generator=generator)))
    drawn = torch.tensor([nucleus.sample(logits, row, top_k=3, top_p=0.9) for row in noise])
    shares = torch.bincount(drawn, minlength=4) / 4000
    assert torch.allclose(shares, torch.tensor([0.5, 0.3, 0.15, 0.0]) / 0.95, atol=0.03)


def test_without_limits_every_token_may_come():
    """No k and a share of 1 leave out none; noise decides."""
    logits, noise = torch.zeros(5), torch.tensor([0.0, 0.0, 0.0, 0.0, 9.0])
    assert nucleus.sample(logits, noise) == 4
