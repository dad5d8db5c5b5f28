"""Matrix products in bfloat16 on CPUs that have units for it: twice as fast, weights stay float32.

Most of a training step is linear layers. Where they are learnt, their inputs are rounded to
bfloat16 for the product, forward and backward; sums, norms, attention and everything that
is computed without gradients (targets above all) stay in float32. On a CPU without such
units bfloat16 products are hundreds of times slower: there nothing changes.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


def fast_bfloat16(device: str) -> bool:
    """Whether this CPU multiplies bfloat16 natively; False for other devices."""
    found = torch.cpu.get_capabilities() if device == "cpu" else {}
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


class Linear16(torch.autograd.Function):
    """x Wᵀ + b with products in bfloat16 and results in float32."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        """The product; rounded operands are kept for the way back."""
        rows, rounded = x.reshape(-1, x.shape[-1]).bfloat16(), weight.bfloat16()
        ctx.save_for_backward(rows, rounded)
        out = (rows @ rounded.T).float()
        if bias is not None:
            out += bias
        return out.view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, grad: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Gradients of input, weight and bias."""
        rows, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        flat = grad.reshape(-1, grad.shape[-1])
        rounded = flat.bfloat16()
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad  # type: ignore[attr-defined]
        to_x = (rounded @ weight).float().view(*grad.shape[:-1], weight.shape[1]) if needs_x else None
        to_weight = (rounded.T @ rows).float() if needs_weight else None
        return to_x, to_weight, flat.sum(0) if needs_bias else None


class _Mode(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        if func is torch.nn.functional.linear and torch.is_grad_enabled():
            x, weight, bias = (*args, *(kwargs or {}).values(), None)[:3]
            return Linear16.apply(x, weight, bias)
        return func(*args, **(kwargs or {}))


def bfloat16_products(device: str) -> AbstractContextManager[object]:
    """Inside, linear layers that are learnt multiply in bfloat16, if the device is fast at it."""
    return _Mode() if fast_bfloat16(device) else nullcontext()
