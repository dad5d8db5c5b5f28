"""The sizes of the released BLIP3-o models, as their config.json says them.

Text and vision sizes are those of Qwen2.5-VL-3B and -7B; the decoder's are SDXL's with
the feature width as cross-attention width. Loading reads all of this from the
checkpoint; it is kept here to build the models without one.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from sightline_runtime.models.blip3o import Blip3oConfig
from sightline_runtime.models.clip import ClipConfig
from sightline_runtime.models.dit import DiTConfig

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel

Size = Literal["4b", "8b"]

_COMMON: Mapping[str, Any] = {
    "max_position_embeddings": 128000,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    "image_token_id": 151655,
    "video_token_id": 151656,
    "vision_start_token_id": 151652,
    "vision_end_token_id": 151653,
}
_TEXT: Mapping[Size, Mapping[str, Any]] = {
    "4b": {
        "hidden_size": 2048,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "intermediate_size": 11008,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "8b": {
        "hidden_size": 3584,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "intermediate_size": 18944,
        "vocab_size": 152064,
        "tie_word_embeddings": False,
    },
}
_VISION: Mapping[str, Any] = {
    "depth": 32,
    "hidden_act": "silu",
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "temporal_patch_size": 2,
}
UNET: Mapping[str, Any] = {
    "sample_size": 128,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2,
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 1792,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 1792 + 6 * 256,
}
VAE: Mapping[str, Any] = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 1024,
    "scaling_factor": 0.13025,
}
SCHEDULER: Mapping[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}


def config(size: Size, *, tower: bool = True) -> Blip3oConfig:
    """The configuration of a released model."""
    from transformers import Qwen2_5_VLConfig

    text = _TEXT[size]
    vision = {**_VISION, "out_hidden_size": text["hidden_size"]}
    qwen = Qwen2_5_VLConfig(**_COMMON, **text, vision_config=vision)
    dit = DiTConfig(condition_width=int(text["hidden_size"]))
    return Blip3oConfig(qwen, 64, dit, ClipConfig() if tower else None)


def decoder() -> "tuple[UNet2DConditionModel, AutoencoderKL]":
    """The networks of the diffusion decoder, without weights of their own."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    return UNet2DConditionModel.from_config(dict(UNET)), AutoencoderKL.from_config(dict(VAE))
