"""SANA's sampling as the reference wires it, on the library's own scheduler.

Plain: nothing is shared between steps.
"""

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler


def latents(sana, connector, hidden, noise, *, steps, guidance, shift):
    """Denoise with null and condition side by side; both go through the connector at every step."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps))
    both = torch.cat([torch.zeros_like(hidden), hidden])
    now = noise
    for time in scheduler.timesteps:
        speed = sana(torch.cat([now, now]), connector(both), time.expand(2 * len(now))).sample
        null, conditional = speed.chunk(2)
        now = scheduler.step(null + guidance * (conditional - null), time, now).prev_sample
    return now
