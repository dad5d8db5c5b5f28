"""Flow matching as the public inference and training code does it, on diffusers' own scheduler.

Sampling: as many levels as steps from 1 down to 1/steps; the network sees the scheduler's timestep cast
to an integer; the null condition comes first in the batch. Training: a level of the scheduler's thousand,
its timestep as it is (paper section 3).
"""

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler


def sample(dit, condition, noise, *, steps, guidance, shift=1.0, integer=True):
    """Noise (b, c, g, g) → features of the same shape, for conditions (b, m, z).

    `integer` is False for networks that see the timestep as it is: the embedded one, SANA.
    """
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(steps, sigmas=np.linspace(1.0, 1 / steps, steps))
    both = torch.cat([torch.zeros_like(condition), condition])
    latents = noise
    for t in scheduler.timesteps:
        shown = (t.to(torch.long) if integer else t).repeat(len(both))
        v0, v = dit(latents.repeat(2, 1, 1, 1), shown, both).chunk(2)
        latents = scheduler.step(v0 + guidance * (v - v0), t, latents).prev_sample
    return latents


def training_point(u, features, noise, *, shift=1.0):
    """A draw u (b,) in [0, 1): timesteps (b,), noisy features and the velocity to learn, both as features."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    index = (u * scheduler.config.num_train_timesteps).long()
    sigma = scheduler.sigmas[index][:, None, None, None]
    return scheduler.timesteps[index], (1 - sigma) * features + sigma * noise, noise - features


def training_loss(dit, u, features, noise, condition, *, shift=1.0):
    """The plain mean squared error of the velocity."""
    timesteps, noisy, target = training_point(u, features, noise, shift=shift)
    return F.mse_loss(dit(noisy, timesteps, condition), target)
