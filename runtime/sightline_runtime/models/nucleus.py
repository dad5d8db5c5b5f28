"""Which tokens may be sampled: the k likeliest, of them the fewest that hold a share p of probability.

The order is that of the reference's library: first k, then p of what is left.

Letters: v tokens, m tokens that are kept.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def kept(
    logits: Float[Tensor, " v"], *, top_k: int, top_p: float
) -> tuple[Int[Tensor, " m"], Float[Tensor, " m"]]:
    """Ids of the tokens that may be sampled, likeliest first, and their logits; at least one."""
    values, ids = logits.topk(min(top_k, len(logits)))
    shares = values.softmax(-1)
    before = shares.cumsum(-1) - shares
    inside = before < top_p
    inside[0] = True
    return ids[inside], values[inside]


def sample(
    logits: Float[Tensor, " v"], gumbel: Float[Tensor, " v"], *, top_k: int = 0, top_p: float = 1.0
) -> int:
    """A token, drawn among those that may be sampled with noise that belongs to each token's id.

    `top_k` 0 leaves out none. The same noise gives the same token on any device.
    """
    ids, values = kept(logits, top_k=top_k or len(logits), top_p=top_p)
    return int(ids[torch.argmax(values + gumbel[ids])])
