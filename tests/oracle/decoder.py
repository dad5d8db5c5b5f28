"""The released diffusion decoder, one picture and one network call at a time.

EMU2's conventions, as public users of the checkpoints run them, on diffusers' own UNet and Euler
scheduler: the feature tokens are the context, their mean is the pooled embedding, the time ids say
(h, w, 0, 0, h, w); the network predicts noise and is guided away from the negative features.
"""

import torch
from diffusers import EulerDiscreteScheduler, UNet2DConditionModel

SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}
"""SDXL's."""


def unet(width, heads=(2, 4), depth=(1, 1), sample_size=8):
    """A small UNet of SDXL's form for features of a width."""
    return UNet2DConditionModel(
        sample_size=sample_size,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=heads,
        transformer_layers_per_block=depth,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + width,
        norm_num_groups=8,
    )


def predicted(network, latents, time, features, size):
    """The noise in one picture's latents (c, h, w), for features (n, d) and a size (width, height)."""
    width, height = size
    added = {
        "text_embeds": features.mean(0)[None],
        "time_ids": torch.tensor([[height, width, 0, 0, height, width]], dtype=features.dtype),
    }
    return network(latents[None], time, encoder_hidden_states=features[None], added_cond_kwargs=added).sample[
        0
    ]


def paint(network, features, negative, noise, *, size, steps, guidance):
    """Noise (c, h, w) → latents of one picture."""
    scheduler = EulerDiscreteScheduler(**SCHEDULE)
    scheduler.set_timesteps(steps)
    latents = noise * scheduler.init_noise_sigma
    for time in scheduler.timesteps:
        scaled = scheduler.scale_model_input(latents, time)
        wanted = predicted(network, scaled, time, features, size)
        unwanted = predicted(network, scaled, time, negative, size)
        guided = unwanted + guidance * (wanted - unwanted)
        latents = scheduler.step(guided, time, latents).prev_sample
    return latents
