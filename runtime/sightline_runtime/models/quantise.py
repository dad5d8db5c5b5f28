"""Weights of linear layers in 8 or 4 bits, through bitsandbytes.

8 bits: LLM.int8(), row by row; 4 bits: NF4 with a scale for every 64 weights. Layers
are replaced in place as their weights arrive, so that no more than one shard is ever
held in full precision.
"""

from typing import Literal

from torch import Tensor, nn

from sightline_runtime.errors import ModelError


def quantise(module: nn.Module, bits: Literal[8, 4]) -> None:
    """Replace every linear layer below `module` whose weights are there by one of fewer bits.

    Layers that are still on the meta device are left for a later call. Raises
    ModelError if bitsandbytes is not installed.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear and not any(p.is_meta for p in child.parameters()):
                setattr(parent, name, _smaller(child, bits))


def _smaller(linear: nn.Linear, bits: Literal[8, 4]) -> nn.Module:
    try:
        from bitsandbytes import nn as bnb
    except ImportError as error:
        raise ModelError(
            f"weights in 8 or 4 bits need a package that is not installed: {error.name}",
            hint="pip install 'sightline[quantize]'",
        ) from error
    size, bias = (linear.in_features, linear.out_features), linear.bias is not None
    weight: Tensor = linear.weight.data
    if bits == 8:
        made = bnb.Linear8bitLt(*size, bias=bias, has_fp16_weights=False, device="meta")
        made.weight = bnb.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
    else:
        made = bnb.Linear4bit(*size, bias=bias, compute_dtype=weight.dtype, quant_type="nf4", device="meta")
        made.weight = bnb.Params4bit(weight, requires_grad=False, quant_type="nf4", module=made)
    if bias:
        made.bias = nn.Parameter(linear.bias.data, requires_grad=False)
    smaller: nn.Module = made.to(weight.device)  # moving is what makes it small
    return smaller
