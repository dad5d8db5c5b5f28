"""Muon for matrices, AdamW for everything else.

Muon turns each momentum matrix into the nearest orthogonal one by a few
Newton–Schulz steps (Jordan et al., 2024). Torch's own version multiplies in
bfloat16, which is hundreds of times slower on CPUs without bfloat16 units: here it
is used only where it is fast.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sightline_runtime.training.products import fast_bfloat16

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic Newton–Schulz iteration, from Muon's publication."""


@torch.no_grad()
def orthogonalise(matrix: Tensor, steps: int = 5, dtype: torch.dtype = torch.float32) -> Tensor:
    """The nearest orthogonal matrix, roughly: singular values end between 0.7 and 1.2."""
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.T if tall else matrix
    x = (x / (x.norm() + 1e-7)).to(dtype)
    for _ in range(steps):
        gram = x @ x.T
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return (x.T if tall else x).to(matrix.dtype)


class MuonAdam:
    """Updates named parameters; its state is a flat dictionary of tensors."""

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], *, muon: float, adam: float) -> None:
        self.parameters = {name: p for name, p in named if p.requires_grad}
        self.muon, self.adam = muon, adam
        self.state: dict[str, Tensor] = {}
        self.steps = 0
        device = next((p.device.type for p in self.parameters.values()), "cpu")
        self.dtype = torch.bfloat16 if fast_bfloat16(device) else torch.float32

    def step(self, scale: float) -> None:
        """Apply the gradients with both learning rates times `scale`, then clear them."""
        self.steps += 1
        for name, parameter in self.parameters.items():
            if parameter.grad is None:
                continue
            if parameter.ndim == 2 and min(parameter.shape) > 8 and "embed" not in name:
                self._muon(name, parameter, self.muon * scale)
            else:
                self._adam(name, parameter, self.adam * scale)
            parameter.grad = None

    def _buffer(self, name: str, like: Tensor) -> Tensor:
        if name not in self.state:
            self.state[name] = torch.zeros_like(like)
        return self.state[name]

    @torch.no_grad()
    def _muon(self, name: str, parameter: Tensor, rate: float) -> None:
        gradient = parameter.grad
        momentum = self._buffer(f"{name}#m", parameter)
        momentum.lerp_(gradient, 0.05)  # type: ignore[arg-type]
        direction = torch.lerp(gradient, momentum, 0.95)  # type: ignore[arg-type]
        update = orthogonalise(direction, dtype=self.dtype)
        update *= max(1.0, parameter.shape[0] / parameter.shape[1]) ** 0.5
        parameter.mul_(1 - rate * 0.01).add_(update, alpha=-rate)

    @torch.no_grad()
    def _adam(self, name: str, parameter: Tensor, rate: float) -> None:
        gradient = parameter.grad
        first, second = self._buffer(f"{name}#1", parameter), self._buffer(f"{name}#2", parameter)
        first.lerp_(gradient, 0.1)  # type: ignore[arg-type]
        second.lerp_(gradient.square(), 0.02)  # type: ignore[union-attr]
        mean = first / (1 - 0.9**self.steps)
        spread = (second / (1 - 0.98**self.steps)).sqrt() + 1e-8
        parameter.add_(mean / spread, alpha=-rate)


def schedule(step: int, steps: int) -> float:
    """Warm up over 3 %, hold to the half, fall in a straight line to 0.02."""
    if step < 0.03 * steps:
        return (step + 1) / (0.03 * steps + 1)
    return min(1.0, 0.02 + 0.98 * (steps - step) / (0.5 * steps))
