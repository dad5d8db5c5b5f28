"""Feature sampling: a DiT, a condition and noise → features, step by step.

The null condition of classifier-free guidance is zeros in place of the condition's
tokens (the projection's biases act on them); its rows come first in the batch. What
does not change from step to step is prepared once.

Letters: b pictures, n feature tokens, c feature channels, m condition tokens, z their width.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sightline_runtime.models import flow
from sightline_runtime.models.dit import DiT


def sample(
    dit: DiT,
    condition: Float[Tensor, "b m z"],
    noise: Float[Tensor, "b n c"],
    *,
    schedule: flow.Schedule,
    guidance: float,
    mask: Bool[Tensor, "b m"] | None = None,
    source: Float[Tensor, "b n s"] | None = None,
) -> Iterator[Tensor]:
    """Denoise along the schedule; the last estimate is the result.

    At guidance 1 the null rows are not computed. `source` are the features to edit.
    """
    rows, copies = len(noise), 1 if guidance == 1 else 2
    if copies == 2:
        condition = torch.cat([torch.zeros_like(condition), condition])
    prepared = dit.prepare(condition, None if mask is None else mask.repeat(copies, 1))
    sources = None if source is None else source.repeat(copies, 1, 1)
    shown = torch.tensor(schedule.times, device=noise.device)

    def velocity(latents: Tensor, index: int) -> Tensor:
        time = shown[index].expand(copies * rows)
        both: Tensor = dit(latents.repeat(copies, 1, 1), time, prepared, sources)
        return both if copies == 1 else flow.guided(both[:rows], both[rows:], guidance)

    return flow.euler(velocity, noise, schedule.levels)
