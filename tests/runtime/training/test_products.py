"""bfloat16 products: the same layer but for rounding, and only where it is learnt."""

import pytest
import torch
from torch import nn

from sightline_runtime.training import products
from sightline_runtime.training.optimizer import orthogonalise


@pytest.fixture
def layer():
    """A linear layer and an input with two leading axes."""
    torch.manual_seed(0)
    return nn.Linear(24, 16), torch.randn(3, 5, 24, requires_grad=True)


def gradients(layer, x, out):
    """Gradients of a loss that weighs every output differently."""
    weights = torch.linspace(-1, 1, out.numel()).view_as(out)
    return torch.autograd.grad((out * weights).sum(), [x, layer.weight, layer.bias])


def test_output_and_gradients_equal_the_plain_ones_up_to_rounding(layer):
    """Forward and backward differ from float32 by less than two percent of their size."""
    linear, x = layer
    plain = linear(x)
    rounded = products.Linear16.apply(x, linear.weight, linear.bias)
    pairs = zip(gradients(linear, x, plain), gradients(linear, x, rounded), strict=True)
    for exact, found in [(plain, rounded), *pairs]:
        assert found.dtype == torch.float32
        assert (exact - found).abs().max() < 0.02 * exact.abs().max()


def test_no_rows_are_fine(layer):
    """A batch of nothing gives nothing, and gradients of zero."""
    linear, _ = layer
    x = torch.zeros(0, 24, requires_grad=True)
    out = products.Linear16.apply(x, linear.weight, linear.bias)
    assert out.shape == (0, 16)
    assert torch.autograd.grad(out.sum(), linear.weight)[0].abs().sum() == 0


def test_layers_inside_are_rounded_and_those_without_gradients_are_not(layer, monkeypatch):
    """In the mode a learnt layer multiplies in bfloat16; without gradients nothing changes."""
    linear, x = layer
    plain = linear(x).detach()
    monkeypatch.setattr(products, "fast_bfloat16", lambda device: True)
    with products.bfloat16_products("cpu"):
        assert not torch.equal(linear(x), plain)
        with torch.no_grad():
            assert torch.equal(linear(x), plain)
    assert torch.equal(linear(x), plain)


def test_nothing_changes_where_it_would_be_slow(layer, monkeypatch):
    """Without units for it the products stay as they are."""
    linear, x = layer
    monkeypatch.setattr(products, "fast_bfloat16", lambda device: False)
    with products.bfloat16_products("cpu"):
        assert torch.equal(linear(x), torch.nn.functional.linear(x, linear.weight, linear.bias))
    assert not products.fast_bfloat16("meta")


def test_orthogonalising_in_bfloat16_finds_nearly_the_same_matrix():
    """Singular values stay near one, whatever the precision of the iteration."""
    matrix = torch.randn(20, 50, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix, dtype=torch.bfloat16))
    assert values.max() < 1.35
    assert values.median() > 0.6
