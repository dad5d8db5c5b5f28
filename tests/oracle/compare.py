"""What every comparison with the oracle needs: random weights, random arrays, one measure of distance."""

import torch


def numbers(*shape, seed=0):
    """Standard normal numbers of a seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def scatter(module, seed=0):
    """Give every tensor random numbers, gates and tables too: no part may hide behind a zero or a one.

    Matrices keep the scale of what passes through; scales of norms lie around 1.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            drawn = torch.randn(tensor.shape, generator=generator)
            if tensor.ndim > 1:
                tensor.copy_(drawn / tensor[0].numel() ** 0.5)
            else:
                tensor.copy_(0.3 * drawn + name.endswith("weight"))
    return module.eval()


def error(found, expected):
    """The size of the difference over the size of what is expected."""
    assert found.shape == expected.shape
    return ((found - expected).norm() / expected.norm()).item()
